/** Drained sections: a time in which exactly the given nodes have no request under way, and get no new one. */
import type { EdgeParent } from './edge.js';
import type { BlockNode } from './node.js';

/** Runs `section` while the users of `nodes` hold their requests back. Sections may nest. */
export async function drained<T>(nodes: Iterable<BlockNode>, section: () => Promise<T> | T): Promise<T> {
  const quiet = new Set<BlockNode>();
  const users = new Set<EdgeParent>();
  for (const node of nodes) collectAbove(node, quiet, users);
  for (const user of users) user.quiesce?.();
  try {
    await Promise.all([...users].map((user) => user.idle?.() ?? Promise.resolve()));
    await Promise.all([...quiet].map((node) => node.requests.idle()));
    return await section();
  } finally {
    // The section may have changed the graph: those that were stopped are the ones to start again.
    for (const user of users) user.resume?.();
  }
}

function collectAbove(node: BlockNode, quiet: Set<BlockNode>, users: Set<EdgeParent>): void {
  if (quiet.has(node)) return;
  quiet.add(node);
  for (const edge of node.parents) {
    if (edge.parent.node) collectAbove(edge.parent.node, quiet, users);
    else users.add(edge.parent);
  }
}
