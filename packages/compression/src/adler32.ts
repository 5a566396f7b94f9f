/** The checksum of zlib streams (RFC 1950, section 9). */

const BASE = 65521;
/** Most bytes whose sums fit into 32 bits before they are reduced. */
const RUN = 5552;

/** Adler-32 of `bytes[start, start + length)`. */
export function adler32(bytes: Uint8Array, start: number, length: number): number {
  let low = 1;
  let high = 0;
  const end = start + length;
  for (let at = start; at < end; ) {
    const stop = Math.min(end, at + RUN);
    for (; at < stop; at++) {
      low += bytes[at];
      high += low;
    }
    low %= BASE;
    high %= BASE;
  }
  return high * 65536 + low;
}
