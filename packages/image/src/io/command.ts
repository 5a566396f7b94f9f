/** The shape of a command of the disk exerciser, and what commands share. */
import { BlockError, errnoOf, strerror, type Backend, type Completion } from '@blk/core-graph';
import type { PendingRequests } from './pending.js';
import type { ReportStyle } from './report.js';
import { ArgumentError, parseNumber } from './sizes.js';
import { UsageError, type ParsedWords } from './words.js';

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
  /** Options and operands, as the one-line help shows them; undefined where there are none. */
  readonly synopsis?: string;
  readonly summary: string;
  readonly help?: string;
  /** Runs without an open image. */
  readonly free?: boolean;
  /** Changes the image: refused before anything else where that is read-only. */
  readonly writes?: boolean;
  /** Returns false where the command failed; it has said why. */
  run(words: readonly string[], context: IoContext): Promise<boolean>;
}

export interface IoContext {
  readonly output: IoOutput;
  /** The open image. Commands that are not `free` are called only with one. */
  readonly image: Backend;
  readonly command: IoCommand;
  readonly pending: PendingRequests;
}

/** Longest request, in bytes, that one buffer serves. */
export const MAX_REQUEST = 2147483136;

/** Bytes that offsets and lengths of VM state and of compressed writes are multiples of. */
const SECTOR = 512;

/** The one-line help. `name`: as the command was called, where that was by an alias. */
export function usageLine(command: IoCommand, name = command.name): string {
  return `${name}${command.synopsis === undefined ? '' : ` ${command.synopsis}`} -- ${command.summary}\n`;
}

export function styleOf(parsed: ParsedWords): ReportStyle {
  if (parsed.flags.has('q')) return 'quiet';
  return parsed.flags.has('C') ? 'machine' : 'human';
}

/** Offset and length of a command that takes just these. */
export function rangeOf(parsed: ParsedWords): { readonly offset: number; readonly length: number } {
  if (parsed.operands.length !== 2) throw new UsageError();
  const [first, second] = parsed.operands;
  return { offset: parseNumber(first), length: parseNumber(second) };
}

/** The offset, and the lengths of one buffer after the other added up. */
export function vectorOf(parsed: ParsedWords): { readonly offset: number; readonly length: number } {
  if (parsed.operands.length < 2) throw new UsageError();
  const offset = parseNumber(parsed.operands[0]);
  let total = 0;
  for (const text of parsed.operands.slice(1)) {
    const length = parseNumber(text);
    if (length > MAX_REQUEST) throw new ArgumentError(`Argument '${text}' exceeds maximum size ${MAX_REQUEST}`);
    if (length > MAX_REQUEST - total) throw new ArgumentError(`The total number of bytes exceed the maximum size ${MAX_REQUEST}`);
    total += length;
  }
  return { offset, length: total };
}

export function checkSectors(offset: number, length: number): void {
  if (offset % SECTOR !== 0) throw new ArgumentError(`${offset} is not a sector-aligned value for 'offset'`);
  if (length % SECTOR !== 0) throw new ArgumentError(`${length} is not a sector-aligned value for 'count'`);
}

/** A buffer for a request; there is none for what the image cannot hold, so that a slip of the keyboard costs no memory. */
export function bufferFor(image: Backend, offset: number, length: number, fill: number): Uint8Array {
  image.checkRange(offset, length);
  return new Uint8Array(length).fill(fill);
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
    output.out(`${verb} failed: ${strerror(errnoOf(error))}\n`);
    return false;
  }
}
