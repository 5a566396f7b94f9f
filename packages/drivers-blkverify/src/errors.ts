/** What blkverify throws. The texts are QEMU's. */
import { BlockError, errnoNumber, errnoOf } from '@blk/core-graph';

export function nameError(): BlockError {
  return new BlockError('invalid-argument', 'blkverify requires raw copy and original image path', { driver: 'blkverify', reason: 'blkverify/file-name' });
}

export type Verb = 'read' | 'write';

/** A difference in content, at byte `at` of the disk. */
export function contentMismatch(verb: Verb, offset: number, length: number, at: number): BlockError {
  return mismatch(verb, offset, length, `contents mismatch at offset ${at}`, at);
}

/** One of the two failed, or both in different ways; undefined: that one was done. */
export function resultMismatch(verb: Verb, offset: number, length: number, test: unknown, raw: unknown): BlockError {
  return mismatch(verb, offset, length, `return value mismatch ${numberOf(test)} != ${numberOf(raw)}`, offset);
}

function numberOf(error: unknown): number {
  return error === undefined ? 0 : -errnoNumber(errnoOf(error));
}

function mismatch(verb: Verb, offset: number, length: number, what: string, at: number): BlockError {
  const message = `blkverify: ${verb} offset=${offset} bytes=${length} ${what}`;
  return new BlockError('io', message, { driver: 'blkverify', reason: 'blkverify/mismatch', offset: at });
}
