/** Giving a node another child while it is open, or taking one away: for drivers that bear it. */
import type { ChangeableChildren } from './driver-node.js';
import { Edge } from './edge.js';
import { BlockError, messageOf } from './errors.js';
import { Permission } from './flags.js';
import type { BlockGraph } from './graph.js';
import type { BlockNode } from './node.js';
import { changeAccess, childAccess, cumulativeAccess } from './permissions.js';
import { reaches } from './transaction.js';

/**
 * Makes `node`, which has no parent yet, a child of `parent`. Throws, with nothing changed, where the driver takes none (kind `unsupported`), or
 * this one does not fit.
 */
export async function addChild(graph: BlockGraph, parent: BlockNode, node: BlockNode): Promise<void> {
  if (parent.driver.changeableChildren === undefined) throw refused('unsupported', `The node ${parent.name} does not support adding a child`);
  if (node.parents.size > 0) throw refused('busy', `The node ${node.name} already has a parent`);
  graph.checkFree(node);
  await graph.drained([parent, node], () => {
    // Asked for now: while the section was waited for, the image may have been opened again.
    const driver = changeable(parent);
    const name = driver.nameFor(node);
    if (reaches(node, parent)) throw refused('invalid-argument', `Making '${node.name}' a ${name} child of '${parent.name}' would create a cycle`);
    const edge = new Edge(parent, name, 'data', node, { permissions: 0, shared: Permission.All });
    node.parents.add(edge);
    try {
      changeAccess((transaction) => {
        transaction.set(edge, childAccess(parent, 'data', cumulativeAccess(parent.parents)));
      });
    } catch (error) {
      node.parents.delete(edge);
      throw error;
    }
    parent.children.set(name, edge);
    use(parent, driver);
  });
}

/**
 * Takes a child away. Its node closes where nobody else uses it; what fails then is only warned of, since a child that does not work any
 * more is what is taken away. Throws, with nothing changed, where there is none of this name, or it can't be spared.
 */
export async function removeChild(graph: BlockGraph, parent: BlockNode, name: string): Promise<void> {
  const edge = parent.children.get(name);
  if (edge === undefined) throw refused('not-found', `Node '${parent.name}' does not have child '${name}'`);
  if (parent.driver.changeableChildren === undefined) throw refused('unsupported', `The node ${parent.name} does not support removing a child`);
  graph.checkFree(edge.node);
  await graph.drained([parent, edge.node], () => {
    const driver = changeable(parent);
    if (parent.children.get(name) !== edge) throw refused('not-found', `Node '${parent.name}' does not have child '${name}'`);
    driver.checkRemovable(name);
    parent.children.delete(name);
    use(parent, driver);
    edge.node.parents.delete(edge);
    changeAccess((transaction) => {
      transaction.refresh(edge.node);
    });
  });
  await graph.collect(edge.node).catch((error: unknown) => {
    graph.host.warn(`Closing '${edge.node.name}', which was removed: ${messageOf(error)}`);
  });
}

/** The driver goes on with the children that are there now; opened again, it finds them. */
function use(parent: BlockNode, driver: ChangeableChildren): void {
  const { settings } = parent;
  const { opened } = settings;
  const options = { ...opened.options, ...driver.use([...parent.children.values()]) };
  parent.adopt(parent.driver, { ...settings, opened: { ...opened, options } });
}

function changeable(parent: BlockNode): ChangeableChildren {
  const { changeableChildren } = parent.driver;
  if (changeableChildren === undefined) throw refused('closed', `Node '${parent.name}' was closed`);
  return changeableChildren;
}

function refused(kind: BlockError['kind'], message: string): BlockError {
  return new BlockError(kind, message);
}
