/** The program: `qapi-gen [--check] SCHEMA OUTPUT-DIRECTORY`, paths relative to the current directory. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { generate, SchemaError } from './index.js';

/** Runs the program; the exit code is returned. Messages go through `say`. */
export function main(args: readonly string[], say: (line: string) => void): number {
  const check = args.includes('--check');
  const [schema, output] = args.filter((argument) => argument !== '--check');
  if (schema === undefined || output === undefined) {
    say('usage: qapi-gen [--check] SCHEMA OUTPUT-DIRECTORY');
    return 2;
  }
  try {
    const files = generate(schema, {
      read: (path) => readFileSync(path, 'utf8'),
      resolve: (from, included) => posix.join(dirname(from), included),
    });
    return check ? compare(files, output, say) : write(files, output);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    say(error.message);
    return 1;
  }
}

function write(files: ReadonlyMap<string, string>, output: string): number {
  mkdirSync(output, { recursive: true });
  for (const [name, text] of files) writeFileSync(join(output, name), text);
  return 0;
}

function compare(files: ReadonlyMap<string, string>, output: string, say: (line: string) => void): number {
  const stale = [...files].filter(([name, text]) => readIfThere(join(output, name)) !== text);
  for (const [name] of stale) say(`${join(output, name)} is not what the schema gives: run "npm run generate"`);
  return stale.length === 0 ? 0 : 1;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
