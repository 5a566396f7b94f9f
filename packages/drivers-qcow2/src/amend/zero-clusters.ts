/** Version 2 has no mark for zeroes: clusters that have it are written out, or forgotten where nothing lies below. */
import { isPromise, type Completion } from '@blk/core-graph';
import { settle } from '../close-image.js';
import { writeData } from '../data-access.js';
import { putU64, viewOf } from '../format.js';
import { EntryKind, kindOf } from '../l2-entry.js';
import { L1Table } from '../l1-table.js';
import type { Qcow2Image } from '../qcow2-image.js';
import { writeAll } from '../write.js';
import { forgetClusters } from '../zero.js';

/** Takes the marks out of the disk and of all snapshots. What is freed in tables of snapshots is left leaked, for a check to find. */
export async function expandZeroClusters(image: Qcow2Image, pause: () => Completion): Promise<void> {
  await expandDisk(image, pause);
  await settle(image);
  await expandSnapshots(image, pause);
}

async function expandDisk(image: Qcow2Image, pause: () => Completion): Promise<void> {
  const { l2Entries, clusterSize } = image.geometry;
  const zeroes = new Uint8Array(clusterSize);
  for (let l1Index = 0; l1Index < image.l2.l1.length; l1Index++) {
    for (let at = 0; at < l2Entries && image.l2.exists(l1Index); at++) {
      let table = image.l2.load(l1Index);
      while (isPromise(table)) {
        await table;
        table = image.l2.load(l1Index);
      }
      const high = table.view.getUint32(at * 8);
      const kind = kindOf(high, table.view.getUint32(at * 8 + 4), image.geometry);
      if (kind !== EntryKind.Zero && kind !== EntryKind.ZeroAllocated) continue;
      const cluster = l1Index * l2Entries + at;
      const offset = cluster * clusterSize;
      const owned = kind === EntryKind.ZeroAllocated && high >>> 31 === 1;
      if (offset >= image.size || (!owned && image.readsZero(offset))) await forgetClusters(image, cluster, cluster + 1);
      else await writeAll(image, offset, zeroes, 0, clusterSize);
      const paused = pause();
      if (paused !== undefined) await paused;
    }
  }
}

/** Tables of snapshots are changed in place: what they mean stays the same for everybody who shares them. */
async function expandSnapshots(image: Qcow2Image, pause: () => Completion): Promise<void> {
  const { file, geometry, snapshots } = image;
  const { clusterSize, l2Span } = geometry;
  const seen = new Set<number>();
  const bytes = new Uint8Array(clusterSize);
  for (const { offset, entries } of snapshots.l1Tables) {
    const l1 = new Uint8Array(entries * 8);
    if (entries > 0) await whole(file.read(offset, l1, 0, l1.length));
    const { offsets } = L1Table.decode(l1, entries, offset);
    for (let index = 0; index < entries; index++) {
      const l2Offset = offsets[index];
      if (l2Offset === 0 || seen.has(l2Offset)) continue;
      seen.add(l2Offset);
      await whole(file.read(l2Offset, bytes, 0, clusterSize));
      if (await expandTable(image, bytes, l2Offset, index * l2Span)) {
        // The new clusters and their counts are there before the table refers to them.
        await settle(image);
        await whole(file.write(l2Offset, bytes, 0, clusterSize));
        await whole(file.flush());
      }
      const paused = pause();
      if (paused !== undefined) await paused;
    }
  }
}

/** Changes a table in memory; true where there was something to change. */
async function expandTable(image: Qcow2Image, bytes: Uint8Array, l2Offset: number, guestOffset: number): Promise<boolean> {
  const { clusterSize } = image.geometry;
  const view = viewOf(bytes);
  const sharers = await image.refcounts.get(l2Offset / clusterSize);
  let changed = false;
  for (let at = 0; at < bytes.length; at += 8) {
    const kind = kindOf(view.getUint32(at), view.getUint32(at + 4), image.geometry);
    if (kind !== EntryKind.Zero && kind !== EntryKind.ZeroAllocated) continue;
    changed = true;
    const offset = guestOffset + (at / 8) * clusterSize;
    if (image.readsZero(offset)) {
      putU64(view, at, 0);
      continue;
    }
    const { cluster } = await image.allocator.allocate(1);
    await whole(writeData(image, cluster * clusterSize, offset, new Uint8Array(clusterSize), 0, clusterSize));
    for (let more = 1; more < sharers; more++) await image.refcounts.change(cluster, 1, 1);
    putU64(view, at, cluster * clusterSize);
  }
  return changed;
}

/** Nothing here is worth the rule against turns of the loop: every step waits for the disk. */
function whole(done: Completion): Promise<void> {
  return Promise.resolve(done);
}
