/**
 * A filter over a node that is in use: everybody who used the node uses the filter from then on, until it is taken out again. It changes
 * nothing, and shows where somebody works on the node.
 */
import { defineDriver } from './driver.js';
import { Edge } from './edge.js';
import { BlockError } from './errors.js';
import { FilterNode } from './filter-node.js';
import { Permission } from './flags.js';
import type { BlockGraph } from './graph.js';
import { BlockNode } from './node.js';
import { changeAccess } from './permissions.js';
import { checkFrozen } from './transaction.js';

export interface InsertedFilter {
  readonly name: string;
  /** Name of a driver, as it is shown: there need be none. */
  readonly driver: string;
  /** Users that go on using the node itself. */
  readonly stays: (user: Edge) => boolean;
}

/**
 * Puts a filter over `node`. It closes when it has no users left: whoever is to take it out again holds an edge to it before anything else
 * may happen. To be run in a drained section of the node.
 *
 * @throws BlockError, with nothing changed, for a name that is none or taken, and kind `busy` where a job needs a link to the node where it is.
 */
export async function insertFilter(graph: BlockGraph, node: BlockNode, { name, driver, stays }: InsertedFilter): Promise<BlockNode> {
  const users = [...node.parents].filter((edge) => !stays(edge));
  for (const edge of users) checkFrozen(edge);
  const filter = makeFilter(graph, node, graph.reserveName(name), driver);
  const edge = new Edge(filter, 'file', 'filtered', node, { permissions: 0, shared: Permission.All });
  node.parents.add(edge);
  filter.children.set('file', edge);
  filter.driver = new FilterNode(edge);
  filter.highestWrite = node.highestWrite;
  point(users, filter);
  try {
    // What they want of the node is what they have wanted before, now all together.
    changeAccess((transaction) => { transaction.refresh(filter); });
  } catch (error) {
    point(users, node);
    await graph.discardNode(filter);
    throw error;
  }
  filter.updatePaths();
  graph.addNode(filter);
  return filter;
}

/**
 * Takes the filter out again: its users, but for those that `stays` names, use the node below it. To be run in a drained section of both.
 *
 * @throws BlockError kind `busy`, with nothing changed, where somebody has come to use the node below who does not go with them.
 */
export function removeFilter(filter: BlockNode, stays: (user: Edge) => boolean): void {
  const below = filter.storage?.node;
  if (below === undefined) return;
  const users = [...filter.parents].filter((edge) => !stays(edge));
  point(users, below);
  try {
    changeAccess((transaction) => {
      transaction.refresh(filter);
      for (const edge of users) transaction.set(edge, edge.access);
    });
  } catch (error) {
    point(users, filter);
    throw error;
  }
}

function makeFilter(graph: BlockGraph, node: BlockNode, name: string, driver: string): BlockNode {
  const { opened, cache } = node.settings;
  const value = defineDriver({ name: driver, role: 'filter', options: {}, children: { file: 'required' }, open: neverOpened });
  return new BlockNode(
    {
      name,
      driver: value,
      filename: '',
      readOnly: node.readOnly,
      cache,
      // What becomes of discards is the node's affair.
      discard: true,
      detectZeroes: 'off',
      forceShare: false,
      options: { driver, 'node-name': name, file: node.name },
      anonymous: false,
      opened: { options: {}, state: { ...opened.state, nodeName: name } },
    },
    graph.pool,
    graph.host,
    (which, amount, threshold) => { graph.emit({ type: 'write-threshold', node: which, amount, threshold }); },
  );
}

/** Such a filter comes and goes with whoever put it there. */
function neverOpened(): never {
  throw new BlockError('unsupported', 'This filter is not for opening');
}

function point(edges: readonly Edge[], node: BlockNode): void {
  for (const edge of edges) {
    edge.node.parents.delete(edge);
    edge.node = node;
    node.parents.add(edge);
    if (edge.role === 'backing') edge.parent.node?.driver.setBacking?.(edge);
  }
}
