/** Raw deflate in plain JavaScript, for browsers. */
import { BlockError } from '@blk/core-graph';
import { inflateSync } from 'fflate';

/** The first `size` bytes of the stream. Throws where it is none, or holds less or more. */
export function inflate(bytes: Uint8Array, size: number): Uint8Array {
  // Output of fixed size: a stream that wants more of it fails, and nothing grows.
  return inflateSync(bytes, { out: new Uint8Array(size) });
}

export async function inflateAsync(bytes: Uint8Array, size: number): Promise<Uint8Array> {
  return inflate(bytes, size);
}

/** fflate's window can't be narrowed to the 4 KiB that readers of qcow2 have. */
export async function deflate(): Promise<Uint8Array> {
  throw new BlockError('unsupported', 'Writing compressed clusters needs node:zlib', { driver: 'qcow2' });
}
