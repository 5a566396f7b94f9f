/** Discards: ignored where they are not enabled, cut to the driver's granularity and largest size. */
import { andThen, repeat, type Completion } from '../completion.js';
import { BlockError } from '../errors.js';
import type { BlockNode } from '../node.js';
import { checkRange } from './check-range.js';
import { marked, notified } from './write.js';

export function discardRange(node: BlockNode, offset: number, length: number): Completion {
  checkRange(node, offset, length);
  if (node.readOnly) throw new BlockError('read-only', `Block node '${node.name}' is read-only`, { node: node.name });
  const end = Math.min(offset + length, node.driver.size);
  if (!node.discardEnabled || node.driver.discard === undefined || end <= offset) return;
  return notified(node, offset, end - offset, () => admitted(node, offset, end));
}

function admitted(node: BlockNode, offset: number, end: number): Completion {
  const length = end - offset;
  const wait = node.requests.hasSerialising ? node.requests.waitForSerialising(offset, length) : undefined;
  const done = andThen(wait, () => marked(node, offset, length, 0, () => discardPieces(node, offset, end)));
  return done === undefined ? undefined : node.requests.track(done, offset, length);
}

function discardPieces(node: BlockNode, offset: number, end: number): Completion {
  const { alignment, maxDiscard } = node.driver.limits;
  // Partial blocks at either end can't be given back; they keep their content.
  let at = Math.ceil(offset / alignment) * alignment;
  const last = end === node.driver.size ? end : Math.floor(end / alignment) * alignment;
  node.wrote(0);
  return repeat(() => {
    if (at >= last) return false;
    const here = at;
    const piece = maxDiscard > 0 ? Math.min(maxDiscard, last - at) : last - at;
    at += piece;
    return node.driver.discard?.(here, piece);
  });
}
