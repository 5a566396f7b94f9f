/** The hold of a backend on the node that it stands on, or none where a device has no medium. */
import { Edge, type EdgeParent } from './edge.js';
import { BlockError } from './errors.js';
import { Permission, type Access } from './flags.js';
import type { BlockGraph } from './graph.js';
import type { BlockNode } from './node.js';
import { changeAccess } from './permissions.js';

export abstract class Attachment implements EdgeParent {
  #root: Edge | undefined;

  protected constructor(
    readonly graph: BlockGraph,
    readonly name: string,
    readonly description: string,
  ) {}

  /** The root node. Throws kind `no-medium` where there is none. */
  get root(): BlockNode {
    if (this.#root === undefined) throw new BlockError('no-medium', `Device '${this.name}' has no medium`);
    return this.#root.node;
  }
  get edge(): Edge | undefined {
    return this.#root;
  }
  get size(): number {
    return this.root.size;
  }
  get readOnly(): boolean {
    return this.#root === undefined || (this.#root.access.permissions & Permission.Write) === 0;
  }

  /** Takes a node to stand on. Throws kind `busy`, with nothing changed, where others object, or where there is one. */
  attach(node: BlockNode, access: Access): void {
    if (this.#root) throw new BlockError('busy', `${this.description} has a medium already`);
    const edge = new Edge(this, 'root', 'root', node, { permissions: 0, shared: Permission.All });
    node.parents.add(edge);
    try {
      changeAccess((transaction) => {
        transaction.set(edge, access);
      });
    } catch (error) {
      node.parents.delete(edge);
      throw error;
    }
    this.#root = edge;
  }

  /** Changes what this backend may do. Throws, with nothing changed, where others object. */
  setAccess(access: Access): void {
    const root = this.#root;
    if (root) {
      changeAccess((transaction) => {
        transaction.set(root, access);
      });
    }
  }

  /** Gives the hold up; part of detaching, when no request is under way. */
  protected letGo(root: Edge): void {
    this.#root = undefined;
    root.node.parents.delete(root);
    changeAccess((transaction) => {
      transaction.refresh(root.node);
    });
  }
}
