/** Runs commands of `blk` in this process, with what they print collected. */
import { Readable } from 'node:stream';
import type { Terminal } from '../src/terminal.js';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Main = (words: readonly string[], terminal: Terminal) => Promise<number>;

/** Runs `main` under a tool's name, with `input` on its standard input. */
export async function runMain(main: Main, name: string, words: readonly string[], input = ''): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const code = await main(words, {
    name,
    out: (text) => { stdout += text; },
    err: (text) => { stderr += text; },
    input: Readable.from([input]),
    interactive: false,
    program: process.argv[1] ?? '',
  });
  return { code, stdout, stderr };
}

/** The text with what a clock decided taken out. */
export function withoutTimes(text: string): string {
  return text
    .replaceAll(/; [\d:.]+( sec)? \(.*? ops\/sec\)/g, '; TIME')
    .replaceAll(/^(\d+,\d+),[\d:.]+,[\d.]+,[\d.]+$/gm, '$1,TIME');
}
