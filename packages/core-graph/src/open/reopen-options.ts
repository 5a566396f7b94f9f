/** Opening images again by new definitions: what of a definition may be another one, and what follows for the children. */
import { BlockError } from '../errors.js';
import type { Edge } from '../edge.js';
import type { BlockGraph } from '../graph.js';
import type { BlockNode } from '../node.js';
import { replaceBacking, replaceChild, type GraphAction } from '../transaction.js';
import { splitCommon, type Definition } from './definition.js';
import { readDefinition } from './read-definition.js';
import type { OpenState } from './open-state.js';
import { belongsTo, oneByOne, reopenNodes, type Reopening } from './reopen.js';

/** A node, and its whole definition: what is left out has its default again. */
export interface ReopenRequest {
  readonly node: BlockNode;
  readonly definition: Definition;
}

/**
 * Opens all of them again by their definitions, or none. A child that is named by a node name is exchanged for that node; one
 * that is defined in place is opened again itself. Throws where something would have to change that can't.
 */
export function reopenWithOptions(graph: BlockGraph, requests: readonly ReopenRequest[]): Promise<void> {
  return oneByOne(graph, () => reopenAll(graph, requests));
}

async function reopenAll(graph: BlockGraph, requests: readonly ReopenRequest[]): Promise<void> {
  const plan: Plan = { changes: [], actions: [], nodes: new Set(), settled: [] };
  for (const { node, definition } of requests) planNode(graph, node, definition, defaultsOf(node), plan);
  await graph.drained(plan.nodes, async () => {
    const done: GraphAction[] = [];
    // What was written through a child that goes has to be stored there.
    for (const node of plan.nodes) {
      const flushed = node.readOnly ? undefined : node.flush();
      if (flushed !== undefined) await flushed;
    }
    try {
      for (const action of plan.actions) {
        const prepared = action.prepare();
        if (prepared !== undefined) await prepared;
        done.push(action);
      }
      await reopenNodes(graph, plan.changes);
    } catch (error) {
      for (const action of done.reverse()) action.abort();
      throw error;
    }
    for (const action of done) action.commit();
    for (const settle of plan.settled) settle();
  });
  for (const node of plan.nodes) await graph.collect(node);
}

interface Plan {
  readonly changes: Reopening[];
  readonly actions: GraphAction[];
  /** All that have to be quiet. */
  readonly nodes: Set<BlockNode>;
  readonly settled: (() => void)[];
}

function planNode(graph: BlockGraph, node: BlockNode, definition: Definition, state: OpenState, plan: Plan): void {
  const { settings } = node;
  plan.nodes.add(node);
  const { common } = splitCommon(definition);
  if (common.driver !== settings.driver.name) throw cannotChange('driver');
  const { settings: read, backing, copyOnRead } = readDefinition(graph, definition, state);
  if (node.backing !== undefined && backing === undefined) throw invalid(`backing is missing for '${node.name}'`);
  checkOptions(node, read.opened.options);
  const change: Reopening = { node, settings: { ...read, name: node.name, anonymous: settings.anonymous } };
  const below: OpenState = read.opened.state;
  // A file has to be writable before the image that writes to it, and as long as that does.
  const children: Plan = { ...plan, changes: [] };
  for (const edge of node.children.values()) {
    if (edge.role !== 'backing') planChild(graph, node, edge, read.opened.options[edge.name], below, children);
  }
  if (backing !== undefined) planBacking(graph, node, backing, below, children);
  plan.changes.push(...(read.readOnly && !node.readOnly ? [change, ...children.changes] : [...children.changes, change]));
  const before = settings.options['copy-on-read'] === true;
  if (before !== copyOnRead) plan.settled.push(() => { node.setCopyOnRead(copyOnRead); });
}

function planChild(graph: BlockGraph, parent: BlockNode, edge: Edge, reference: unknown, state: OpenState, plan: Plan): void {
  const child = edge.node;
  if (typeof reference === 'string' && reference !== child.name) {
    // What writes through the old one until the end would write into the new one.
    if (edge.role !== 'filtered') throw cannotChange(edge.name);
    const node = graph.node(reference);
    plan.nodes.add(child).add(node);
    plan.actions.push(replaceChild(edge, node));
    return;
  }
  if (isDefinition(reference)) {
    const name = reference['node-name'];
    if (name !== undefined && name !== child.name) throw cannotChange('node-name');
    planNode(graph, child, reference, state, plan);
    return;
  }
  if (typeof reference === 'string' || !belongsTo(graph, edge, parent)) return;
  // One that came with the image goes along with it.
  const { settings } = child;
  const { opened } = settings;
  if (child.readOnly === state.readOnly && sameCache(settings.cache, state.cache)) return;
  plan.nodes.add(child);
  const { readOnly, cache } = state;
  plan.changes.push({ node: child, settings: { ...settings, readOnly, cache, opened: { ...opened, state: { ...opened.state, readOnly, cache, signal: undefined } } } });
}

function planBacking(graph: BlockGraph, node: BlockNode, backing: unknown, state: OpenState, plan: Plan): void {
  const current = node.backing?.node;
  if (isDefinition(backing)) {
    if (current === undefined) throw cannotChange('backing');
    planNode(graph, current, backing, { ...state, readOnly: true }, plan);
    return;
  }
  const wanted = typeof backing === 'string' && backing !== '' ? graph.node(backing) : undefined;
  if (wanted === current) return;
  if (current !== undefined) plan.nodes.add(current);
  if (wanted !== undefined) plan.nodes.add(wanted);
  plan.actions.push(replaceBacking(node, wanted));
}

/** Every option that differs is one that the driver lets change. */
function checkOptions(node: BlockNode, next: Readonly<Record<string, unknown>>): void {
  const { driver, opened } = node.settings;
  for (const name of new Set([...Object.keys(opened.options), ...Object.keys(next)])) {
    if (node.children.has(name) || driver.changeable?.includes(name) === true) continue;
    if (JSON.stringify(opened.options[name]) !== JSON.stringify(next[name])) throw cannotChange(name);
  }
}

/** What holds for a definition that says nothing. */
function defaultsOf(node: BlockNode): OpenState {
  return {
    ...node.settings.opened.state,
    readOnly: false,
    autoReadOnly: false,
    cache: { writeback: true, direct: false, noFlush: false },
    discard: false,
    forceShare: false,
    aio: undefined,
    signal: undefined,
    nodeName: undefined,
  };
}

function sameCache(one: OpenState['cache'], other: OpenState['cache']): boolean {
  return one.writeback === other.writeback && one.direct === other.direct && one.noFlush === other.noFlush;
}

function isDefinition(reference: unknown): reference is Definition {
  return typeof reference === 'object' && reference !== null && !('parents' in reference);
}

function cannotChange(option: string): BlockError {
  return invalid(`Cannot change the option '${option}'`);
}

function invalid(message: string): BlockError {
  return new BlockError('invalid-argument', message);
}
