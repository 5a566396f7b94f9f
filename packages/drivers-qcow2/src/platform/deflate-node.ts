/** Raw deflate by node:zlib: single clusters at once, several of them in the thread pool. */
import type * as Zlib from 'node:zlib';

/** Loaded when it is needed, which most images never do: it takes longer to load than a header to read. */
const zlib = (): typeof Zlib => process.getBuiltinModule('node:zlib');

/** Compressed clusters use a window of 4 KiB; -1: the usual level. */
const DEFLATE = { windowBits: 12, level: -1, memLevel: 9 } as const;

function inflateOptions(size: number): Zlib.ZlibOptions {
  // A stream may lack its end, or be followed by the next one: what counts is that it fills the cluster.
  return { finishFlush: zlib().constants.Z_SYNC_FLUSH, maxOutputLength: size, chunkSize: Math.max(size, 64) };
}

/** The first `size` bytes of the stream. Throws where it is none, or holds less or more. */
export function inflate(bytes: Uint8Array, size: number): Uint8Array {
  return zlib().inflateRawSync(bytes, inflateOptions(size));
}

/** The same in another thread. */
export function inflateAsync(bytes: Uint8Array, size: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    zlib().inflateRaw(bytes, inflateOptions(size), (error, result) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}

/** Compresses one cluster, in another thread. */
export function deflate(bytes: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    zlib().deflateRaw(bytes, DEFLATE, (error, result) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}
