/** Which image holds the state of a virtual machine. */
import { BlockError, type BlockNode } from '@blk/core-graph';

/** The node below whatever only passes its bytes on. */
export function stateHolder(root: BlockNode): BlockNode {
  let node = root;
  for (let { storage } = node; storage?.role === 'filtered'; { storage } = node) node = storage.node;
  return node;
}

export function noState(): BlockError {
  return new BlockError('unsupported', 'This format holds no state of virtual machines');
}
