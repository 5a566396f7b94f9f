/** What is to be done about the clusters at the beginning of a write that can not be done in place at once. */
import { COPIED, EntryKind, hostOf, kindOf } from './l2-entry.js';
import { unitMask } from './link.js';
import type { Qcow2Image } from './qcow2-image.js';
import { ScannedRun, scanRun } from './scan.js';
import type { Table } from './table-cache.js';

export interface WritePlan {
  /** Write over it; fill what is kept of the clusters' host clusters; take new host clusters. */
  readonly action: 'in-place' | 'reuse' | 'allocate';
  /** Clusters, at most. */
  readonly count: number;
  /** Guest offset at which the plan ends, at most the end of the write. */
  readonly end: number;
  /** Host offset of the first cluster's beginning; for `allocate`, nothing. */
  readonly host: number;
  /** Bytes to be filled before the write with what the guest sees there. */
  readonly head: number;
  /** The same behind `end`. */
  readonly tail: number;
}

const scratch = new ScannedRun(true);

/** The plan for as much of the write `[at, end)` as is stored the same way; all of it lies in the range of `table`. */
export function planWrite(image: Qcow2Image, table: Table, at: number, end: number): WritePlan {
  return image.geometry.extended ? planSubclusters(image, table, at, end) : planClusters(image, table, at, end);
}

function planClusters(image: Qcow2Image, table: Table, at: number, end: number): WritePlan {
  const { clusterSize, l2Entries } = image.geometry;
  const cluster = Math.floor(at / clusterSize);
  const index = cluster % l2Entries;
  const max = Math.ceil(end / clusterSize) - cluster;
  const plan = (action: WritePlan['action'], count: number, host: number): WritePlan => {
    const whole = (cluster + count) * clusterSize;
    const planEnd = Math.min(end, whole);
    return { action, count, host, end: planEnd, head: at % clusterSize, tail: Math.ceil(planEnd / clusterSize) * clusterSize - planEnd };
  };
  scanRun(table, index, max, image.geometry, image.corruption, scratch);
  const { kind, copied, host } = scratch;
  if (kind === EntryKind.Data && copied) return plan('in-place', scratch.count, host);
  if (kind === EntryKind.ZeroAllocated && copied) return plan('reuse', scratch.count, host);
  let { count } = scratch;
  while (count < max) {
    scanRun(table, index + count, max - count, image.geometry, image.corruption, scratch);
    if (scratch.copied && (scratch.kind === EntryKind.Data || scratch.kind === EntryKind.ZeroAllocated)) break;
    count += scratch.count;
  }
  return plan('allocate', count, 0);
}

/** Which subclusters are written anew decides how much has to be filled around the write: to the edge of a subcluster. */
function planSubclusters(image: Qcow2Image, table: Table, at: number, end: number): WritePlan {
  const { geometry, corruption } = image;
  const { clusterSize, unitSize, l2Span } = geometry;
  const cluster = Math.floor(at / clusterSize);
  const index = cluster % geometry.l2Entries;
  const max = Math.ceil(end / clusterSize) - cluster;
  const base = table.index * l2Span;
  const first = Math.floor((at - base) / unitSize);
  scanRun(table, first, Math.ceil((end - base) / unitSize) - first, geometry, corruption, scratch);
  const { view } = table;
  const owned = hasOwnHost(image, table, index);
  const host = hostOf(view.getUint32(index * 16), view.getUint32(index * 16 + 4));
  if (scratch.kind === EntryKind.Data && scratch.copied) {
    const runEnd = Math.min(end, base + (first + scratch.count) * unitSize);
    return { action: 'in-place', count: Math.ceil(runEnd / clusterSize) - cluster, host, end: runEnd, head: 0, tail: 0 };
  }
  let count = 1;
  for (; count < max; count++) {
    // What is damaged is found here, before anything is written.
    scanRun(table, (index + count) * geometry.units, 1, geometry, corruption, scratch);
    if (hasOwnHost(image, table, index + count) !== owned) break;
    const next = (index + count) * 16;
    if (owned && hostOf(view.getUint32(next), view.getUint32(next + 4)) !== host + count * clusterSize) break;
  }
  const planEnd = Math.min(end, (cluster + count) * clusterSize);
  return {
    action: owned ? 'reuse' : 'allocate',
    count,
    host: owned ? host : 0,
    end: planEnd,
    head: headOf(image, table, index, owned, at % clusterSize),
    tail: tailOf(image, table, index + count - 1, owned, planEnd - (cluster + count - 1) * clusterSize),
  };
}

function hasOwnHost(image: Qcow2Image, table: Table, index: number): boolean {
  const high = table.view.getUint32(index * 16);
  const low = table.view.getUint32(index * 16 + 4);
  return kindOf(high, low, image.geometry) === EntryKind.Data && (high & COPIED) !== 0;
}

/** How far before byte `inCluster` of a cluster filling begins. */
function headOf(image: Qcow2Image, table: Table, index: number, owned: boolean, inCluster: number): number {
  const { unitSize } = image.geometry;
  const unit = Math.floor(inCluster / unitSize);
  const allocated = table.view.getUint32(index * 16 + 12);
  // Others may be writing to a subcluster that is there already.
  if (owned) return (allocated & unitMask(unit, unit + 1)) !== 0 ? 0 : inCluster % unitSize;
  if (isCompressed(image, table, index)) return inCluster;
  const lowest = allocated === 0 ? unit : 31 - Math.clz32(allocated & -allocated);
  return inCluster - Math.min(lowest, unit) * unitSize;
}

/** How far filling goes on behind byte `inCluster` of a cluster, where the write ends. */
function tailOf(image: Qcow2Image, table: Table, index: number, owned: boolean, inCluster: number): number {
  const { unitSize, clusterSize } = image.geometry;
  const unit = Math.floor((inCluster - 1) / unitSize);
  const allocated = table.view.getUint32(index * 16 + 12);
  if (owned) return (allocated & unitMask(unit, unit + 1)) !== 0 ? 0 : (unit + 1) * unitSize - inCluster;
  if (isCompressed(image, table, index)) return clusterSize - inCluster;
  const highest = allocated === 0 ? unit : 31 - Math.clz32(allocated);
  return (Math.max(highest, unit) + 1) * unitSize - inCluster;
}

function isCompressed(image: Qcow2Image, table: Table, index: number): boolean {
  return kindOf(table.view.getUint32(index * 16), table.view.getUint32(index * 16 + 4), image.geometry) === EntryKind.Compressed;
}
