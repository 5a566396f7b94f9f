/** The slow path of reads: the end of the image, serialising requests, copy-on-read; `aligned-read.ts` does what is left. */
import { andThen, type Completion } from '../completion.js';
import type { BlockNode } from '../node.js';
import { alignedRead } from './aligned-read.js';
import { checkRange } from './check-range.js';
import { copyOnRead } from './copy-on-read.js';

/** Any read; everything that `BlockNode.read` does not do by itself. */
export function slowRead(node: BlockNode, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  if (node.copyOnRead) return readCopying(node, offset, buffer, start, length, undefined);
  const inside = lengthInside(node, offset, buffer, start, length);
  if (inside === 0) return;
  const wait = node.requests.hasSerialising ? node.requests.waitForSerialising(offset, inside) : undefined;
  const done = andThen(wait, () => alignedRead(node, offset, buffer, start, inside));
  return done === undefined ? undefined : node.requests.track(done, offset, inside);
}

/** A read that stores in the image what came from the images behind it, down to `bottom` where that is given. */
export function readCopying(
  node: BlockNode,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  bottom: BlockNode | undefined,
): Completion {
  const inside = lengthInside(node, offset, buffer, start, length);
  if (inside === 0) return;
  // Tracked as under way, but not as a range: it serialises ranges that overlap the request itself.
  return node.requests.track(copyOnRead(node, offset, buffer, start, inside, bottom), 0, 0);
}

/** How much of the range lies inside the image; the rest reads as zeroes. */
function lengthInside(node: BlockNode, offset: number, buffer: Uint8Array, start: number, length: number): number {
  checkRange(node, offset, length);
  const inside = Math.max(0, Math.min(length, node.driver.size - offset));
  if (inside < length) buffer.fill(0, start + inside, start + length);
  return inside;
}
