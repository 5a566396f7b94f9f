/**
 * Opening images again in place: with other rights, other options or another child, under the same node.
 *
 * The node stays what it is for everybody above it. What was written is on stable storage before anything changes, and where
 * a part can't be opened the others are opened again as they were.
 */
import type { OpenContext } from '../driver-context.js';
import type { DriverNode } from '../driver-node.js';
import { BlockError, messageOf } from '../errors.js';
import type { Edge } from '../edge.js';
import type { BlockGraph } from '../graph.js';
import type { BlockNode } from '../node.js';
import type { NodeSettings } from '../node-settings.js';
import { Permission } from '../flags.js';
import { changeAccess, cumulativeAccess } from '../permissions.js';
import { attachBitmaps } from '../persistent-bitmaps.js';
import { openDriver } from './open-node.js';

/** A node, and the settings that it is to be open with. */
export interface Reopening {
  readonly node: BlockNode;
  readonly settings: NodeSettings;
}

/** Opens all of them again, in this order, or none. Runs in a drained section of all. */
export async function reopenNodes(graph: BlockGraph, changes: readonly Reopening[]): Promise<void> {
  if (changes.length === 0) return;
  await graph.drained(changes.map(({ node }) => node), async () => {
    const done: Reopening[] = [];
    try {
      for (const change of changes) {
        const before = change.node.settings;
        await reopenNode(graph, change);
        done.push({ node: change.node, settings: before });
      }
    } catch (error) {
      for (const change of done.reverse()) await reopenNode(graph, change);
      throw error;
    }
  });
}

/**
 * Makes an image writable, or read-only, with the files that were opened for it alone. It does not matter that its definition asked for
 * read-only: management programs say so of all images below the top one, and have them committed into all the same.
 */
export async function setReadOnly(graph: BlockGraph, node: BlockNode, readOnly: boolean): Promise<void> {
  await oneByOne(graph, async () => {
    const changes: Reopening[] = [];
    collect(graph, node, readOnly, changes);
    // Whoever writes needs something to write to, and goes first when that ends.
    await reopenNodes(graph, readOnly ? changes.reverse() : changes);
  });
}

const turns = new WeakMap<BlockGraph, Promise<void>>();

/**
 * Runs `reopening` when no other one of the graph is under way: what it changes it has looked at before, and drained sections do not keep
 * each other out. May not be nested.
 */
export function oneByOne(graph: BlockGraph, reopening: () => Promise<void>): Promise<void> {
  const done = (turns.get(graph) ?? Promise.resolve()).then(reopening);
  turns.set(graph, done.catch(() => undefined));
  return done;
}

function collect(graph: BlockGraph, node: BlockNode, readOnly: boolean, changes: Reopening[]): void {
  if (node.readOnly === readOnly) return;
  for (const edge of node.children.values()) {
    if (edge.role !== 'backing' && belongsTo(graph, edge, node)) collect(graph, edge.node, readOnly, changes);
  }
  const { settings } = node;
  const { opened } = settings;
  changes.push({ node, settings: { ...settings, readOnly, opened: { ...opened, state: { ...opened.state, readOnly, signal: undefined } } } });
}

/** Whether the child was opened for this parent, and serves nobody else. */
export function belongsTo(graph: BlockGraph, { node: child }: Edge, parent: BlockNode): boolean {
  return !graph.isOwned(child) && [...child.parents].every((edge) => edge.parent === parent);
}

async function reopenNode(graph: BlockGraph, { node, settings }: Reopening): Promise<void> {
  const before = node.settings;
  const old = node.driver;
  const writers = Permission.Write | Permission.Resize;
  if (settings.readOnly && !node.readOnly && (cumulativeAccess(node.parents).permissions & writers) !== 0) {
    throw new BlockError('busy', 'Cannot make block node read-only, there is a writer on it', { node: node.name });
  }
  const children = keepChildren(node);
  // What never writes may stay until the new one is there. What writes has to end first: the other reads what it leaves.
  const writes = !node.readOnly;
  if (writes) await closeWriter(graph, node);
  let next: DriverNode | undefined;
  try {
    next = await openDriver(graph, node, children, settings);
    if (!writes) await old.close();
    await install(node, next, settings);
  } catch (error) {
    await next?.close().catch(() => undefined);
    if (writes || next !== undefined) await restore(graph, node, before, children, error);
    throw error;
  }
}

/** Stores the bitmaps that the image keeps, and closes its driver. Where that fails the image is opened again. */
async function closeWriter(graph: BlockGraph, node: BlockNode): Promise<void> {
  try {
    const flushed = node.flush();
    if (flushed !== undefined) await flushed;
    await node.driver.persistentBitmaps?.store([...node.bitmaps].filter(({ persistent }) => persistent));
  } catch (error) {
    throw new BlockError('io', `Could not reopen '${node.filename}': ${messageOf(error)}`, { node: node.name }, error);
  }
  await node.driver.close().catch((error: unknown) => {
    graph.host.warn(`Closing '${node.filename}' to reopen it: ${messageOf(error)}`);
  });
}

const RESTORE_ATTEMPTS = 5;

async function restore(
  graph: BlockGraph,
  node: BlockNode,
  before: NodeSettings,
  children: OpenContext['child'],
  cause: unknown,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    let again: DriverNode | undefined;
    try {
      again = await openDriver(graph, node, children, before);
      await install(node, again, before);
      return;
    } catch (error) {
      if (again !== undefined) await again.close().catch(() => undefined);
      // What would be left is a disk that nobody can read, for an error that may not come again.
      if (attempt < RESTORE_ATTEMPTS) continue;
      // Nothing is left to read from. Everybody above gets errors, and nobody wrong bytes.
      node.closed = true;
      node.updatePaths();
      throw new BlockError('io', `${messageOf(cause)}; and '${node.filename}' can't be opened as it was: ${messageOf(error)}`, { node: node.name }, cause);
    }
  }
}

async function install(node: BlockNode, driver: DriverNode, settings: NodeSettings): Promise<void> {
  node.adopt(driver, settings);
  const { backing } = node;
  if (backing !== undefined) driver.setBacking?.(backing);
  const known = new Set([...node.bitmaps].map(({ name }) => name));
  const loaded = (await driver.persistentBitmaps?.load()) ?? [];
  // Those that are there already may be in use, and say the same.
  attachBitmaps(node, loaded.filter(({ name }) => !known.has(name)));
  changeAccess((transaction) => {
    transaction.refresh(node);
  });
}

/** The children that are there, for a driver that opens its image again. */
function keepChildren(node: BlockNode): OpenContext['child'] {
  return async (name) => {
    const edge = node.children.get(name);
    if (edge === undefined) throw new BlockError('unsupported', `Node '${node.name}' can't be given a child '${name}' while it is open`, { node: node.name });
    return edge;
  };
}
