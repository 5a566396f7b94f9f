/** Which uses of a node go together: every parent says what it does and what it lets others do. */
import { BlockError } from './errors.js';
import type { ChildRole } from './driver-context.js';
import type { DriverNode, PreparedAccess } from './driver-node.js';
import type { Edge } from './edge.js';
import { PERMISSION_NAMES, Permission, type Access } from './flags.js';
import type { BlockNode } from './node.js';

/** What all parents together do with a node, and what every one of them lets others do. */
export function cumulativeAccess(edges: Iterable<Edge>): Access {
  let permissions = 0;
  let shared: number = Permission.All;
  for (const edge of edges) {
    permissions |= edge.access.permissions;
    shared &= edge.access.shared;
  }
  return { permissions, shared };
}

/** What a node needs of a child, from what its own parents want of it. */
export function childAccess(node: BlockNode, role: ChildRole, own: Access): Access {
  if (node.forceShare && role !== 'filtered') {
    return { permissions: role === 'backing' ? own.permissions & Permission.ConsistentRead : 0, shared: Permission.All };
  }
  switch (role) {
    case 'filtered':
      return { permissions: own.permissions | childPermissions(node), shared: own.shared | Permission.WriteUnchanged };
    case 'backing':
      return {
        permissions: own.permissions & Permission.ConsistentRead,
        // Whoever cannot bear changes of the content below cannot bear them in the backing file either.
        shared: Permission.ConsistentRead | Permission.WriteUnchanged,
      };
    case 'storage':
    case 'data': {
      const write = node.readOnly ? 0 : Permission.Write | Permission.Resize;
      return {
        permissions: Permission.ConsistentRead | write,
        shared: Permission.ConsistentRead | Permission.WriteUnchanged,
      };
    }
  }
}

/**
 * A change of holds that is made whole or not at all: every `set` is checked against the other parents, and handed down to
 * the children and to the drivers, which lock files. Throws with nothing changed after `abort`.
 */
export class AccessTransaction {
  readonly #before = new Map<Edge, Access>();
  readonly #prepared: PreparedAccess[] = [];

  /** Gives `edge` another access, and its node's children what follows from it. */
  set(edge: Edge, access: Access): void {
    if (!this.#before.has(edge)) this.#before.set(edge, edge.access);
    checkConflicts(edge.node, edge, access);
    edge.access = access;
    this.refresh(edge.node);
  }

  /** Recomputes what `node` needs, after its parents changed. */
  refresh(node: BlockNode): void {
    const own = cumulativeAccess(node.parents);
    const prepared = node.driver.prepareAccess?.(own);
    if (prepared) this.#prepared.push(prepared);
    for (const child of node.children.values()) {
      const access = accessOfChild(node, child, own);
      if (access.permissions !== child.access.permissions || access.shared !== child.access.shared) this.set(child, access);
    }
  }

  commit(): void {
    for (const prepared of this.#prepared) prepared.commit();
  }

  abort(): void {
    for (const prepared of this.#prepared.reverse()) prepared.abort();
    for (const [edge, access] of this.#before) edge.access = access;
  }
}

/** Runs `change` in an access transaction of its own. */
export function changeAccess(change: (transaction: AccessTransaction) => void): void {
  const transaction = new AccessTransaction();
  try {
    change(transaction);
  } catch (error) {
    transaction.abort();
    throw error;
  }
  transaction.commit();
}

/** What the node's driver needs of its child for itself; nothing as long as it is being opened. */
function childPermissions(node: BlockNode): number {
  const driver = node.driver as DriverNode | undefined;
  return driver?.childPermissions ?? 0;
}

/** As `childAccess`, for an edge that is there. */
export function accessOfChild(node: BlockNode, child: Edge, own: Access): Access {
  const access = childAccess(node, child.role as ChildRole, own);
  return child.lenient ? { ...access, shared: Permission.All } : access;
}

/** Throws kind `busy` where `candidate` on `node` does not go with the other parents' holds. */
function checkConflicts(node: BlockNode, candidate: Edge, access: Access): void {
  if ((access.permissions & (Permission.Write | Permission.Resize)) !== 0 && node.readOnly) {
    throw new BlockError('read-only', `Block node is read-only`, { node: node.name });
  }
  for (const other of node.parents) {
    if (other === candidate) continue;
    const blockedByUs = other.access.permissions & ~access.shared;
    if (blockedByUs !== 0) throw conflict(node, other, candidate, blockedByUs);
    const blockedByOther = access.permissions & ~other.access.shared;
    if (blockedByOther !== 0) throw conflict(node, candidate, other, blockedByOther);
  }
}

/** What `user` does and `objector` does not share, in QEMU's words. */
function conflict(node: BlockNode, user: Edge, objector: Edge, permissions: number): BlockError {
  return new BlockError(
    'busy',
    `Permission conflict on node '${node.name}': permissions '${names(permissions)}' are both required by ${use(node, user)}` +
      ` and unshared by ${use(node, objector)}.`,
    { node: node.name },
  );
}

function use(node: BlockNode, edge: Edge): string {
  return `${edge.parent.description} (uses node '${node.name}' as '${edge.name}' child)`;
}

function names(bits: number): string {
  return PERMISSION_NAMES.filter((_, bit) => (bits & (1 << bit)) !== 0).join(', ');
}
