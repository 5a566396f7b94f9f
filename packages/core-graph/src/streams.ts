/** Web streams over a backend. */
import type { Backend } from './backend.js';
import { BlockError } from './errors.js';
import { checkBytes } from './face-arguments.js';

export interface ReadableOptions {
  /** First byte; 0 unless given. */
  readonly offset?: number;
  /** Bytes to deliver; up to the end unless given. */
  readonly length?: number;
  /** Bytes of one chunk; 256 KiB unless given. */
  readonly chunkSize?: number;
}

/** A stream of the content. Each chunk is a buffer of its own and belongs to the reader. */
export function readableOf(backend: Backend, options: ReadableOptions = {}): ReadableStream<Uint8Array> {
  const { offset = 0, length = backend.size - offset, chunkSize = 256 * 1024 } = options;
  backend.checkRange(offset, length);
  if (!Number.isInteger(chunkSize) || chunkSize < 1) {
    throw new BlockError('invalid-argument', `Chunks of ${chunkSize} bytes: at least 1 is needed`);
  }
  let at = offset;
  const end = offset + length;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (at >= end) {
          controller.close();
          return;
        }
        const chunk = new Uint8Array(Math.min(chunkSize, end - at));
        const done = backend.read(at, chunk, 0, chunk.length);
        if (done !== undefined) await done;
        at += chunk.length;
        controller.enqueue(chunk);
      },
    },
    { highWaterMark: 1 },
  );
}

/** A stream whose chunks are stored one after the other. A chunk past the end fails the stream. */
export function writableOf(backend: Backend, offset: number): WritableStream<Uint8Array> {
  backend.checkRange(offset, 0);
  let at = offset;
  return new WritableStream<Uint8Array>({
    async write(chunk) {
      checkBytes(chunk);
      const done = backend.write(at, chunk, 0, chunk.length);
      at += chunk.length;
      if (done !== undefined) await done;
    },
    async close() {
      const done = backend.flush();
      if (done !== undefined) await done;
    },
  });
}
