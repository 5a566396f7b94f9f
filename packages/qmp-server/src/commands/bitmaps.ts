/** Dirty bitmaps: added, removed, cleared, switched, merged. Each command is a transaction of one step. */
import {
  addBitmapAction, clearBitmapAction, mergeBitmapsAction, recordBitmapAction, removeBitmap, removeBitmapAction, runTransaction,
  type BitmapSource, type BlockGraph, type BlockNode, type GraphAction,
} from '@blk/core-graph';
import type { BlockDirtyBitmap, BlockDirtyBitmapAdd, BlockDirtyBitmapMerge, BlockDirtyBitmapOrStr } from '@blk/qapi-types';
import type { CommandGroup } from '../dispatch.js';
import { deviceNotFound, genericError } from '../errors.js';

export const bitmaps: CommandGroup = {
  'block-dirty-bitmap-add': async (args, { server: { graph } }) => {
    await runTransaction([bitmapActions['block-dirty-bitmap-add'](graph, args)]);
  },

  // Out of the image at once, for which a step of a transaction would have no time.
  'block-dirty-bitmap-remove': async ({ node, name }, { server: { graph } }) => {
    await removeBitmap(nodeOf(graph, node), name);
  },

  'block-dirty-bitmap-clear': async (args, { server: { graph } }) => {
    await runTransaction([bitmapActions['block-dirty-bitmap-clear'](graph, args)]);
  },

  'block-dirty-bitmap-enable': async (args, { server: { graph } }) => {
    await runTransaction([bitmapActions['block-dirty-bitmap-enable'](graph, args)]);
  },

  'block-dirty-bitmap-disable': async (args, { server: { graph } }) => {
    await runTransaction([bitmapActions['block-dirty-bitmap-disable'](graph, args)]);
  },

  'block-dirty-bitmap-merge': async (args, { server: { graph } }) => {
    await runTransaction([bitmapActions['block-dirty-bitmap-merge'](graph, args)]);
  },
};

/** The same changes as steps of a larger transaction; names are looked up when the step is made. */
export const bitmapActions = {
  'block-dirty-bitmap-add': (graph: BlockGraph, args: BlockDirtyBitmapAdd): GraphAction =>
    addBitmapAction(nodeOf(graph, args.node), args),

  'block-dirty-bitmap-remove': (graph: BlockGraph, args: BlockDirtyBitmap): GraphAction =>
    removeBitmapAction(nodeOf(graph, args.node), args.name),

  'block-dirty-bitmap-clear': (graph: BlockGraph, args: BlockDirtyBitmap): GraphAction =>
    clearBitmapAction(nodeOf(graph, args.node), args.name),

  'block-dirty-bitmap-enable': (graph: BlockGraph, args: BlockDirtyBitmap): GraphAction =>
    recordBitmapAction(nodeOf(graph, args.node), args.name, 'active'),

  'block-dirty-bitmap-disable': (graph: BlockGraph, args: BlockDirtyBitmap): GraphAction =>
    recordBitmapAction(nodeOf(graph, args.node), args.name, 'disabled'),

  'block-dirty-bitmap-merge': (graph: BlockGraph, args: BlockDirtyBitmapMerge): GraphAction => {
    const node = nodeOf(graph, args.node);
    return mergeBitmapsAction(node, args.target, () => args.bitmaps.map((bitmap) => sourceOf(graph, node, bitmap)));
  },
};

/** The bitmap that is meant, of `node` unless another is named. */
export function sourceOf(graph: BlockGraph, node: BlockNode, bitmap: BlockDirtyBitmapOrStr): BitmapSource {
  return typeof bitmap === 'string' ? { node, name: bitmap } : { node: nodeOf(graph, bitmap.node), name: bitmap.name };
}

/** The image of a device, or a node. */
function nodeOf(graph: BlockGraph, name: string): BlockNode {
  const backend = graph.backends.get(name);
  if (backend !== undefined) {
    if (backend.edge === undefined) throw genericError(`Device '${name}' has no medium`);
    return backend.root;
  }
  const node = graph.findNode(name);
  if (node === undefined) throw deviceNotFound(name);
  return node;
}
