/** Comparison in plain JavaScript: eight bytes at a time where the buffers are aligned. */
export function compareZero(buffer: Uint8Array, start: number, length: number): boolean {
  const end = start + length;
  let at = start;
  while (at < end && (buffer.byteOffset + at) % 8 !== 0) if (buffer[at++] !== 0) return false;
  // A short range may end before an aligned place comes, where no array of words can begin.
  if (at === end) return true;
  const words = new BigUint64Array(buffer.buffer, buffer.byteOffset + at, (end - at) >>> 3);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0n) return false;
  for (at += words.length * 8; at < end; at++) if (buffer[at] !== 0) return false;
  return true;
}

/** Whether `a[aStart, aStart + length)` and `b[bStart, bStart + length)` hold the same. */
export function sameBytes(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  let at = 0;
  // As the buffers of a pool do, and views of them that begin alike.
  if ((a.byteOffset + aStart) % 8 === 0 && (b.byteOffset + bStart) % 8 === 0) {
    const words = length >>> 3;
    const left = new BigUint64Array(a.buffer, a.byteOffset + aStart, words);
    const right = new BigUint64Array(b.buffer, b.byteOffset + bStart, words);
    for (let i = 0; i < words; i++) if (left[i] !== right[i]) return false;
    at = words * 8;
  }
  while (at < length && a[aStart + at] === b[bStart + at]) at++;
  return at === length;
}

/** Turns of the event loop can be long here: nobody gives one away. */
export { sameBytes as sameInTurns };

export function turn(): undefined {
  return undefined;
}
