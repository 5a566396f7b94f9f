/** Internal snapshots: what a driver offers that keeps some in its image, and how the graph asks for it. */
import { drained } from './drain.js';
import { BlockError } from './errors.js';
import type { BlockNode } from './node.js';

/** One snapshot inside an image, in the terms of the schema's `SnapshotInfo`. */
export interface SnapshotInfo {
  /** Unique in the image; chosen by the driver. */
  readonly id: string;
  /** Chosen by people; need not be unique. */
  readonly name: string;
  /** When it was taken: seconds since 1970, and nanoseconds besides. */
  readonly dateSec: number;
  readonly dateNsec: number;
  /** Time that the machine had run, in nanoseconds. */
  readonly vmClockNsec: bigint;
  /** Bytes of the machine's state; 0: none. */
  readonly vmStateSize: number;
  /** Instructions that the machine had run; absent where that was not recorded. */
  readonly icount?: bigint | undefined;
  /** Bytes of the disk then; absent: as many as it has now. */
  readonly diskSize?: number | undefined;
}

/** What is recorded of a new snapshot; the driver adds id and size. */
export type NewSnapshot = Pick<SnapshotInfo, 'name' | 'dateSec' | 'dateNsec'> &
  Partial<Pick<SnapshotInfo, 'vmClockNsec' | 'vmStateSize' | 'icount'>>;

/** The part of a `DriverNode` that keeps snapshots. All but `list` are called while the node is drained. */
export interface InternalSnapshots {
  /** In the order in which the image lists them. */
  readonly list: readonly SnapshotInfo[];
  /** Whether none can be taken or applied, because of what the image is otherwise; absent: they can. */
  readonly refused?: boolean;
  /** Keeps the present content. Throws with the image as it was where it can't. */
  create(request: NewSnapshot): Promise<SnapshotInfo>;
  /** Brings the content of a snapshot back, and the size of the disk with it. */
  apply(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  /** Read-only nodes: from now on the disk shows the content of a snapshot. */
  show(id: string): Promise<void>;
}

/** The first snapshot that has this id, this name, or both. */
export function findSnapshot(list: readonly SnapshotInfo[], wanted: { readonly id?: string; readonly name?: string }): SnapshotInfo | undefined {
  if (wanted.id === undefined && wanted.name === undefined) return undefined;
  return list.find(
    ({ id, name }) => (wanted.id === undefined || id === wanted.id) && (wanted.name === undefined || name === wanted.name),
  );
}

/** The snapshot with this id, else the first of this name. */
export function findByIdOrName(list: readonly SnapshotInfo[], text: string): SnapshotInfo | undefined {
  return findSnapshot(list, { id: text }) ?? findSnapshot(list, { name: text });
}

/** Takes a snapshot in a drained section. The caller holds `Permission.Write`. */
export function takeSnapshot(node: BlockNode, request: NewSnapshot): Promise<SnapshotInfo> {
  return drained([node], () => changeable(node).create(request));
}

/**
 * Goes back to a snapshot in a drained section. The caller holds `Permission.Write` and `Permission.Resize`. Throws kind
 * `busy` where the node has dirty bitmaps, which could not tell what changed.
 */
export function applySnapshot(node: BlockNode, id: string): Promise<void> {
  return drained([node], async () => {
    const snapshots = changeable(node);
    if (node.bitmaps.size > 0) throw new BlockError('busy', 'Device has active dirty bitmaps', { node: node.name });
    await snapshots.apply(id);
    node.resized();
  });
}

/** Deletes a snapshot in a drained section. The caller holds `Permission.Write`. */
export function deleteSnapshot(node: BlockNode, id: string): Promise<void> {
  return drained([node], () => changeable(node).remove(id));
}

/** Lets a read-only node show the content of a snapshot, for as long as it is open. */
export function showSnapshot(node: BlockNode, id: string): Promise<void> {
  return drained([node], async () => {
    const { snapshots } = node.driver;
    if (snapshots === undefined) {
      const message = `Block format '${node.driverName}' used by device '' does not support temporarily loading internal snapshots`;
      throw new BlockError('unsupported', message, { node: node.name });
    }
    if (!node.readOnly) throw new BlockError('invalid-argument', 'Device is not readonly', { node: node.name });
    await snapshots.show(id);
    node.resized();
  });
}

function changeable(node: BlockNode): InternalSnapshots {
  const { snapshots } = node.driver;
  if (snapshots === undefined) {
    throw new BlockError('unsupported', 'Block driver does not support snapshots', { node: node.name, driver: node.driverName });
  }
  if (node.readOnly) throw new BlockError('read-only', `Block node '${node.name}' is read-only`, { node: node.name });
  return snapshots;
}
