/**
 * Inflating by node:zlib into memory that is there already.
 *
 * zlib's public calls make an engine, a stream object and a buffer for every single cluster, which takes as long as a fifth of
 * the inflating. So one engine is kept, and driven by the calls that node:zlib itself makes, which are no documented part
 * of Node: where they are missing, or a trial goes wrong, the public calls serve.
 */

import type { Decoder } from '../unpack/decoders.js';

/** `raw` (RFC 1951) may lack its end; `zlib` (RFC 1950) has to end within what was asked for, with the right checksum. */
export type StreamFormat = 'raw' | 'zlib';

/** Inflates `bytes` into `into[start, start + size)`; the result is how many bytes there were. Throws where it is no stream. */
export type Inflate = Decoder;

/** What node:zlib keeps in its stream objects. */
interface Engine {
  readonly _handle?: Handle | null;
  /** Room left in the output, bytes left of the input. */
  readonly _writeState?: unknown;
}

interface Handle {
  onerror: (message: string) => void;
  writeSync?(flush: number, input: Uint8Array, from: number, count: number, output: Uint8Array, to: number, room: number): void;
  reset?(): void;
}

/**
 * Makes an engine; not `direct`: by the public calls alone, to which any stream that holds more than `size` is none. The text of this function
 * is part of the threads' program too, so it uses nothing from outside its braces.
 */
export function makeInflate(format: StreamFormat = 'raw', direct = true): Inflate {
  const zlib = process.getBuiltinModule('node:zlib');
  const { Z_SYNC_FLUSH, Z_FINISH } = zlib.constants;
  const raw = format === 'raw';
  // A raw stream may lack its end, or be followed by the next one: what counts is that it fills the cluster.
  const finishFlush = raw ? Z_SYNC_FLUSH : Z_FINISH;

  const inflatePublicly: Inflate = (bytes, into, start, size) => {
    const inflateSync = raw ? zlib.inflateRawSync : zlib.inflateSync;
    let result: Uint8Array;
    try {
      result = inflateSync(bytes, { finishFlush, maxOutputLength: Math.max(size, 1), chunkSize: Math.max(size, 64) });
    } catch (error) {
      // One that is too long is a RangeError, which here means another thing.
      throw new Error('no stream', { cause: error });
    }
    into.set(result, start);
    return result.length;
  };

  if (!direct) return inflatePublicly;
  const engine = (raw ? zlib.createInflateRaw() : zlib.createInflate()) as unknown as Engine;
  const { _handle: handle, _writeState: state } = engine;
  if (typeof handle?.writeSync !== 'function' || typeof handle.reset !== 'function' || !(state instanceof Uint32Array)) return inflatePublicly;

  const spare = new Uint8Array(1);
  let failure: string | undefined;
  handle.onerror = (message) => { failure = message; };
  const inflateDirectly: Inflate = (bytes, into, start, size) => {
    failure = undefined;
    // The engine does not look where it writes.
    if (start < 0 || start + size > into.length) throw new RangeError(`${size} bytes at ${start} are not within ${into.length}`);
    handle.writeSync?.(Z_SYNC_FLUSH, bytes, 0, bytes.length, into, start, size);
    const found = size - state[0];
    if (!raw && found === size && failure === undefined) {
      // A stream that has ended has nothing for the spare byte, and whatever has not ended fails for want of more.
      handle.writeSync?.(Z_FINISH, bytes, bytes.length - state[1], state[1], spare, 0, 1);
      if (state[0] === 0) failure = 'longer';
    }
    handle.reset?.();
    if (failure !== undefined) throw new Error(failure);
    return found;
  };

  const fails = (bytes: Uint8Array, size: number): boolean => {
    try {
      inflateDirectly(bytes, new Uint8Array(300), 0, size);
      return false;
    } catch {
      return true;
    }
  };
  const works = (): boolean => {
    const sample = new Uint8Array(300).map((_, at) => (at * at) % 251);
    const packed = raw ? zlib.deflateRawSync(sample) : zlib.deflateSync(sample);
    const into = new Uint8Array(304).fill(7);
    for (let round = 0; round < 2; round++) {
      if (inflateDirectly(packed, into, 2, 300) !== 300 || into[1] !== 7 || into[302] !== 7) return false;
      if (!sample.every((byte, at) => into[at + 2] === byte)) return false;
      // The next round shows that the engine has recovered.
      if (!fails(new Uint8Array(20).fill(255), 300)) return false;
      if (!raw && !(fails(packed, 299) && fails(packed.subarray(0, -1), 300) && fails(new Uint8Array([...packed.subarray(0, -1), 0x55]), 300))) return false;
    }
    return true;
  };
  try {
    return works() ? inflateDirectly : inflatePublicly;
  } catch {
    return inflatePublicly;
  }
}
