/** Comparison with zeroes in plain JavaScript: eight bytes at a time where the buffer is aligned. */
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
