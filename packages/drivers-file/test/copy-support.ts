// Files and orders for the tests of copies between files.
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { ASIDE_PIECE, type AsideCopied } from '@blk/core-graph';
import { prng, tempDir } from '@blk/oracle';
import { copyHere } from '../src/io/copy-here.js';
import type { CopyOrder } from '../src/io/copy-parts.js';
import { CopyThread } from '../src/io/copy-thread.js';
import type { HereCalls } from '../src/io/file-io.js';
import { Turns } from '../src/io/turns.js';

export const PIECE = 2 * 1024 * 1024;
export const OLD = 0xee;

/** Open files of one test. */
export class Files {
  readonly dir = tempDir();
  readonly #fds: number[] = [];

  open(path: string, flags: string): number {
    const fd = openSync(path, flags);
    this.#fds.push(fd);
    return fd;
  }
  source(bytes: Uint8Array): number {
    writeFileSync(this.dir.file('source'), bytes);
    return this.open(this.dir.file('source'), 'r');
  }
  target(size: number): number {
    writeFileSync(this.dir.file('target'), Buffer.alloc(size, OLD));
    return this.open(this.dir.file('target'), 'r+');
  }
  get content(): Buffer {
    return readFileSync(this.dir.file('target'));
  }
  [Symbol.dispose](): void {
    for (const fd of this.#fds) closeSync(fd);
    this.dir[Symbol.dispose]();
  }
}

/** Data and zeroes by turns; some of either are so short that they lie inside of one step. */
export function mixed(seed: number, size: number): Buffer {
  const random = prng(seed);
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const length = random.pick([1, 511, 512, 1536, 4096, 8192, 65536, 300_000]);
    if (random.below(2) === 0) {
      random.fill(bytes.subarray(at, at + length));
      bytes[at] = 1;
    }
    at += length;
  }
  return bytes;
}

/** What is left out of a copy in steps that end where pieces do. */
export function withZeroesLeft(source: Buffer, granularity: number): Buffer {
  const bytes = Buffer.from(source);
  for (let at = 0; at < source.length; at += granularity) {
    const step = bytes.subarray(at, at + granularity);
    if (step.every((byte) => byte === 0)) step.fill(OLD);
  }
  return bytes;
}

export const plainOrder = (from: number, to: number, length: number, offset = 0): CopyOrder => ({
  parts: [{ from, offset, length }], to, length, targetOffset: 0, granularity: 0, zeroes: 'skip',
});

export const threads = (): CopyThread => new CopyThread({ processors: 2, idle: 50 });

export const EAGAIN = -11;

/** Calls for a file of which everything is at hand, but for what `changes` say. */
export const callsOf = (fd: number, changes: Partial<HereCalls> = {}): HereCalls => ({
  readHere: (offset, buffer, start, length) => readSync(fd, buffer, start, length, offset),
  writesHere: true,
  writeHere: (offset, buffer, start, length) => writeSync(fd, buffer, start, length, offset),
  ...changes,
});

/** On this thread. */
export const here = (order: CopyOrder, changes: Partial<HereCalls> = {}): Promise<AsideCopied> =>
  copyHere(order, Buffer.alloc(ASIDE_PIECE, 0xdd), { to: callsOf(order.to, changes), from: (fd) => callsOf(fd, changes) }, new Turns());
