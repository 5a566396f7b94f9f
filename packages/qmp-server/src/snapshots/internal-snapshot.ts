/** Snapshots inside an image: taken as part of a transaction, and deleted. */
import { Backend, deleteSnapshot, errnoNumber, errnoOf, findSnapshot, messageOf, strerror, takeSnapshot, type BlockGraph, type BlockNode } from '@blk/core-graph';
import type { BlockdevSnapshotInternal, SnapshotInfo } from '@blk/qapi-types';
import { genericError } from '../errors.js';
import { findRoot } from '../lookup.js';
import { snapshotInfo } from '../info/image-info.js';
import type { TransactionAction } from '../transaction/action.js';

export function internalSnapshot(graph: BlockGraph, { device, name }: BlockdevSnapshotInternal): TransactionAction {
  let node: BlockNode | undefined;
  let taken: string | undefined;
  return {
    async prepare() {
      node = findRoot(graph, device);
      graph.checkFree(node);
      const { driverName, driver, readOnly } = node;
      if (readOnly) throw genericError(`Device '${device}' is read only`);
      if (driver.snapshots === undefined || driver.snapshots.refused === true) {
        throw genericError(`Block format '${driverName}' used by device '${device}' does not support internal snapshots`);
      }
      if (name === '') throw genericError('Name is empty');
      if (findSnapshot(driver.snapshots.list, { name }) !== undefined) {
        throw genericError(`Snapshot with name '${name}' already exists on device '${device}'`);
      }
    },
    quiet: () => [node as BlockNode],
    async apply() {
      const now = Date.now();
      const dateSec = Math.floor(now / 1000);
      const image = node as BlockNode;
      try {
        const request = { name, dateSec, dateNsec: Math.floor((now - dateSec * 1000) * 1_000_000), vmClockNsec: 0n };
        taken = (await writing(graph, image, () => takeSnapshot(image, request))).id;
      } catch (error) {
        const code = errnoOf(error);
        throw genericError(`Failed to create snapshot '${name}' on device '${device}': ${strerror(code)}`, error);
      }
    },
    async abort() {
      const image = node as BlockNode;
      const id = taken;
      if (id === undefined) return;
      await writing(graph, image, () => deleteSnapshot(image, id)).catch((error: unknown) => {
        graph.host.warn(`Failed to delete snapshot '${name}' on device '${device}' in abort: ${messageOf(error)} (${errnoNumber(errnoOf(error))})`);
      });
    },
  };
}

/** Deletes the snapshot that id, name or both mean. */
export async function deleteInternal(
  graph: BlockGraph,
  { device, id, name }: { readonly device: string; readonly id?: string | undefined; readonly name?: string | undefined },
): Promise<SnapshotInfo> {
  const node = findRoot(graph, device);
  graph.checkFree(node);
  if (id === undefined && name === undefined) throw genericError('Name or id must be provided');
  const { snapshots } = node.driver;
  if (snapshots === undefined) {
    throw genericError(`Failed to get a snapshot list: ${strerror('ENOTSUP')}`);
  }
  const found = findSnapshot(snapshots.list, { ...(id === undefined ? {} : { id }), ...(name === undefined ? {} : { name }) });
  if (found === undefined) {
    throw genericError(`Snapshot with id '${id ?? 'null'}' and name '${name ?? 'null'}' does not exist on device '${device}'`);
  }
  await writing(graph, node, () => deleteSnapshot(node, found.id));
  return snapshotInfo(found);
}

/** Runs `change` with a hold on the node that writes. */
async function writing<T>(graph: BlockGraph, node: BlockNode, change: () => Promise<T>): Promise<T> {
  const holder = Backend.over(graph, node, { description: 'internal snapshot', writable: true });
  try {
    return await change();
  } finally {
    await holder.detach();
  }
}
