/** Changing entries of L2 tables, and giving back what they referred to. */
import { isPromise } from '@blk/core-graph';
import { COPIED, compressedRange, EntryKind, hostOf, kindOf } from './l2-entry.js';
import { hex } from './corruption.js';
import { HIGH } from './format.js';
import type { Qcow2Image } from './qcow2-image.js';
import type { FreeCause } from './reclaim.js';
import type { Table } from './table-cache.js';

/**
 * The table of `l1Index` for changing clusters `[first, end)`, or something to wait for before asking again. A table is good
 * until the caller next waits: then others may allocate the clusters, and the cache may drop it.
 */
export function changeableTable(image: Qcow2Image, l1Index: number, first: number, end: number): Table | Promise<unknown> {
  const table = image.l2.writable(l1Index);
  return isPromise(table) ? table : (image.locks.conflict(first, end) ?? table);
}

/** Replaces an entry; the reference of the old one to host clusters is given back, unless it stays the same. */
export function setEntry(image: Qcow2Image, table: Table, index: number, high: number, low: number, cause: FreeCause = 'other'): void {
  const { view } = table;
  const oldHigh = view.getUint32(index * 8);
  const oldLow = view.getUint32(index * 8 + 4);
  const kept = hostOf(high, low);
  const oldKind = kindOf(oldHigh, oldLow);
  if (oldKind === EntryKind.Compressed) {
    const { offset, length } = compressedRange(oldHigh, oldLow, image.geometry);
    const { cluster, count } = image.compressedSpace.span(offset, length);
    image.compressed.forget(offset);
    image.reclaim.free(cluster, count, cause);
  } else if (oldKind === EntryKind.Data || oldKind === EntryKind.ZeroAllocated) {
    const host = hostOf(oldHigh, oldLow);
    const stays = host === kept && kindOf(high, low) !== EntryKind.Compressed;
    if (!stays) giveUp(image, host, cause);
  }
  view.setUint32(index * 8, high);
  view.setUint32(index * 8 + 4, low);
  image.l2.cache.mark(table, index * 8, index * 8 + 8);
}

/** A cluster that is not where one can be is left alone. */
function giveUp(image: Qcow2Image, host: number, cause: FreeCause): void {
  const { clusterSize } = image.geometry;
  if (host % clusterSize === 0) image.reclaim.free(host / clusterSize, 1, cause);
  else image.corruption.note(`Cannot free unaligned cluster ${hex(host)}`, host, clusterSize);
}

/**
 * Lets `count` entries from `index` refer to host clusters from `host` on, which have one reference each. `mark`: `ZERO` where they are to
 * read as zeroes whatever they hold.
 */
export function linkData(image: Qcow2Image, table: Table, index: number, count: number, host: number, mark = 0): void {
  const { clusterSize } = image.geometry;
  for (let at = 0; at < count; at++) {
    const here = host + at * clusterSize;
    setEntry(image, table, index + at, (COPIED | Math.floor(here / HIGH)) >>> 0, (here | mark) >>> 0);
  }
  image.flusher.linked();
}
