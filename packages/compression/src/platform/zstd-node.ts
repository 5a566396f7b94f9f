/**
 * zstd in Node: node:zlib has it from 22.15 on. Before that it is the system's, called through koffi, or else zstd as WebAssembly, inflating
 * here and deflating in worker threads.
 */
import { expectSize, notAStream, StreamError } from '../stream-error.js';
import { zstdFrame } from '../zstd-frame.js';
import { ZstdThreads } from './zstd-threads.js';
import { loadNativeZstd } from './zstd-native.js';
import { loadZstd, type ZstdModule } from './zstd-wasm.js';

/** What node:zlib has where it knows zstd. */
interface BuiltIn {
  readonly zstdDecompressSync?: (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array;
  readonly zstdCompress?: (bytes: Uint8Array, done: (error: Error | null, result: Uint8Array) => void) => void;
}

/** As `NativeZstd`: what `zstd-native` and `zstd-wasm` both come to. */
interface Engine {
  readonly compress: (bytes: Uint8Array) => Promise<Uint8Array>;
  readonly decompress: (frame: Uint8Array, size: number) => Uint8Array;
}

const zlib = (): BuiltIn => process.getBuiltinModule('node:zlib') as BuiltIn;

/** Threads belong to the process as its processors do; they end when they have nothing to do. */
const threads = new ZstdThreads();
/** What serves where node:zlib knows no zstd; undefined: not looked for yet. */
let engine: Engine | undefined;
let loading: Promise<Engine> | undefined;

/** The `size` bytes that the first frame in `bytes` holds; `bytes` is not looked at after the call. Throws, or rejects with, a `StreamError` where it is none, or holds less or more. */
export function inflateZstd(bytes: Uint8Array, size: number): Uint8Array | Promise<Uint8Array> {
  const frame = zstdFrame(bytes, size);
  const { zstdDecompressSync } = zlib();
  if (zstdDecompressSync !== undefined) return inflated(() => zstdDecompressSync(frame, { maxOutputLength: size }), size);
  if (engine !== undefined) return inflateBy(engine, frame, size);
  // The caller's memory may be something else by then.
  const kept = frame.slice();
  return loadEngine().then((found) => inflateBy(found, kept, size));
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

function inflateBy({ decompress }: Engine, frame: Uint8Array, size: number): Uint8Array {
  return inflated(() => decompress(frame, size), size);
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
  return { decompress, compress: (bytes) => threads.compress(bytes) };
}

function inflated(inflate: () => Uint8Array, size: number): Uint8Array {
  let content: Uint8Array;
  try {
    content = inflate();
  } catch (error) {
    throw notAStream(error);
  }
  expectSize(content.length, size);
  return content;
}
