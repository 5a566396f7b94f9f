/**
 * Rebuilding refcounts: every reference in the image is counted, the counts on disk and the marks "has one reference" are
 * made to agree. This is how an image with lazy refcounts comes back after it was not closed.
 */
import { isPromise, type ImagePolicy } from '@blk/core-graph';
import { qcow2Error } from './errors.js';
import { Incompatible } from './features.js';
import { COPIED, EntryKind, hostOf, kindOf } from './l2-entry.js';
import type { Qcow2Image } from './qcow2-image.js';
import { getRefcount } from './refcount-codec.js';
import { countReferences, type ReferenceCounts } from './reference-counts.js';
import type { SnapshotTable } from './snapshot-table.js';

/** Puts the refcounts of a dirty image right and clears the dirty bit. Throws kind `corrupt` where tables are damaged. */
export async function rebuildRefcounts(image: Qcow2Image, snapshots: SnapshotTable, policy: ImagePolicy): Promise<void> {
  const counts = await countReferences(image, snapshots, policy);
  placeMissingBlocks(image, counts);
  await writeCounts(image, counts);
  await fixMarks(image, counts);
  await image.flusher.flushFully();
  await image.reclaim.idle();
  await image.flusher.flushFully();
  await image.header.update({ incompatible: image.header.current.incompatible & ~Incompatible.Dirty });
  await image.file.flush();
}

/** Blocks for used clusters that none counts yet, and room for them in the table; all behind the end of the file. */
function placeMissingBlocks(image: Qcow2Image, counts: ReferenceCounts): void {
  const { refcounts, geometry } = image;
  const { blockEntries, clusterSize } = geometry;
  const start = counts.length;
  const missing = new Set<number>();
  const need = (cluster: number): void => {
    const index = Math.floor(cluster / blockEntries);
    if (index >= refcounts.table.length || refcounts.table[index] === 0) missing.add(index);
  };
  for (let cluster = 0; cluster < start; cluster++) if (counts.get(cluster) > 0) need(cluster);
  let tableClusters = 0;
  for (let before = -1; before !== missing.size + tableClusters; ) {
    before = missing.size + tableClusters;
    for (let cluster = start; cluster < start + before; cluster++) need(cluster);
    const highest = Math.max(-1, ...missing);
    if (highest >= refcounts.table.length) tableClusters = Math.ceil(((highest + 1) * 8) / clusterSize);
  }
  let next = start;
  if (tableClusters > 0) {
    refcounts.moveTable(next, tableClusters);
    for (; next < start + tableClusters; next++) counts.add(next);
  }
  for (const index of [...missing].sort((a, b) => a - b)) {
    counts.add(next);
    refcounts.placeBlock(index, next++);
  }
}

async function writeCounts(image: Qcow2Image, counts: ReferenceCounts): Promise<void> {
  const { refcounts, geometry } = image;
  const { blockEntries, refcountOrder } = geometry;
  for (let index = 0; index < refcounts.table.length; index++) {
    if (refcounts.table[index] === 0) continue;
    let block = refcounts.block(index);
    while (isPromise(block)) {
      await block;
      block = refcounts.block(index);
    }
    for (let at = 0; at < blockEntries; at++) {
      const count = counts.get(index * blockEntries + at);
      if (count > refcounts.max) {
        throw qcow2Error({ what: 'dirty', text: `cluster ${index * blockEntries + at} has ${count} references, more than its refcount holds` });
      }
      if (getRefcount(block.view, refcountOrder, at) !== count) refcounts.put(block, at, count);
    }
  }
  refcounts.firstFree = 0;
}

async function fixMarks(image: Qcow2Image, counts: ReferenceCounts): Promise<void> {
  const { l2, geometry } = image;
  const { clusterSize, l2Entries } = geometry;
  for (let l1Index = 0; l1Index < l2.l1.length; l1Index++) {
    const offset = l2.l1.offsets[l1Index];
    if (offset === 0) continue;
    const alone = counts.get(offset / clusterSize) === 1;
    if ((l2.l1.copied[l1Index] === 1) !== alone) l2.l1.set(l1Index, offset, alone);
    let table = l2.load(l1Index);
    while (isPromise(table)) {
      await table;
      table = l2.load(l1Index);
    }
    table.writable = alone;
    for (let at = 0; at < l2Entries; at++) {
      const high = table.view.getUint32(at * 8);
      const low = table.view.getUint32(at * 8 + 4);
      const kind = kindOf(high, low);
      if (kind !== EntryKind.Data && kind !== EntryKind.ZeroAllocated) continue;
      const marked = high >>> 31 === 1;
      if (marked === (counts.get(hostOf(high, low) / clusterSize) === 1)) continue;
      table.view.setUint32(at * 8, (high ^ COPIED) >>> 0);
      l2.cache.mark(table, at * 8, at * 8 + 8);
    }
    const relief = image.flusher.relieve();
    if (relief !== undefined) await relief;
  }
}
