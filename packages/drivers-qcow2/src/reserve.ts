/**
 * Room for tables. They are written by the next flush, which must not be the one to find out that the disk is full: what
 * was written before could not be flushed either then.
 */
import { BlockError, type Edge } from '@blk/core-graph';

const ZEROES = new Uint8Array(64 * 1024);

/** Makes the file hold `[offset, offset + length)`, which nothing refers to, as zeroes. Throws kind `no-space` where it can't. */
export async function reserve(file: Edge, offset: number, length: number): Promise<void> {
  const end = offset + length;
  if (file.node.driver.growable !== true && end > file.size) throw noSpace(file);
  for (let at = offset; at < end; at += ZEROES.length) {
    const done = file.write(at, ZEROES, 0, Math.min(ZEROES.length, end - at));
    if (done !== undefined) await done;
  }
}

/** No cluster is left in a file that can't grow. */
export function noSpace(file: Edge): BlockError {
  return new BlockError('no-space', `No free cluster in a file of ${file.size} bytes: No space left on device`, { driver: 'qcow2' });
}
