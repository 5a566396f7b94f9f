/** Looking for zeroes: the quick test of a whole range, and the map of one at a given granularity. */
import { compareZero } from '#compare';

/** Whether `buffer[start, start + length)` holds nothing but zeroes. */
export function isZero(buffer: Uint8Array, start: number, length: number): boolean {
  if (length === 0) return true;
  const last = start + length - 1;
  // Most data shows itself at the ends or in the middle; that look saves the scan.
  if (buffer[start] !== 0 || buffer[last] !== 0 || buffer[start + (length >>> 1)] !== 0) return false;
  return compareZero(buffer, start, length);
}

/**
 * Length of the run from `start` whose pieces of `granularity` bytes are all zero, or all not zero; `zero` tells which.
 * The last piece may be short.
 */
export function zeroRun(
  buffer: Uint8Array,
  start: number,
  end: number,
  granularity: number,
): { readonly length: number; readonly zero: boolean } {
  const zero = isZero(buffer, start, Math.min(granularity, end - start));
  let at = Math.min(start + granularity, end);
  while (at < end) {
    // One look at each piece is enough for most data: a loop so short that it need not be compiled first to be quick.
    if (!zero) while (at < end && buffer[at] !== 0) at += granularity;
    if (at >= end || isZero(buffer, at, Math.min(granularity, end - at)) !== zero) break;
    at += granularity;
  }
  return { length: Math.min(at, end) - start, zero };
}
