// Runs a command line once and takes its time.
import { run, type RunResult } from '@blk/oracle';

/** Milliseconds from the start of a command to its end, and what it printed. */
export interface Timed extends RunResult {
  readonly milliseconds: number;
}

/** @throws Error with the command's own words if it fails. */
export async function timed(words: readonly string[], timeout = 300_000): Promise<Timed> {
  const begin = performance.now();
  const result = await run(words[0], words.slice(1), { timeout });
  const milliseconds = performance.now() - begin;
  if (result.code !== 0) throw new Error(`${words.join(' ')}: exit code ${result.code}: ${result.stderr || result.stdout}`);
  return { ...result, milliseconds };
}

/** A line of words as an array, with `{name}` replaced. */
export function fill(line: string, values: Readonly<Record<string, string>> = {}): string[] {
  return line.split(' ').filter((word) => word !== '').map((word) => word.replace(/\{(\w+)\}/g, (_, name: string) => values[name]));
}
