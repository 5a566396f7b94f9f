/** zstd of the system, called through koffi: where both are there, the fastest that there is before node:zlib knows zstd. */
import { notAStream, StreamError } from '../stream-error.js';
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
  /** At once: how many bytes, at most `size`, lie in `into` from `start` on. Throws where the frame is damaged. */
  readonly decompress: (frame: Uint8Array, into: Uint8Array, start: number, size: number) => number;
  /** The same in the thread pool; `frame` is not looked at after the call. Undefined where the caller had better do it himself. */
  readonly decompressAside: (frame: Uint8Array, into: Uint8Array, start: number, size: number) => Promise<number> | undefined;
}

/** That of the reference, and of zstd itself. */
const LEVEL = 3;
/** Enough to keep the thread pool busy. */
const MOST_CALLS = 32;
/**
 * Clusters that threads inflate while the caller inflates others: as many as koffi keeps stacks for. For each one more it asks the system
 * for memory and gives it back, which takes half as long as inflating a cluster.
 */
const MOST_ASIDE = 8;
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
  const newContext = library.func('ZSTD_createDCtx', 'uintptr_t', []);
  const decompress = library.func('ZSTD_decompressDCtx', 'size_t', ['uintptr_t', 'uintptr_t', 'size_t', 'uintptr_t', 'size_t']);
  const bound = library.func('ZSTD_compressBound', 'size_t', ['size_t']);
  const isError = library.func('ZSTD_isError', 'uint', ['size_t']);
  const limit = new CallLimit(MOST_CALLS);

  // Contexts are kept: making one takes as long as inflating a cluster with it.
  let own: number | undefined;
  const aside: number[] = [];
  let made = 0;
  const contextAside = (): number | undefined => {
    if (aside.length > 0 || made === MOST_ASIDE) return aside.pop();
    made++;
    return newContext();
  };
  const length = (result: number): number => {
    if (isError(result) !== 0) throw new Error('the frame is damaged');
    return result;
  };

  return {
    compress: (bytes) => limit.run(() =>
      new Promise((resolve, reject) => {
        const into = new Uint8Array(bound(bytes.length));
        compress.async(koffi.address(into), into.length, koffi.address(bytes), bytes.length, LEVEL, (error, result) => {
          // `bytes` is named so that it lives until now, as `into` does.
          if (error !== null || isError(result) !== 0 || bytes.length > into.length) reject(new StreamError('can not be deflated', { cause: error }));
          else resolve(into.slice(0, result));
        });
      })),

    decompress: (frame, into, start, size) => {
      const place = placeOf(koffi, into, start, size);
      return length(decompress((own ??= newContext()), place, size, koffi.address(frame), frame.length));
    },

    decompressAside: (frame, into, start, size) => {
      const place = placeOf(koffi, into, start, size);
      const context = contextAside();
      if (context === undefined) return undefined;
      const kept = frame.slice();
      return new Promise((resolve, reject) => {
        decompress.async(context, place, size, koffi.address(kept), kept.length, (error, result) => {
          aside.push(context);
          // Named so that both live until now.
          if (error !== null || isError(result) !== 0 || into.length === 0 || kept.length === 0) reject(notAStream(error));
          else resolve(result);
        });
      });
    },
  };
}

/** The library does not look where it writes. */
function placeOf(koffi: Koffi, into: Uint8Array, start: number, size: number): bigint {
  if (start < 0 || start + size > into.length) throw new RangeError(`${size} bytes at ${start} are not within ${into.length}`);
  return koffi.address(into) + BigInt(start);
}
