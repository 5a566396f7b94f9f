/** Changes of the graph that are made whole or not at all. */
import { BlockError } from './errors.js';
import { Edge } from './edge.js';
import type { BlockNode } from './node.js';
import { AccessTransaction, accessOfChild, cumulativeAccess } from './permissions.js';

/** One step of a transaction. `prepare` may fail and must then leave everything as it was; `commit` and `abort` may not. */
export interface GraphAction {
  prepare(): Promise<void> | void;
  commit(): void;
  abort(): void;
}

/** Prepares all, then commits all; where one can't be prepared, aborts the others in reverse order and throws. */
export async function runTransaction(actions: readonly GraphAction[]): Promise<void> {
  const prepared: GraphAction[] = [];
  try {
    for (const action of actions) {
      const done = action.prepare();
      if (done !== undefined) await done;
      prepared.push(action);
    }
  } catch (error) {
    for (const action of prepared.reverse()) action.abort();
    throw error;
  }
  for (const action of prepared) action.commit();
}

/** Points `edge` at another node. To be run in a drained section of both nodes. */
export function replaceChild(edge: Edge, node: BlockNode): GraphAction {
  const before = edge.node;
  const access = new AccessTransaction();
  const move = (to: BlockNode): void => {
    edge.node.parents.delete(edge);
    edge.node = to;
    to.parents.add(edge);
    if (edge.role === 'backing') edge.parent.node?.driver.setBacking?.(edge);
  };
  return {
    prepare() {
      checkFrozen(edge);
      if (edge.parent.node && reaches(node, edge.parent.node)) {
        throw new BlockError('invalid-argument', `Making '${node.name}' a ${edge.name} child of '${edge.parent.node.name}' would create a cycle`);
      }
      move(node);
      try {
        access.set(edge, edge.access);
        access.refresh(before);
      } catch (error) {
        access.abort();
        move(before);
        throw error;
      }
    },
    commit() {
      access.commit();
    },
    abort() {
      access.abort();
      move(before);
    },
  };
}

/** Gives `parent` another backing file, or none. To be run in a drained section. `lenient`: the new link bears that others write the file. */
export function replaceBacking(parent: BlockNode, node: BlockNode | undefined, options: { readonly lenient?: boolean } = {}): GraphAction {
  const { lenient = false } = options;
  const before = parent.backing;
  if (node !== undefined && before !== undefined && !lenient) return replaceChild(before, node);
  const access = new AccessTransaction();
  let edge: Edge | undefined;
  const attach = (next: Edge | undefined): void => {
    const old = parent.backing;
    if (old) old.node.parents.delete(old);
    parent.children.delete('backing');
    if (next) {
      parent.children.set('backing', next);
      next.node.parents.add(next);
    }
    parent.driver.setBacking?.(next);
  };
  return {
    prepare() {
      if (before) checkFrozen(before);
      if (node !== undefined) {
        if (reaches(node, parent)) {
          throw new BlockError('invalid-argument', `Making '${node.name}' a backing child of '${parent.name}' would create a cycle`);
        }
        edge = new Edge(parent, 'backing', 'backing', node, { permissions: 0, shared: 15 });
      }
      attach(edge);
      try {
        if (edge) {
          edge.lenient = lenient;
          access.set(edge, accessOfChild(parent, edge, cumulativeAccess(parent.parents)));
        }
        if (before) access.refresh(before.node);
      } catch (error) {
        access.abort();
        attach(before);
        throw error;
      }
    },
    commit() {
      access.commit();
    },
    abort() {
      access.abort();
      attach(before);
    },
  };
}

/** Throws kind `busy` where a job needs the edge where it is. */
export function checkFrozen(edge: Edge): void {
  if (!edge.frozen) return;
  const from = edge.parent.node?.name ?? edge.parent.description;
  throw new BlockError('busy', `Cannot change frozen '${edge.name}' link from '${from}' to '${edge.node.name}'`, { node: edge.node.name });
}

/** Whether `from` is `target`, or stands above it. */
export function reaches(from: BlockNode, target: BlockNode): boolean {
  if (from === target) return true;
  for (const edge of from.children.values()) if (reaches(edge.node, target)) return true;
  return false;
}
