/** Reads as the driver takes them: aligned, and cut to its largest transfer. */
import type { Completion } from '../completion.js';
import type { BlockNode } from '../node.js';

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
