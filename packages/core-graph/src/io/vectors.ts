/** Requests over several buffers, one after the other on the disk. */
import { repeat, type Completion } from '../completion.js';

/** Bytes in all of them. */
export function totalLength(buffers: readonly Uint8Array[]): number {
  let length = 0;
  for (const buffer of buffers) length += buffer.length;
  return length;
}

/** One request a buffer, each when the one before has completed. */
export function eachBuffer(
  offset: number,
  buffers: readonly Uint8Array[],
  request: (at: number, buffer: Uint8Array) => Completion,
): Completion {
  let index = 0;
  let at = offset;
  return repeat(() => {
    const buffer = buffers[index++];
    if (buffer === undefined) return false;
    const here = at;
    at += buffer.length;
    return request(here, buffer);
  });
}

