/** Several changes as one: each prepared, then all made, or none. */
import { type BlockGraph, type BlockNode } from '@blk/core-graph';

/**
 * One change. `prepare` and `apply` may fail, and then leave nothing behind; what comes after may not. The order over all
 * actions of a transaction: each prepared and applied, one after the other; then each committed, or aborted in reverse; then
 * each cleaned up.
 */
export interface TransactionAction {
  /** Checks, opens, creates: what can be done while the nodes are in use. */
  prepare?(): Promise<void>;
  /** Nodes that are quiet from `apply` until everything is committed or aborted. Asked for once `prepare` is done. */
  quiet?(): Iterable<BlockNode>;
  /** Changes the graph, so that `abort` can still take it back. */
  apply?(): Promise<void>;
  commit?(): Promise<void>;
  abort?(): Promise<void>;
  /** After everything, when requests go on. */
  clean?(): Promise<void>;
}

/** What a part that an action does not have comes to. */
const NOTHING = Promise.resolve();

/** Makes all changes, or none and throws what stopped the first that could not be made. */
export async function runActions(graph: BlockGraph, actions: readonly TransactionAction[]): Promise<void> {
  const begun: TransactionAction[] = [];
  try {
    await step(graph, actions, begun);
  } finally {
    for (const action of begun) await (action.clean?.() ?? NOTHING);
  }
}

/** The first action, then the rest while its nodes are quiet; the innermost one commits all. */
async function step(graph: BlockGraph, actions: readonly TransactionAction[], begun: TransactionAction[]): Promise<void> {
  const [action, ...rest] = actions;
  if (action === undefined) {
    for (const each of begun) await (each.commit?.() ?? NOTHING);
    return;
  }
  try {
    await (action.prepare?.() ?? NOTHING);
  } catch (error) {
    await abort(begun);
    throw error;
  }
  const quiet = [...(action.quiet?.() ?? [])];
  const change = async (): Promise<void> => {
    begun.push(action);
    try {
      await (action.apply?.() ?? NOTHING);
    } catch (error) {
      await abort(begun);
      throw error;
    }
    await step(graph, rest, begun);
  };
  await (quiet.length === 0 ? change() : graph.drained(quiet, change));
}

async function abort(begun: readonly TransactionAction[]): Promise<void> {
  for (const action of [...begun].reverse()) await (action.abort?.() ?? NOTHING);
}
