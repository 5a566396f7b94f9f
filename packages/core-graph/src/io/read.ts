/** The slow path of reads: the end of the image, alignment, splitting, serialising requests, copy-on-read. */
import { andThen, type Completion } from '../completion.js';
import { BlockError } from '../errors.js';
import type { BlockNode } from '../node.js';
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

/** A read inside the image, padded to what the driver takes, and cut to its largest transfer. */
export function alignedRead(node: BlockNode, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { alignment, memoryAlignment, maxTransfer } = node.driver.limits;
  const aligned = alignment <= 1 || (offset % alignment === 0 && length % alignment === 0);
  if (aligned && (memoryAlignment <= 1 || node.pool.isAligned(buffer, start, memoryAlignment))) {
    if (maxTransfer === 0 || length <= maxTransfer) return node.driver.read(offset, buffer, start, length);
    return splitRead(node, offset, buffer, start, length, maxTransfer);
  }
  return bouncedRead(node, offset, buffer, start, length);
}

async function splitRead(
  node: BlockNode,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  maxTransfer: number,
): Promise<void> {
  for (let done = 0; done < length; done += maxTransfer) {
    const pending = node.driver.read(offset + done, buffer, start + done, Math.min(maxTransfer, length - done));
    if (pending !== undefined) await pending;
  }
}

/** Largest bounce buffer, in bytes. */
const BOUNCE = 1024 * 1024;

async function bouncedRead(
  node: BlockNode,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
): Promise<void> {
  const { alignment, maxTransfer } = node.driver.limits;
  const end = offset + length;
  let at = Math.floor(offset / alignment) * alignment;
  const limit = maxTransfer === 0 ? BOUNCE : Math.min(BOUNCE, maxTransfer);
  const bounce = node.pool.take(Math.min(limit, Math.ceil((end - at) / alignment) * alignment));
  try {
    while (at < end) {
      const piece = Math.min(limit, Math.ceil((end - at) / alignment) * alignment);
      const pending = node.driver.read(at, bounce, 0, piece);
      if (pending !== undefined) await pending;
      const from = Math.max(at, offset);
      const to = Math.min(at + piece, end);
      buffer.set(bounce.subarray(from - at, to - at), start + from - offset);
      at += piece;
    }
  } finally {
    node.pool.give(bounce);
  }
}

/** Throws where the node is closed. */
export function checkOpen(node: BlockNode): void {
  if (node.closed) throw new BlockError('closed', `Node '${node.name}' is closed`, { node: node.name });
}

/** Throws where the node is closed, or the range is none. */
export function checkRange(node: BlockNode, offset: number, length: number): void {
  checkOpen(node);
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || !Number.isSafeInteger(offset + length)) {
    throw new BlockError('invalid-argument', `Request at ${offset} of ${length} bytes is not within 0 to 2^53-1`, {
      node: node.name,
    });
  }
}
