/**
 * Inflating by node:zlib into memory that is there already.
 *
 * zlib's public calls make an engine, a stream object and a buffer for every single cluster, which takes as long as a fifth of
 * the inflating. So one engine is kept, and driven by the calls that node:zlib itself makes, which are no documented part
 * of Node: where they are missing, or a trial goes wrong, the public calls serve.
 */

/** Inflates `bytes` into `into[start, start + size)`; the result is how many bytes there were. Throws where it is no stream. */
export type Inflate = (bytes: Uint8Array, into: Uint8Array, start: number, size: number) => number;

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
 * Makes an engine; not `direct`: by the public calls alone, to which a stream that holds more than `size` is none. The text of this function
 * is part of the threads' program too, so it uses nothing from outside its braces.
 */
export function makeInflate(direct = true): Inflate {
  const zlib = process.getBuiltinModule('node:zlib');
  // A stream may lack its end, or be followed by the next one: what counts is that it fills the cluster.
  const finishFlush = zlib.constants.Z_SYNC_FLUSH;

  const inflatePublicly: Inflate = (bytes, into, start, size) => {
    const result = zlib.inflateRawSync(bytes, { finishFlush, maxOutputLength: size, chunkSize: Math.max(size, 64) });
    into.set(result, start);
    return result.length;
  };

  if (!direct) return inflatePublicly;
  const engine = zlib.createInflateRaw() as unknown as Engine;
  const { _handle: handle, _writeState: state } = engine;
  if (typeof handle?.writeSync !== 'function' || typeof handle.reset !== 'function' || !(state instanceof Uint32Array)) return inflatePublicly;

  let failure: string | undefined;
  handle.onerror = (message) => { failure = message; };
  const inflateDirectly: Inflate = (bytes, into, start, size) => {
    failure = undefined;
    // The engine does not look where it writes.
    if (start < 0 || start + size > into.length) throw new RangeError(`${size} bytes at ${start} are not within ${into.length}`);
    handle.writeSync?.(finishFlush, bytes, 0, bytes.length, into, start, size);
    const found = size - state[0];
    handle.reset?.();
    if (failure !== undefined) throw new Error(failure);
    return found;
  };

  const works = (): boolean => {
    const sample = new Uint8Array(300).map((_, at) => (at * at) % 251);
    const packed = zlib.deflateRawSync(sample);
    const into = new Uint8Array(304).fill(7);
    for (let round = 0; round < 2; round++) {
      if (inflateDirectly(packed, into, 2, 300) !== 300 || into[1] !== 7 || into[302] !== 7) return false;
      if (!sample.every((byte, at) => into[at + 2] === byte)) return false;
      try {
        inflateDirectly(new Uint8Array(20).fill(255), into, 2, 300);
        return false;
      } catch {
        // As it should: the next round shows that the engine has recovered.
      }
    }
    return true;
  };
  try {
    return works() ? inflateDirectly : inflatePublicly;
  } catch {
    return inflatePublicly;
  }
}
