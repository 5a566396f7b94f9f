/** LZVN: codes of one to three bytes for a match, with up to three literals before it. */
import { findPieces } from './matches.js';

const LARGE = 271;

export function packLzvn(content: Uint8Array): Uint8Array {
  const bytes: number[] = [];
  let at = 0;
  let last = 0;
  for (const { literals, length, distance } of findPieces(content, { literals: LARGE, shortest: 4, longest: LARGE, distance: 65535 })) {
    const text = [...content.subarray(at, at + literals)];
    at += literals + length;
    // Those that a match does not carry have a code of their own.
    const carried = length === 0 ? 0 : Math.min(3, literals);
    const apart = text.splice(0, literals - carried);
    if (apart.length >= 16) bytes.push(0xe0, apart.length - 16, ...apart);
    else if (apart.length > 0) bytes.push(0xe0 | apart.length, ...apart);
    if (length === 0) continue;
    const { code, covered } = matchCode(carried, length, distance, last);
    bytes.push(...code, ...text);
    last = distance;
    // What is left of the match goes on with its distance.
    const left = length - covered;
    if (left >= 16) bytes.push(0xf0, left - 16);
    else if (left > 0) bytes.push(0xf0 | left);
  }
  return Uint8Array.from([...bytes, 6, 0, 0, 0, 0, 0, 0, 0]);
}

/** A code that carries literals, and how much of the match it covers. */
function matchCode(literals: number, length: number, distance: number, last: number): { readonly code: number[]; readonly covered: number } {
  // The more literals, the shorter the matches: the numbers that would be theirs mean other things.
  const covered = Math.min(length, 10 - 2 * literals);
  const head = (literals << 6) | ((covered - 3) << 3);
  if (distance === last && literals > 0) return { code: [head | 6], covered };
  if (distance < 0x600) return { code: [head | (distance >> 8), distance & 0xff], covered };
  if (distance < 0x4000) {
    const medium = Math.min(length, 34);
    return { code: [0xa0 | (literals << 3) | ((medium - 3) >> 2), ((distance & 0x3f) << 2) | ((medium - 3) & 3), distance >> 6], covered: medium };
  }
  return { code: [head | 7, distance & 0xff, distance >> 8], covered };
}
