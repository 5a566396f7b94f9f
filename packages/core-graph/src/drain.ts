/** Drained sections: a time in which exactly the given nodes have no request under way, and get no new one. */
import type { EdgeParent } from './edge.js';
import type { BlockNode } from './node.js';

/** Runs `section` while the users of `nodes` hold their requests back. Sections may nest. */
export async function drained<T>(nodes: Iterable<BlockNode>, section: () => Promise<T> | T): Promise<T> {
  const quiet = new Set<BlockNode>();
  const users = new Set<EdgeParent>();
  for (const node of nodes) collectAbove(node, quiet, users);
  for (const user of users) user.quiesce?.();
  const holdBack = letThrough(quiet);
  try {
    await Promise.all([...users].map((user) => user.idle?.() ?? Promise.resolve()));
    await Promise.all([...quiet].map((node) => node.requests.idle()));
    return await section();
  } finally {
    holdBack();
    // The section may have changed the graph: those that were stopped are the ones to start again.
    for (const user of users) user.resume?.();
  }
}

/** Lets go at once what waits for its time in these nodes or below, until the returned function is called. */
export function letThrough(nodes: Iterable<BlockNode>): () => void {
  const seen = new Set<BlockNode>(nodes);
  for (const node of seen) for (const { node: child } of node.children.values()) seen.add(child);
  // The section may open a node again: the drivers of now are the ones to start again.
  const drivers = [...seen].map(({ driver }) => driver);
  for (const driver of drivers) driver.quiesce?.();
  return () => {
    for (const driver of drivers) driver.resume?.();
  };
}

function collectAbove(node: BlockNode, quiet: Set<BlockNode>, users: Set<EdgeParent>): void {
  if (quiet.has(node)) return;
  quiet.add(node);
  for (const edge of node.parents) {
    if (edge.parent.node) collectAbove(edge.parent.node, quiet, users);
    else users.add(edge.parent);
  }
}
