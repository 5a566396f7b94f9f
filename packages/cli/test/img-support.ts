/** Commands of qemu-img run by both programs: ours in this process, theirs as it is installed. */
import { cpSync, mkdirSync } from 'node:fs';
import { Readable } from 'node:stream';
import { run, type TempDir } from '@blk/oracle';
import { main } from '../src/main.js';
import type { ToolIo } from '../src/tool.js';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly calledAs?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs our program in this process. */
export async function ours(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const io: ToolIo = {
    stdin: Readable.from([]),
    out: (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
    },
    env: options.env ?? {},
    signal: options.signal ?? new AbortController().signal,
  };
  const code = await main(words, io, options.calledAs ?? 'qemu-img');
  return { code, stdout, stderr };
}

/** A folder for each side, with the same files in it. */
export function twoSides(dir: TempDir, from: string): { readonly mine: string; readonly theirs: string } {
  const mine = dir.file('mine');
  const theirs = dir.file('theirs');
  for (const side of [mine, theirs]) cpSync(from, side, { recursive: true });
  return { mine, theirs };
}

export function emptyFolder(dir: TempDir, name: string): string {
  mkdirSync(dir.file(name));
  return dir.file(name);
}

/** Runs the reference in a folder. */
export async function reference(words: readonly string[], cwd: string): Promise<Ran> {
  return run('qemu-img', words, { cwd, timeout: 20_000 });
}

/** Runs ours in a folder: file names in messages are relative, so the process has to be there. */
export async function oursIn(words: readonly string[], cwd: string, options: RunOptions = {}): Promise<Ran> {
  const before = process.cwd();
  process.chdir(cwd);
  try {
    return await ours(words, options);
  } finally {
    process.chdir(before);
  }
}
