/** The header and the offsets behind it: bytes to a checked geometry. All numbers are big-endian. */
import { cloopError } from './errors.js';
import { MAX_BLOCK, MAX_BLOCKS, MAX_PACKED, MAX_TABLE, SECTOR } from './limits.js';

/** The script that versions 2 begin with, as far as all of them have it. */
const SCRIPT = new TextEncoder().encode('#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n');
const Field = { BlockSize: 128, Blocks: 132 } as const;
export const HEADER_BYTES = 136;
export const ENTRY_BYTES = 8;

/** A header that fits together. */
export interface CloopHeader {
  /** Bytes. */
  readonly blockSize: number;
  readonly blocks: number;
}

export function isCloop(head: Uint8Array): boolean {
  return head.length >= SCRIPT.length && SCRIPT.every((byte, at) => head[at] === byte);
}

/** Untrusted bytes, 136 of them where the file has as many; the script may be any. Throws a `BlockError` and nothing else. */
export function parseHeader(bytes: Uint8Array): CloopHeader {
  const whole = new Uint8Array(HEADER_BYTES);
  whole.set(bytes.subarray(0, HEADER_BYTES));
  const view = new DataView(whole.buffer);
  const blockSize = view.getUint32(Field.BlockSize);
  if (blockSize === 0 || blockSize % SECTOR !== 0 || blockSize > MAX_BLOCK) throw cloopError({ what: 'block-size', found: blockSize });
  if (bytes.length < HEADER_BYTES) throw cloopError({ what: 'truncated', thing: 'The header', end: HEADER_BYTES, fileSize: bytes.length });
  const blocks = view.getUint32(Field.Blocks);
  if (blocks > MAX_BLOCKS) throw cloopError({ what: 'block-count', found: blocks });
  if (tableBytes(blocks) > MAX_TABLE) throw cloopError({ what: 'too-many-offsets' });
  return { blockSize, blocks };
}

/** Bytes of the offsets: one for each block, and where the last one ends. */
export function tableBytes(blocks: number): number {
  return ENTRY_BYTES * (blocks + 1);
}

/**
 * Decodes the offsets in `bytes`, which follow those of `offsets` before `from`, into `offsets` from there on. Throws where they do not
 * rise, or a stream would be too long.
 */
export function parseOffsets(bytes: Uint8Array, offsets: Float64Array, from: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0, index = from; at < bytes.length; at += ENTRY_BYTES, index++) {
    const offset = view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
    if (index > 0) {
      if (offset < offsets[index - 1]) throw cloopError({ what: 'order', index });
      if (offset - offsets[index - 1] > MAX_PACKED || !Number.isSafeInteger(offset)) throw cloopError({ what: 'packed-size', index });
    }
    offsets[index] = offset;
  }
}
