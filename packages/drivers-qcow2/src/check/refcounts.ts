/** Refcounts against references: the structures that hold the counts, then count by count. */
import { isPromise } from '@blk/core-graph';
import type { CountsOnDisk } from './counts-on-disk.js';
import { hex, type CheckRun } from './run.js';

/** What a look at the refcounts came to. */
export interface RefcountState {
  /** Table or blocks are damaged: only new ones help. */
  damaged: boolean;
  /** They can be used, but something else lies in the table's place as well, or a part of it is not there. */
  unsafe: boolean;
  /** Clusters in which they lie, as often as they were counted for it. */
  readonly clusters: number[];
  /** A cluster in use is counted as free: the reference tool makes new tables then. */
  inUseAsFree: boolean;
  /** Defects that new tables put right. */
  structural: number;
  corruptions: number;
  leaks: number;
}

/** Counts the refcount table and its blocks, and judges them. */
export function checkStructures(run: CheckRun, disk: CountsOnDisk): RefcountState {
  const { clusterSize } = run.geometry;
  const { refcountTableOffset, refcountTableClusters } = run.header.current;
  const state: RefcountState = { damaged: false, unsafe: false, clusters: [], inUseAsFree: false, structural: 0, corruptions: 0, leaks: 0 };
  const before = run.result.corruptions;
  const tableBytes = refcountTableClusters * clusterSize;
  run.metadata(refcountTableOffset, tableBytes, state.clusters, 'counts');
  state.unsafe = tableBytes === 0 || state.clusters.length < refcountTableClusters || state.clusters.some((cluster) => run.references.get(cluster) !== 1);
  for (let index = 0; index < disk.entries; index++) {
    const { offset, reserved } = disk.entry(index);
    if (reserved) {
      run.corrupt(`refcount table entry ${index} has reserved bits set`);
      state.damaged = true;
    } else if (offset === 0) {
      continue;
    } else if (offset % clusterSize !== 0) {
      run.corrupt(`refcount block ${index} is not cluster aligned; refcount table entry corrupted`);
      state.damaged = true;
    } else if (offset >= run.fileClusters * clusterSize) {
      const text = `refcount block ${index} is outside image`;
      // There is nothing in it: the entry is left out of the tables to come.
      if (run.fixErrors) run.repaired(text);
      else run.corrupt(text);
      if (run.fixErrors) state.damaged = true;
    } else {
      const known = state.clusters.length;
      run.metadata(offset, clusterSize, state.clusters, 'counts');
      const count = run.references.get(offset / clusterSize);
      // Where one more reference could not be counted something else lies there, which counts must not be written over.
      if (state.clusters.length === known) state.damaged = true;
      if (count === 1) continue;
      run.corrupt(`refcount block ${index} refcount=${count}`);
      state.damaged = true;
    }
  }
  state.structural = run.result.corruptions - before;
  return state;
}

/** What `compareCounts` may change. */
export interface CountFixes {
  readonly leaks: boolean;
  readonly errors: boolean;
}

/** Compares every count with the references. With `fixes`, those of that kind are set right on disk, and told as such. */
export async function compareCounts(run: CheckRun, disk: CountsOnDisk, state: RefcountState, fixes: CountFixes): Promise<void> {
  const { references, result, geometry } = run;
  let highest = 0;
  state.corruptions = 0;
  state.leaks = 0;
  for (let cluster = 0; cluster < references.length; cluster++) {
    if (cluster % 65536 === 0) {
      run.reached(Infinity, cluster * geometry.clusterSize);
      const pause = run.pause();
      if (pause !== undefined) await pause;
    }
    const found = disk.get(cluster);
    const count = isPromise(found) ? await found : found;
    if (count === undefined) {
      if (result.checkErrors === 0 && !run.fixLeaks) tellUnreadable(run, disk, cluster);
      run.say(`Can't get refcount for cluster ${cluster}: Input/output error`);
      result.checkErrors++;
      continue;
    }
    const expected = references.get(cluster);
    if (count > 0 || expected > 0) highest = cluster;
    if (count === expected) continue;
    const isLeak = count > expected;
    if (count === 0) state.inUseAsFree = true;
    const fixed = isLeak ? fixes.leaks && !run.doubtful.has(cluster) : fixes.errors;
    run.say(`${fixed ? 'Repairing' : isLeak ? 'Leaked' : 'ERROR'} cluster ${cluster} refcount=${count} reference=${expected}`);
    if (!fixed) {
      if (isLeak) state.leaks++;
      else state.corruptions++;
      continue;
    }
    await disk.set(cluster, expected);
    if (isLeak) result.leaksFixed++;
    else result.corruptionsFixed++;
  }
  run.reached(Infinity, Infinity);
  result.imageEndOffset = (highest + 1) * geometry.clusterSize;
}

/** What the reference tool says of the first block that it can't use. */
function tellUnreadable(run: CheckRun, disk: CountsOnDisk, cluster: number): void {
  const { blockEntries, clusterSize } = run.geometry;
  const index = Math.floor(cluster / blockEntries);
  const { offset } = disk.entry(index);
  if (offset % clusterSize === 0) return;
  const text = `Refblock offset 0x${hex(offset)} unaligned (reftable index: ${index === 0 ? '0' : `0x${hex(index)}`})`;
  run.say(`qcow2: Image is corrupt: ${text}; further non-fatal corruption events will be suppressed`);
}
