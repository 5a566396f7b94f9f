/** Deflate, raw or wrapped by zlib, in plain JavaScript, for browsers. */
import { inflateSync } from 'fflate';
import { adler32 } from '../adler32.js';
import { decoders, type Decoder, type PackFormat } from '../unpack/decoders.js';
import { expectSize, notAStream, StreamError } from '../stream-error.js';

/** What deflating may be told; see `platform/deflate-node.ts`. */
export interface DeflateOptions {
  readonly windowBits?: number;
  readonly level?: number;
}

/** The first bytes of the stream, `size` at most. Throws a `StreamError` where it is none. */
export function inflateRaw(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  return out.subarray(0, inflated(bytes, out));
}

/** The same into `into[start, start + size)`; a stream that holds less or more throws. */
export function inflateRawInto(bytes: Uint8Array, into: Uint8Array, start: number, size: number): void | Promise<void> {
  expectSize(inflated(bytes, into.subarray(start, start + size)), size);
}

/** The same of a zlib stream, with its checksum. */
export function inflateZlibInto(bytes: Uint8Array, into: Uint8Array, start: number, size: number): void | Promise<void> {
  const [method, flags] = bytes;
  if (bytes.length < 6 || (method & 15) !== 8 || (flags & 32) !== 0 || (method * 256 + flags) % 31 !== 0) throw notAStream(undefined);
  expectSize(inflated(bytes.subarray(2), into.subarray(start, start + size)), size);
  // The checksum follows the stream, and fflate does not tell where that ended; mostly nothing else follows.
  const sum = adler32(into, start, size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = bytes.length - 4; at > 2; at--) if (view.getUint32(at) === sum) return;
  throw notAStream(undefined);
}

const engines: Partial<Record<PackFormat, Decoder>> = {};

/** The same of a stream in another format. */
export function unpackInto(format: PackFormat, bytes: Uint8Array, into: Uint8Array, start: number, size: number): void | Promise<void> {
  const decode = (engines[format] ??= decoders[format]());
  let found: number;
  try {
    found = decode(bytes, into, start, size);
  } catch (error) {
    throw notAStream(error);
  }
  expectSize(found, size);
}

/** fflate's window can't be narrowed, as some formats need. */
export async function deflateRaw(_bytes: Uint8Array, _options?: DeflateOptions): Promise<Uint8Array> {
  throw new StreamError('can not be deflated: compressing needs node:zlib');
}

export function deflateZlib(bytes: Uint8Array, options?: DeflateOptions): Promise<Uint8Array> {
  return deflateRaw(bytes, options);
}

/** Output of fixed size: a stream that wants more of it fails, and nothing grows. */
function inflated(bytes: Uint8Array, out: Uint8Array): number {
  try {
    return inflateSync(bytes, { out }).length;
  } catch (error) {
    throw notAStream(error);
  }
}
