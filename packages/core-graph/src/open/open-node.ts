/** Opening of one node with its children, its backing chain included; everything undone where a part fails. */
import { BlockError, messageOf } from '../errors.js';
import type { ChildRole, OpenContext } from '../driver-context.js';
import type { DriverNode } from '../driver-node.js';
import { Edge } from '../edge.js';
import { Permission } from '../flags.js';
import type { BlockGraph } from '../graph.js';
import { BlockNode } from '../node.js';
import type { NodeSettings } from '../node-settings.js';
import { attachBitmaps } from '../persistent-bitmaps.js';
import { changeAccess, childAccess, cumulativeAccess } from '../permissions.js';
import type { OpenState } from './open-state.js';
import { splitCommon, unflatten, type Definition } from './definition.js';
import { normalisePath, resolveReference } from './filename.js';
import { asProtocol, formatOf, openFilename } from './open-filename.js';
import { readDefinition, type Reference } from './read-definition.js';

export async function openReference(graph: BlockGraph, reference: Reference, state: OpenState): Promise<BlockNode | undefined> {
  if (reference === undefined || reference === null || reference === '') return undefined;
  if (reference instanceof BlockNode) return reference;
  if (typeof reference === 'string') return namedNode(graph, reference);
  return openDefinition(graph, reference, state);
}

/** The node of this name, or the one in the device of this name. */
function namedNode(graph: BlockGraph, name: string): BlockNode {
  const node = graph.backends.get(name)?.root ?? graph.findNode(name);
  if (!node) throw new BlockError('not-found', `Cannot find device='${name}' nor node-name='${name}'`, { node: name });
  return node;
}

export async function openDefinition(graph: BlockGraph, definition: Definition, state: OpenState): Promise<BlockNode> {
  const nested = unflatten(definition);
  const { common, own } = splitCommon(nested);
  if (common.driver === undefined) {
    const { filename, file, ...rest } = own;
    if (typeof filename === 'string' && file === undefined) return openFilename(graph, filename, { ...nested, ...rest }, state);
    if (file !== undefined) return openFilename(graph, undefined, nested, state);
    throw new BlockError('invalid-argument', 'Must specify either driver or file');
  }
  const { settings, backing, copyOnRead } = readDefinition(graph, nested, state);
  const name = graph.reserveName(settings.anonymous ? undefined : settings.name);
  const { opened } = settings;
  const node = new BlockNode({ ...settings, name, options: definition }, graph.pool, graph.host, (which, amount, threshold) => {
    graph.emit({ type: 'write-threshold', node: which, amount, threshold });
  });
  try {
    await fill(graph, node, backing);
  } catch (error) {
    await graph.discardNode(node);
    if (opened.state.autoReadOnly && !opened.state.readOnly && isUnwritable(error)) {
      return openDefinition(graph, { ...nested, 'read-only': true }, state);
    }
    throw error;
  }
  graph.addNode(node);
  if (copyOnRead) node.setCopyOnRead(true);
  return node;
}

async function fill(graph: BlockGraph, node: BlockNode, backing: Reference): Promise<void> {
  const { driver, opened } = node.settings;
  const { state } = opened;
  node.driver = await openDriver(graph, node, (name, reference, role) => openChild(graph, node, name, reference as Reference, role, state));
  if (node.driver.write === undefined) node.readOnly = true;
  node.updatePaths();
  if (driver.backing === true) await openBacking(graph, node, backing, state);
  const { persistentBitmaps } = node.driver;
  // Writes have to be recorded in them from the first one on.
  if (persistentBitmaps !== undefined && !(state.noIo && node.readOnly)) attachBitmaps(node, await persistentBitmaps.load());
}

/** Lets the driver open the image as the node's settings, or other ones, say; `child` supplies the children that it asks for. */
export async function openDriver(
  graph: BlockGraph,
  node: BlockNode,
  child: OpenContext['child'],
  { driver, opened: { options, state } }: Pick<NodeSettings, 'driver' | 'opened'> = node.settings,
): Promise<DriverNode> {
  const context: OpenContext = {
    nodeName: node.name,
    readOnly: state.readOnly,
    cache: state.cache,
    discard: state.discard,
    probed: state.probed,
    formatOf: (head, filename) => formatOf(graph, head, filename)?.name,
    forceShare: state.forceShare,
    noIo: state.noIo,
    checking: state.checking,
    policy: state.policy,
    pool: graph.pool,
    host: graph.host,
    signal: state.signal,
    secret: graph.secret,
    credentials: graph.credentials,
    throttling: graph.throttling,
    child,
    corrupted: (report) => {
      graph.emit({ type: 'corrupted', node, report });
    },
    quorum: (report) => {
      graph.emit({ type: 'quorum', node, report });
    },
    warn: (message) => {
      graph.host.warn(message);
    },
  };
  checkAborted(state.signal);
  const opened = await driver.open(options, context);
  if (state.signal?.aborted === true) await opened.close();
  checkAborted(state.signal);
  return opened;
}

async function openChild(
  graph: BlockGraph,
  parent: BlockNode,
  name: string,
  reference: Reference,
  role: ChildRole,
  state: OpenState,
): Promise<Edge> {
  if (reference === undefined || reference === null || reference === '') {
    throw new BlockError('invalid-argument', `A block device must be specified for "${name}"`);
  }
  // Filters and backing files may be of any format.
  const guessed = parent.settings.driver.role === 'filter' || role === 'backing';
  const child = await openReference(graph, guessed ? reference : await asProtocol(graph, reference), {
    ...state,
    checking: false,
    // A format hands discards down whatever its own guests may do; a filter passes its own setting on.
    discard: role === 'filtered' ? state.discard : true,
    probed: false,
    nodeName: undefined,
    chain: role === 'filtered' ? state.chain : [],
  });
  return attach(graph, parent, name, role, child as BlockNode);
}

async function attach(graph: BlockGraph, parent: BlockNode, name: string, role: ChildRole, child: BlockNode): Promise<Edge> {
  const edge = new Edge(parent, name, role, child, { permissions: 0, shared: Permission.All });
  child.parents.add(edge);
  parent.children.set(name, edge);
  try {
    const access = childAccess(parent, role, cumulativeAccess(parent.parents));
    changeAccess((transaction) => {
      transaction.set(edge, access);
    });
  } catch (error) {
    child.parents.delete(edge);
    parent.children.delete(name);
    await graph.collect(child);
    throw error;
  }
  return edge;
}

async function openBacking(graph: BlockGraph, node: BlockNode, given: Reference, state: OpenState): Promise<void> {
  const recorded = node.driver.recordedBacking;
  if (given === null || given === '' || (given === undefined && (recorded === undefined || state.noBacking))) return;
  const below: OpenState = {
    ...state,
    readOnly: true,
    checking: false,
    discard: false,
    probed: false,
    nodeName: undefined,
    chain: [...state.chain, normalisePath(node.filename)],
  };
  let child: BlockNode | undefined;
  if (given !== undefined && !isPartial(given)) child = await openReference(graph, given, below);
  else if (recorded === undefined) throw new BlockError('invalid-argument', `Parameter 'backing' names no file`);
  else child = await openRecorded(graph, node, recorded.filename, recorded.format, given as Definition | undefined, below);
  if (child === undefined) return;
  node.driver.setBacking?.(await attach(graph, node, 'backing', 'backing', child));
}

/** Options for the backing file that the image names, rather than a backing file. */
function isPartial(given: Reference): boolean {
  if (typeof given !== 'object' || given === null || given instanceof BlockNode) return false;
  return !('file' in given) && !('filename' in given) && !Object.keys(given).some((key) => key.startsWith('file.'));
}

async function openRecorded(
  graph: BlockGraph,
  node: BlockNode,
  filename: string,
  format: string | undefined,
  overrides: Definition | undefined,
  state: OpenState,
): Promise<BlockNode> {
  try {
    const resolved = resolveReference(node.filename, filename);
    if (!state.policy.allowReference(resolved, 'backing', node.filename)) {
      throw new BlockError('policy', `The policy for this image does not allow its backing file '${resolved}'`);
    }
    if (state.chain.includes(normalisePath(resolved))) {
      throw new BlockError('invalid-image', `Backing file '${resolved}' creates an infinite loop.`);
    }
    if (state.chain.length >= state.policy.maxChainDepth) {
      throw new BlockError('policy', `Backing chain is longer than ${state.policy.maxChainDepth} images`);
    }
    const driver = typeof overrides?.driver === 'string' ? overrides.driver : format;
    return await openFilename(graph, resolved, { ...overrides, ...(driver === undefined ? {} : { driver }) }, state);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `Could not open backing file: ${messageOf(error)}`, error.context, error);
  }
}

/** Whether the image could be opened read-only, for all that this error says. */
function isUnwritable(error: unknown): boolean {
  return error instanceof BlockError && (error.kind === 'permission' || error.kind === 'read-only');
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new BlockError('aborted', 'Opening the image was aborted', {}, signal.reason);
}
