/** Which dirty bitmaps an export is to offer, from how they are named. */
import { findBitmap, type BlockGraph, type BlockNode, type DirtyBitmap } from '@blk/core-graph';
import type { BlockDirtyBitmapOrStr } from '@blk/qapi-types';
import { genericError } from '../errors.js';

/** The bitmaps: a plain name is looked for in the image, then in its backing files; else the node is named. */
export function exportBitmaps(graph: BlockGraph, root: BlockNode, wanted: readonly BlockDirtyBitmapOrStr[]): DirtyBitmap[] {
  return wanted.map((bitmap) => {
    if (typeof bitmap === 'string') return inChain(root, bitmap);
    const node = graph.findNode(bitmap.node) ?? graph.backends.get(bitmap.node)?.root;
    if (node === undefined) throw genericError(`Node '${bitmap.node}' not found`);
    return findBitmap(node, bitmap.name);
  });
}

function inChain(root: BlockNode, name: string): DirtyBitmap {
  for (let node: BlockNode | undefined = root; node !== undefined; node = node.backing?.node ?? filtered(node)) {
    for (const bitmap of node.bitmaps) if (bitmap.name === name) return bitmap;
  }
  throw genericError(`Bitmap '${name}' is not found`);
}

/** What a filter shows. */
function filtered(node: BlockNode): BlockNode | undefined {
  return node.storage?.role === 'filtered' ? node.storage.node : undefined;
}
