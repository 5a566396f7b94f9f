// The lines of a script that set files up, done by the runner itself in one folder.
import { chmodSync, copyFileSync, mkdirSync, openSync, closeSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { needTool, prng, run, type ToolName } from '@blk/oracle';
import { untilMeasured } from './coarse-clock.js';
import { splitWords } from './words.js';

type Verb = (folder: string, words: readonly string[]) => void;

/** What scripts can say besides tools' lines. Offsets and lengths are bytes; names are relative to the scenario's folder. */
const VERBS: Readonly<Record<string, Verb>> = {
  mkdir: (folder, [name]) => {
    mkdirSync(join(folder, name), { recursive: true });
  },
  rm: (folder, [name]) => {
    rmSync(join(folder, name), { recursive: true, force: true });
  },
  mv: (folder, [from, to]) => {
    renameSync(join(folder, from), join(folder, to));
  },
  cp: (folder, [from, to]) => {
    copyFileSync(join(folder, from), join(folder, to));
  },
  chmod: (folder, [mode, name]) => {
    chmodSync(join(folder, name), parseInt(mode, 8));
  },
  symlink: (folder, [target, name]) => {
    symlinkSync(target, join(folder, name));
  },
  text: (folder, [name, ...text]) => {
    writeFileSync(join(folder, name), text.join(' ').replaceAll('\\n', '\n'));
  },
  truncate: (folder, [name, size]) => {
    closeSync(openSync(join(folder, name), 'a'));
    truncateSync(join(folder, name), Number(size));
  },
  /** poke FILE OFFSET HEX */
  poke: (folder, [name, offset, hex]) => {
    writeAt(join(folder, name), Number(offset), Buffer.from(hex, 'hex'));
  },
  /** random FILE OFFSET LENGTH SEED */
  random: (folder, [name, offset, length, seed]) => {
    writeAt(join(folder, name), Number(offset), prng(Number(seed)).bytes(Number(length)));
  },
  /** fill FILE OFFSET LENGTH BYTE */
  fill: (folder, [name, offset, length, byte]) => {
    writeAt(join(folder, name), Number(offset), Buffer.alloc(Number(length), Number(byte)));
  },
};

/** Does one line of set-up in a folder. Throws where the line is none, or `ref` failed. */
export async function setUp(folder: string, line: string): Promise<void> {
  const { words, input } = splitWords(line.replaceAll('$DIR', folder));
  const [verb, ...rest] = words;
  if (verb === 'ref') {
    const [tool, ...args] = rest;
    const result = await untilMeasured(() => run(needTool(tool as ToolName), args, { cwd: folder, input: input ?? '' }));
    if (result.code !== 0) throw new Error(`${line}: ${result.stderr}${result.stdout}`);
    return;
  }
  if (!Object.hasOwn(VERBS, verb)) throw new Error(`a script says "${line}", which is neither a tool nor set-up`);
  VERBS[verb](folder, rest);
}

function writeAt(path: string, offset: number, bytes: Uint8Array): void {
  closeSync(openSync(path, 'a'));
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(fd);
  }
}
