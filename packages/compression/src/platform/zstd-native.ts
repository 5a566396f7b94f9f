/** zstd of the system, called through koffi: where both are there, the fastest that there is before node:zlib knows zstd. */
import { StreamError } from '../stream-error.js';
import { CallLimit } from './call-limit.js';

/** The part of koffi that is used here. */
interface Koffi {
  load(library: string): { func(name: string, result: string, parameters: readonly string[]): Func };
  address(value: Uint8Array): bigint;
}

interface Func {
  (...values: (number | bigint)[]): number;
  async(...values: [...(number | bigint)[], (error: Error | null, result: number) => void]): void;
}

export interface NativeZstd {
  /** In the thread pool. `bytes` must stay as they are until then. */
  readonly compress: (bytes: Uint8Array) => Promise<Uint8Array>;
  /** At once; at most `size` bytes. Throws where the frame is damaged. */
  readonly decompress: (frame: Uint8Array, size: number) => Uint8Array;
}

/** That of the reference, and of zstd itself. */
const LEVEL = 3;
/** Enough to keep the thread pool busy. */
const MOST_CALLS = 32;
const LIBRARIES = { linux: 'libzstd.so.1', darwin: 'libzstd.1.dylib' } as const satisfies Partial<Record<NodeJS.Platform, string>>;

/** Undefined where koffi is not installed, or the system has no zstd. */
export async function loadNativeZstd(): Promise<NativeZstd | undefined> {
  const name = process.platform === 'linux' || process.platform === 'darwin' ? LIBRARIES[process.platform] : undefined;
  if (name === undefined) return undefined;
  try {
    return bind((await import('koffi')).default, name);
  } catch {
    return undefined;
  }
}

function bind(koffi: Koffi, name: string): NativeZstd {
  const library = koffi.load(name);
  const compress = library.func('ZSTD_compress', 'size_t', ['uintptr_t', 'size_t', 'uintptr_t', 'size_t', 'int']);
  const decompress = library.func('ZSTD_decompress', 'size_t', ['uintptr_t', 'size_t', 'uintptr_t', 'size_t']);
  const bound = library.func('ZSTD_compressBound', 'size_t', ['size_t']);
  const isError = library.func('ZSTD_isError', 'uint', ['size_t']);
  const limit = new CallLimit(MOST_CALLS);

  return {
    compress: (bytes) => limit.run(() =>
      new Promise((resolve, reject) => {
        const into = new Uint8Array(bound(bytes.length));
        compress.async(koffi.address(into), into.length, koffi.address(bytes), bytes.length, LEVEL, (error, length) => {
          // `bytes` is named so that it lives until now, as `into` does.
          if (error !== null || isError(length) !== 0 || bytes.length > into.length) reject(new StreamError('can not be deflated', { cause: error }));
          else resolve(into.slice(0, length));
        });
      })),
    decompress: (frame, size) => {
      const into = new Uint8Array(size);
      const length = decompress(koffi.address(into), size, koffi.address(frame), frame.length);
      if (isError(length) !== 0) throw new Error('the frame is damaged');
      return into.subarray(0, length);
    },
  };
}
