/** `blockdev-snapshot`: a node that is there goes on top of another. */
import type { BlockGraph } from '@blk/core-graph';
import type { BlockdevSnapshotOverlay } from '@blk/qapi-types';
import { genericError } from '../errors.js';
import { checkFree, findNamed } from '../lookup.js';
import type { TransactionAction } from '../transaction/action.js';
import { overlayAction } from './overlay-action.js';

export function snapshotOverlay(graph: BlockGraph, { node, overlay: name }: BlockdevSnapshotOverlay): TransactionAction {
  return overlayAction(graph, async () => {
    const base = findNamed(graph, node);
    checkFree(graph, base);
    const overlay = findNamed(graph, name);
    if (overlay.parents.size > 0) throw genericError('The overlay is already in use');
    if (overlay.backing !== undefined) throw genericError('The overlay already has a backing image');
    if (overlay.settings.driver.backing !== true) throw genericError('The overlay does not support backing images');
    return { base, overlay, moveBitmaps: false };
  });
}
