/** Putting an image on top of another: from then on everybody who used the lower one uses the upper one. */
import type { BlockNode } from './node.js';
import { replaceBacking, replaceChild, type GraphAction } from './transaction.js';

/**
 * The actions that put `overlay`, which has no backing file yet, over `base`. To be run in a drained section of both; all
 * that was written to `base` should be on stable storage.
 */
export function putOver(base: BlockNode, overlay: BlockNode): GraphAction[] {
  const users = [...base.parents].filter(({ parent }) => parent.node !== overlay);
  return [...users.map((edge) => replaceChild(edge, overlay)), replaceBacking(overlay, base)];
}
