/** Whether two ranges of memory hold the same, and where they do not. */
import { sameBytes, sameInTurns } from '#compare';

export { sameBytes, sameInTurns };

/** Ranges up to this long are looked through byte by byte. */
const SHORT = 64;

/** The first place at which two ranges of `length` bytes differ, counted from their beginnings; -1: they are the same. */
export function firstDifference(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): number {
  if (sameBytes(a, aStart, b, bStart, length)) return -1;
  let at = 0;
  // Halves of which the first one is the same are passed over: a difference is found in twice the time of the comparison.
  for (let left = length; left > SHORT; ) {
    // Multiples of eight keep words where words are compared.
    const half = (left >>> 4) << 3;
    if (sameBytes(a, aStart + at, b, bStart + at, half)) {
      at += half;
      left -= half;
    } else left = half;
  }
  while (a[aStart + at] === b[bStart + at]) at++;
  return at;
}
