/** What every request is checked for. */
import { BlockError } from '../errors.js';
import type { BlockNode } from '../node.js';

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
