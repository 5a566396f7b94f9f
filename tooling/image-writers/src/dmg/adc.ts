/** ADC: literals, and short and long matches. */
import { findPieces } from './matches.js';

export function packAdc(content: Uint8Array): Uint8Array {
  const bytes: number[] = [];
  let at = 0;
  for (const { literals, length, distance } of findPieces(content, { literals: 128, shortest: 4, longest: 67, distance: 65536 })) {
    if (literals > 0) bytes.push(0x80 | (literals - 1), ...content.subarray(at, at + literals));
    at += literals + length;
    const back = distance - 1;
    if (length > 0 && length <= 18 && back < 1024) bytes.push(((length - 3) << 2) | (back >> 8), back & 0xff);
    else if (length > 0) bytes.push(0x40 | (length - 4), back >> 8, back & 0xff);
  }
  return Uint8Array.from(bytes);
}
