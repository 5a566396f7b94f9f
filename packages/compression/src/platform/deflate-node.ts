/** Deflate, raw or wrapped by zlib, by node:zlib: single streams at once, many of them in threads as well. */
import { expectSize, notAStream, StreamError } from '../stream-error.js';
import { decoders, type Decoder, type PackFormat } from '../unpack/decoders.js';
import { makeInflate } from './inflate-engine.js';
import type { ThreadFormat } from './inflate-thread.js';
import { InflateThreads } from './inflate-threads.js';

export interface DeflateOptions {
  /** Size of the window as a power of two, 9 to 15 (the default). */
  readonly windowBits?: number;
  /** 0 to 9; -1, the default: the usual compromise. */
  readonly level?: number;
}

/** Threads belong to the process as its processors do; they end when they have nothing to do. */
const threads = new InflateThreads();
/** Made when it is needed, which most images never do: zlib takes longer to load than a header to read. */
const engines: Partial<Record<ThreadFormat, Decoder>> = {};

/** The first bytes of the stream, `size` at most. Throws a `StreamError` where it is none. */
export function inflateRaw(bytes: Uint8Array, size: number): Uint8Array {
  const into = new Uint8Array(size);
  return into.subarray(0, inflateHere('raw', bytes, into, 0, size));
}

/**
 * Fills `into[start, start + size)` with the first bytes of a stream: here, or in a thread where many are asked for at a time.
 * `bytes` is not looked at after the call. Throws, or rejects with, a `StreamError` where it is no stream or holds less.
 */
export function inflateRawInto(bytes: Uint8Array, into: Uint8Array, start: number, size: number): void | Promise<void> {
  return inflateInto('raw', bytes, into, start, size);
}

/** The same of a zlib stream (RFC 1950), which has to hold `size` bytes exactly, have an end and the right checksum; what follows it is not looked at. */
export function inflateZlibInto(bytes: Uint8Array, into: Uint8Array, start: number, size: number): void | Promise<void> {
  return inflateInto('zlib', bytes, into, start, size);
}

/** The same of a stream in another format, of which there has to be an end, and `size` bytes exactly. */
export function unpackInto(format: PackFormat, bytes: Uint8Array, into: Uint8Array, start: number, size: number): void | Promise<void> {
  return inflateInto(format, bytes, into, start, size);
}

/** Compresses, in another thread. */
export function deflateRaw(bytes: Uint8Array, options: DeflateOptions = {}): Promise<Uint8Array> {
  return deflate('raw', bytes, options);
}

/** The same as a zlib stream (RFC 1950). */
export function deflateZlib(bytes: Uint8Array, options: DeflateOptions = {}): Promise<Uint8Array> {
  return deflate('zlib', bytes, options);
}

function deflate(format: 'raw' | 'zlib', bytes: Uint8Array, options: DeflateOptions): Promise<Uint8Array> {
  const zlib = process.getBuiltinModule('node:zlib');
  const work = format === 'raw' ? zlib.deflateRaw : zlib.deflate;
  return new Promise((resolve, reject) => {
    work(bytes, { level: -1, memLevel: 9, ...options }, (error, result) => {
      if (error) reject(new StreamError('can not be deflated', { cause: error }));
      else resolve(result);
    });
  });
}

function inflateInto(format: ThreadFormat, bytes: Uint8Array, into: Uint8Array, start: number, size: number): void | Promise<void> {
  const job = threads.take(format, bytes, into, start, size);
  if (job !== undefined) {
    return job.then((found) => {
      expectSize(found, size);
    });
  }
  expectSize(inflateHere(format, bytes, into, start, size), size);
}

function inflateHere(format: ThreadFormat, bytes: Uint8Array, into: Uint8Array, start: number, size: number): number {
  const inflate = (engines[format] ??= format === 'raw' || format === 'zlib' ? makeInflate(format) : decoders[format]());
  try {
    return inflate(bytes, into, start, size);
  } catch (error) {
    throw error instanceof RangeError && (format === 'raw' || format === 'zlib') ? error : notAStream(error);
  }
}
