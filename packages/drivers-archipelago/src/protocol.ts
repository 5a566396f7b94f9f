/** What the peers on a segment understand: operations, states, and the layouts of what goes along with them. Little-endian, as in memory. */
import { badSize } from './errors.js';

/** Numbers of operations. */
export const Op = { read: 1, write: 2, truncate: 4, remove: 5, clone: 9, info: 11, close: 15, flush: 20 } as const;
export type Op = (typeof Op)[keyof typeof Op];

/** Bits of a request's state. */
export const State = { served: 1, failed: 2 } as const;

/** Bytes of the longest name of a volume. */
export const LONGEST_NAME = 256;

/** Bytes of the longest read or write that is sent. */
export const PIECE = 512 * 1024;

/** Bytes that offsets and lengths of reads and writes are multiples of: what the reference sends, so what is known to work. */
export const SECTOR = 512;

/** Bytes of the answer to `info`. */
export const INFO_BYTES = 8;

/** What goes along with `clone` for a new, empty volume: an empty name of a parent, its length, and the size. */
export function encodeClone(size: number): Uint8Array {
  const bytes = new Uint8Array(LONGEST_NAME + 16);
  new DataView(bytes.buffer).setBigUint64(LONGEST_NAME + 8, BigInt(size), true);
  return bytes;
}

/** The size of a volume from the answer to `info`. Throws where it is none that can be dealt with. */
export function parseInfo(bytes: Uint8Array): number {
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw badSize(size);
  return checkSize(Number(size));
}

/** Sectors only: a padded request must not pass the end. */
export function checkSize(size: number): number {
  if (size % SECTOR !== 0) throw badSize(size);
  return size;
}
