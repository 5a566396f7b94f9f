/** Changing entries of L2 tables, and giving back what they referred to. */
import { isPromise } from '@blk/core-graph';
import { COPIED, compressedRange, EntryKind, hostOf, kindOf, ZERO } from './l2-entry.js';
import { hex } from './corruption.js';
import { HIGH } from './format.js';
import type { Qcow2Image } from './qcow2-image.js';
import type { FreeCause } from './reclaim.js';
import type { Table } from './table-cache.js';

/** All subclusters of a cluster. */
export const ALL_UNITS = 0xffff_ffff;

/**
 * The table of `l1Index` for changing clusters `[first, end)`, or something to wait for before asking again. A table is good
 * until the caller next waits: then others may allocate the clusters, and the cache may drop it.
 */
export function changeableTable(image: Qcow2Image, l1Index: number, first: number, end: number): Table | Promise<unknown> {
  const table = image.l2.writable(l1Index);
  return isPromise(table) ? table : (image.locks.conflict(first, end) ?? table);
}

/**
 * Replaces an entry; the reference of the old one to host clusters is given back, unless it stays the same. `zeroes` and
 * `allocated` are the bitmaps of an extended entry.
 */
export function setEntry(
  image: Qcow2Image,
  table: Table,
  index: number,
  high: number,
  low: number,
  cause: FreeCause = 'other',
  zeroes = 0,
  allocated = 0,
): void {
  const { view } = table;
  const { geometry } = image;
  const at = index * geometry.entryBytes;
  const oldHigh = view.getUint32(at);
  const oldLow = view.getUint32(at + 4);
  const oldKind = kindOf(oldHigh, oldLow, geometry);
  if (oldKind === EntryKind.Compressed) {
    const { offset, length } = compressedRange(oldHigh, oldLow, geometry);
    const { cluster, count } = image.compressedSpace.span(offset, length);
    image.compressed.forget(offset);
    image.reclaim.free(cluster, count, cause);
  } else if ((oldKind === EntryKind.Data || oldKind === EntryKind.ZeroAllocated) && !geometry.external) {
    const host = hostOf(oldHigh, oldLow);
    const stays = host === hostOf(high, low) && kindOf(high, low, geometry) !== EntryKind.Compressed;
    if (!stays) giveUp(image, host, cause);
  }
  view.setUint32(at, high);
  view.setUint32(at + 4, low);
  if (geometry.extended) {
    view.setUint32(at + 8, zeroes);
    view.setUint32(at + 12, allocated);
  }
  image.l2.cache.mark(table, at, at + geometry.entryBytes);
}

/** A cluster that is not where one can be is left alone. */
function giveUp(image: Qcow2Image, host: number, cause: FreeCause): void {
  const { clusterSize } = image.geometry;
  if (host % clusterSize === 0) image.reclaim.free(host / clusterSize, 1, cause);
  else image.corruption.note(`Cannot free unaligned cluster ${hex(host)}`, host, clusterSize);
}

/**
 * Lets `count` entries from `index` refer to host clusters from `host` on, which have one reference each. `zero`: they are to
 * read as zeroes whatever they hold. Of extended entries no subcluster counts as allocated thereby: what lies below stays in sight.
 */
export function linkClusters(image: Qcow2Image, table: Table, index: number, count: number, host: number, zero = false): void {
  const { clusterSize, extended } = image.geometry;
  const mark = zero && !extended ? ZERO : 0;
  for (let at = 0; at < count; at++) {
    const here = host + at * clusterSize;
    setEntry(image, table, index + at, (COPIED | Math.floor(here / HIGH)) >>> 0, (here | mark) >>> 0);
  }
  image.flusher.linked();
}

/**
 * Links host clusters in which `[from, to)` of the guest's bytes was written: of extended entries, these subclusters are
 * allocated, and the others stay what they were. `index` is the entry of the cluster that `from` lies in.
 */
export function linkData(image: Qcow2Image, table: Table, index: number, count: number, host: number, from: number, to: number): void {
  const { geometry } = image;
  const { clusterSize, unitSize } = geometry;
  if (!geometry.extended) {
    linkClusters(image, table, index, count, host);
    return;
  }
  const base = Math.floor(from / clusterSize) * clusterSize;
  for (let at = 0; at < count; at++) {
    const here = host + at * clusterSize;
    const guest = base + at * clusterSize;
    const first = Math.max(0, Math.floor((from - guest) / unitSize));
    const end = Math.min(geometry.units, Math.ceil((to - guest) / unitSize));
    const written = unitMask(first, end);
    const entry = (index + at) * 16;
    const high = table.view.getUint32(entry);
    const low = table.view.getUint32(entry + 4);
    const packed = kindOf(high, low, geometry) === EntryKind.Compressed;
    const stays = !packed && kindOf(high, low, geometry) === EntryKind.Data && hostOf(high, low) === here;
    const zeroes = packed ? 0 : table.view.getUint32(entry + 8) & ~written;
    const allocated = stays ? table.view.getUint32(entry + 12) | written : written;
    setEntry(image, table, index + at, (COPIED | Math.floor(here / HIGH)) >>> 0, here >>> 0, 'other', zeroes >>> 0, allocated >>> 0);
  }
  image.flusher.linked();
}

/** Bits of subclusters `[first, end)`. */
export function unitMask(first: number, end: number): number {
  const upTo = end >= 32 ? ALL_UNITS : 2 ** end - 1;
  return (upTo & ~(2 ** first - 1)) >>> 0;
}
