/** Comparison with zeroes by memcmp: 30 to 80 GB/s (docs/performance.md). */
const PIECE = 65536;
const ZEROES = Buffer.alloc(PIECE);

export function compareZero(buffer: Uint8Array, start: number, length: number): boolean {
  for (let done = 0; done < length; done += PIECE) {
    const piece = Math.min(PIECE, length - done);
    // A Buffer compares ranges without a view; ZEROES is one, so it leads.
    if (ZEROES.compare(buffer, start + done, start + done + piece, 0, piece) !== 0) return false;
  }
  return true;
}
