/**
 * zstd in Node: node:zlib has it from 22.15 on. Before that it is the system's, called through koffi, or else zstd as WebAssembly, inflating
 * here and deflating in worker threads.
 */
import { expectSize, notAStream, StreamError } from '../stream-error.js';
import { zstdFrame } from '../zstd-frame.js';
import { ZstdThreads } from './zstd-threads.js';
import { loadNativeZstd, type NativeZstd } from './zstd-native.js';
import { loadZstd, type ZstdModule } from './zstd-wasm.js';

/** What node:zlib has where it knows zstd. */
interface BuiltIn {
  readonly zstdDecompressSync?: (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array;
  readonly zstdCompress?: (bytes: Uint8Array, done: (error: Error | null, result: Uint8Array) => void) => void;
}

/** What `zstd-native` and `zstd-wasm` both come to. */
type Engine = Omit<NativeZstd, 'decompressAside'> & Partial<Pick<NativeZstd, 'decompressAside'>>;

const zlib = (): BuiltIn => process.getBuiltinModule('node:zlib') as BuiltIn;

/** Threads belong to the process as its processors do; they end when they have nothing to do. */
const threads = new ZstdThreads();
/** What serves where node:zlib knows no zstd; undefined: not looked for yet. */
let engine: Engine | undefined;
let loading: Promise<Engine> | undefined;

/** The `size` bytes that the first frame in `bytes` holds; `bytes` is not looked at after the call. Throws, or rejects with, a `StreamError` where it is none, or holds less or more. */
export function inflateZstd(bytes: Uint8Array, size: number): Uint8Array | Promise<Uint8Array> {
  const into = new Uint8Array(size);
  const done = inflateFrame(zstdFrame(bytes, size), into, 0, size, false);
  return done === undefined ? into : done.then(() => into);
}

/** The same into `into[start, start + size)`: here, or in a thread where many are asked for at a time. */
export function inflateZstdInto(bytes: Uint8Array, into: Uint8Array, start: number, size: number): void | Promise<void> {
  return inflateFrame(zstdFrame(bytes, size), into, start, size, true);
}

function inflateFrame(frame: Uint8Array, into: Uint8Array, start: number, size: number, many: boolean): void | Promise<void> {
  const { zstdDecompressSync } = zlib();
  if (zstdDecompressSync !== undefined) {
    inflated(() => {
      const content = zstdDecompressSync(frame, { maxOutputLength: size });
      into.set(content, start);
      return content.length;
    }, size);
    return;
  }
  if (engine === undefined) {
    // The caller's memory may be something else by then.
    const kept = frame.slice();
    return loadEngine().then(() => inflateFrame(kept, into, start, size, many));
  }
  const { decompress, decompressAside } = engine;
  const aside = many ? decompressAside?.(frame, into, start, size) : undefined;
  if (aside !== undefined) return aside.then((found) => { expectSize(found, size); });
  inflated(() => decompress(frame, into, start, size), size);
}

/** Compresses into one frame that says how much it holds, in another thread. `bytes` must stay as they are until then. */
export async function deflateZstd(bytes: Uint8Array): Promise<Uint8Array> {
  const { zstdCompress } = zlib();
  if (zstdCompress === undefined) return (engine ?? (await loadEngine())).compress(bytes);
  return new Promise((resolve, reject) => {
    zstdCompress(bytes, (error, result) => {
      if (error) reject(new StreamError('can not be deflated', { cause: error }));
      else resolve(result);
    });
  });
}

/** The system's own where it can be called, else WebAssembly: here for inflating, in threads for compressing. */
function loadEngine(): Promise<Engine> {
  loading ??= (async () => {
    const native = await loadNativeZstd();
    engine = native ?? wasmEngine(await loadZstd());
    return engine;
  })();
  return loading;
}

function wasmEngine({ decompress }: ZstdModule): Engine {
  return {
    compress: (bytes) => threads.compress(bytes),
    decompress: (frame, into, start, size) => {
      const content = decompress(frame, size);
      into.set(content, start);
      return content.length;
    },
  };
}

function inflated(inflate: () => number, size: number): void {
  let found: number;
  try {
    found = inflate();
  } catch (error) {
    throw error instanceof RangeError ? error : notAStream(error);
  }
  expectSize(found, size);
}
