/** A change of the graph, such as one of a bitmap, as part of a transaction. */
import type { BlockNode, GraphAction } from '@blk/core-graph';
import type { TransactionAction } from './action.js';

/** `make` is called when its turn comes: it may name what an earlier part made. The node is quiet from then on. */
export function graphStep(find: () => BlockNode, make: () => GraphAction): TransactionAction {
  let node: BlockNode | undefined;
  let action: GraphAction | undefined;
  return {
    async prepare() {
      node = find();
      action = make();
    },
    quiet: () => (node === undefined ? [] : [node]),
    async apply() {
      const done = action?.prepare();
      if (done !== undefined) await done;
    },
    async commit() {
      action?.commit();
    },
    async abort() {
      action?.abort();
    },
  };
}
