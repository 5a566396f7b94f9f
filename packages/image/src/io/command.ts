/** The shape of a command of the disk exerciser, and what commands share. */
import { BlockError, errnoOf, strerror, type Backend, type Completion } from '@blk/core-graph';
import type { ReportStyle } from './report.js';
import { ArgumentError } from './sizes.js';
import type { ParsedWords } from './words.js';

/** Where a session's words go, and what it may ask of its program. */
export interface IoOutput {
  out(text: string): void;
  err(text: string): void;
  /** Seconds on a clock that never goes back. */
  now(): number;
  /** Resolves after so many milliseconds. */
  sleep(ms: number): Promise<void>;
  /** The bytes of a file that a pattern is taken from. Throws as the system does. */
  readFile?(path: string): Promise<Uint8Array>;
}

/** Numbers of operands: at least, at most (-1: any). */
export interface IoCommand {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly minimum: number;
  readonly maximum: number;
  /** Options and operands, as the one-line help shows them. */
  readonly synopsis: string;
  readonly summary: string;
  readonly help?: string;
  /** Runs without an open image. */
  readonly free?: boolean;
  /** Returns false where the command failed; it has said why. */
  run(words: readonly string[], context: IoContext): Promise<boolean>;
}

export interface IoContext {
  readonly output: IoOutput;
  /** The open image. Commands that are not `free` are called only with one. */
  readonly image: Backend;
  readonly command: IoCommand;
}

/** Longest request, in bytes, that one buffer serves. */
export const MAX_REQUEST = 2147483136;

export function usageLine(command: IoCommand): string {
  const names = command.aliases && command.aliases.length > 0 ? `${command.name}` : command.name;
  return `${names} ${command.synopsis} -- ${command.summary}\n`;
}

export function styleOf(parsed: ParsedWords): ReportStyle {
  if (parsed.flags.has('q')) return 'quiet';
  return parsed.flags.has('C') ? 'machine' : 'human';
}

/** Runs a data-plane verb to its end and gives the seconds that it took. */
export async function timed(output: IoOutput, request: () => Completion): Promise<number> {
  const began = output.now();
  const done = request();
  if (done !== undefined) await done;
  return output.now() - began;
}

/** Runs `body`; a failed request is told as `verb failed: text of the errno`. */
export async function failing(output: IoOutput, verb: string, body: () => Promise<boolean>): Promise<boolean> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof ArgumentError || !(error instanceof BlockError)) throw error;
    if (error.kind === 'read-only') throw error;
    output.out(`${verb} failed: ${strerror(errnoOf(error))}\n`);
    return false;
  }
}
