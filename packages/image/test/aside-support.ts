// Sources, and a graph that counts what is copied aside, for the tests of conversions from file to file.
import { availableParallelism } from 'node:os';
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { expect } from 'vitest';
import { BlockGraph, defineDriver, FilterNode, type AsideCopied, type AsideCopy, type BlockDriver } from '@blk/core-graph';
import { file } from '@blk/drivers-file';
import { qcow2 } from '@blk/drivers-qcow2';
import { raw } from '@blk/drivers-raw';
import { prng } from '@blk/oracle';

export const M = 1024 * 1024;
/** Neither whole pieces nor a whole sector. */
export const SIZE = 52 * M + 700;
export const WHOLE = Math.ceil(SIZE / 512) * 512;
export const OLD = 0x77;
/** On one processor there are no threads, and nothing to copy aside. */
export const possible = availableParallelism() > 1;
/** So few that they leave something to the threads, however slow the disk is. */
export const FEW = { parallel: 2 };

/** Passes everything on, and is something on the way. */
const filter = defineDriver<{ file: unknown }>({
  name: 'filter', role: 'filter', options: {}, children: { file: 'required' },
  open: async ({ file: reference }, context) => new FilterNode(await context.child('file', reference, 'filtered')),
});

interface Watched {
  readonly graph: BlockGraph;
  /** What was copied aside, of the files' bytes. */
  readonly bytes: () => number;
}

type Before = (copy: AsideCopy) => Promise<AsideCopied> | undefined;

/** A graph that counts what is copied aside. `before` may answer instead of the thread, `beforeHere` instead of the event loop. */
export function watched(before: Before = () => undefined, beforeHere: Before = () => undefined): Watched {
  let bytes = 0;
  const spied: BlockDriver = {
    ...file,
    async open(options, context) {
      const node = await file.open(options, context);
      const copyAside = node.copyAside?.bind(node);
      const spy = (copy: AsideCopy): Promise<AsideCopied> | undefined =>
        ((copy.here === undefined ? before : beforeHere)(copy) ?? copyAside?.(copy))?.then((copied) => {
          bytes += copied.length;
          return copied;
        });
      return copyAside === undefined ? node : Object.assign(node, { copyAside: spy });
    },
  };
  return { graph: new BlockGraph({ drivers: [spied, raw, qcow2, filter], secrets: () => Buffer.from('password') }), bytes: () => bytes };
}

/** Data with zeroes in it of all lengths, some of them written and some of them holes. */
export function sample(seed: number, size: number): Buffer {
  const random = prng(seed);
  const bytes = Buffer.alloc(size);
  const noise = random.fill(Buffer.alloc(M));
  for (let at = 0; at < size; ) {
    const length = random.pick([512, 3072, 65536, 300_000, M, 3 * M]);
    if (random.below(8) > 0) for (let done = 0; done < length; done += M) noise.copy(bytes, at + done, 0, Math.min(M, length - done));
    at += length;
  }
  return bytes;
}

/** Pieces of zeroes stay holes, by turns. */
export function writeSparse(name: string, bytes: Buffer): void {
  const fd = openSync(name, 'w');
  ftruncateSync(fd, bytes.length);
  for (let at = 0, piece = 0; at < bytes.length; at += M, piece++) {
    const part = bytes.subarray(at, at + M);
    if (piece % 2 === 0 || part.some((byte) => byte !== 0)) writeSync(fd, part, 0, part.length, at);
  }
  closeSync(fd);
}

/** Piece by piece: no test needs the whole file in memory twice. */
export function expectContent(name: string, expected: Buffer, from = 0): void {
  const fd = openSync(name, 'r');
  const piece = Buffer.alloc(4 * M);
  try {
    for (let at = 0; at < expected.length; at += piece.length) {
      const want = expected.subarray(at, at + piece.length);
      expect(readSync(fd, piece, 0, want.length, from + at)).toBe(want.length);
      if (!want.equals(piece.subarray(0, want.length))) {
        const first = want.findIndex((byte, index) => byte !== piece[index]);
        expect.fail(`${name} differs at ${at + first}: ${piece[first]} instead of ${want[first]}`);
      }
    }
  } finally {
    closeSync(fd);
  }
}

export const filled = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);
export const rawFile = (filename: string, more: object = {}): never => ({ driver: 'raw', file: { driver: 'file', filename }, ...more }) as never;
