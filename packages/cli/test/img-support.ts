/** Commands of qemu-img run by both programs: ours in this process, theirs as it is installed. */
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { run, type TempDir } from '@blk/oracle';
import { expect } from 'vitest';
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
  for (let tries = 1; ; tries++) {
    const ran = await run('qemu-img', words, { cwd });
    // It gives up key derivation where the machine is busy.
    if (tries === 20 || !ran.stderr.includes('Unable to get accurate CPU usage')) return ran;
  }
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

/** Every image of both folders shows the same content by the reference tool, and ours are clean. */
export async function expectSameFiles(mine: string, theirs: string, folders: readonly string[] = ['.', 'sub']): Promise<void> {
  for (const sub of folders) {
    expect(readdirSync(join(mine, sub)).sort()).toEqual(readdirSync(join(theirs, sub)).sort());
    for (const name of readdirSync(join(theirs, sub))) {
      if (name === 'sub') continue;
      const a = join(sub, name);
      if (readFileSync(join(mine, a)).equals(readFileSync(join(theirs, a)))) continue;
      const { stdout } = await reference(['info', '--output=json', a], theirs);
      const info = JSON.parse(stdout) as { format: string; 'backing-filename'?: string; 'virtual-size': number };
      const ours = JSON.parse((await reference(['info', '--output=json', a], mine)).stdout) as typeof info;
      expect(ours).toMatchObject({ format: info.format, 'virtual-size': info['virtual-size'] });
      expect(ours['backing-filename']).toEqual(info['backing-filename']);
      // One whose backing file is not there can be neither checked nor compared.
      if ((await reference(['map', a], theirs)).code !== 0) continue;
      if (info.format === 'qcow2') expect(await reference(['check', a], mine)).toMatchObject({ code: 0 });
      expect([a, await reference(['compare', join(mine, a), join(theirs, a)], mine)]).toMatchObject([a, { code: 0 }]);
    }
  }
}
