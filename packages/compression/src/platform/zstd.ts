/** zstd in plain JavaScript, for browsers: reading only. */
import { Decompress } from 'fzstd';
import { expectSize, notAStream, StreamError } from '../stream-error.js';
import { zstdFrame } from '../zstd-frame.js';

/** The `size` bytes that the first frame in `bytes` holds; `bytes` is not looked at after the call. Throws, or rejects with, a `StreamError` where it is none, or holds less or more. */
export function inflateZstd(bytes: Uint8Array, size: number): Uint8Array | Promise<Uint8Array> {
  const frame = zstdFrame(bytes, size);
  const content = new Uint8Array(size);
  let found = 0;
  const decoder = new Decompress((chunk) => {
    // Block by block, so that a frame that wants more is stopped before it has it.
    if (found + chunk.length > size) throw new StreamError(`holds more than ${size} bytes`);
    content.set(chunk, found);
    found += chunk.length;
  });
  try {
    decoder.push(frame, true);
  } catch (error) {
    throw error instanceof StreamError ? error : notAStream(error);
  }
  expectSize(found, size);
  return content;
}

/** The same into `into[start, start + size)`. */
export function inflateZstdInto(bytes: Uint8Array, into: Uint8Array, start: number, size: number): void | Promise<void> {
  const content = inflateZstd(bytes, size);
  if (content instanceof Uint8Array) into.set(content, start);
  else return content.then((found) => { into.set(found, start); });
}

/** No encoder is there. */
export async function deflateZstd(_bytes: Uint8Array): Promise<Uint8Array> {
  throw new StreamError('can not be deflated: compressing with zstd needs Node');
}
