// A seeded source of numbers, so that a failing test can be run again as it was.

/** Repeatable pseudo-random numbers; not for secrets. */
export interface Prng {
  /** The next 32 bits, unsigned. */
  next(): number;
  /** An integer from 0 to `limit` - 1. `limit` may be up to 2^53 - 1. */
  below(limit: number): number;
  /** One of the items. */
  pick<T>(items: readonly T[]): T;
  /** Fills the bytes and returns them. */
  fill<T extends Uint8Array>(bytes: T): T;
  /** A new array of that many bytes. */
  bytes(length: number): Uint8Array;
}

/** The generator of a seed: the same seed gives the same numbers on every machine (sfc32). */
export function prng(seed: number): Prng {
  let a = 0x9e3779b9 | 0;
  let b = seed | 0;
  let c = Math.floor(seed / 2 ** 32) | 0;
  let counter = 1;
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 16; i++) next();
  const below = (limit: number): number => {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError(`below: limit ${limit} is not a positive safe integer`);
    return limit <= 2 ** 32 ? Math.floor((next() / 2 ** 32) * limit) : ((next() & 0x1fffff) * 2 ** 32 + next()) % limit;
  };
  const fill = <T extends Uint8Array>(bytes: T): T => {
    const whole = bytes.length - (bytes.length % 4);
    for (let i = 0; i < whole; i += 4) {
      const word = next();
      bytes[i] = word;
      bytes[i + 1] = word >>> 8;
      bytes[i + 2] = word >>> 16;
      bytes[i + 3] = word >>> 24;
    }
    for (let i = whole; i < bytes.length; i++) bytes[i] = next();
    return bytes;
  };
  return {
    next,
    below,
    pick: (items) => items[below(items.length)],
    fill,
    bytes: (length) => fill(new Uint8Array(length)),
  };
}
