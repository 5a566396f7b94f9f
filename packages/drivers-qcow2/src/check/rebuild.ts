/**
 * New refcount structures behind everything that the file holds. Nothing that is in force is written over: the header names the new
 * table when all of it is on stable storage, and a crash before that leaves the image as it was.
 */
import { BlockError } from '@blk/core-graph';
import { geometryOf, MAX_REFCOUNT_TABLE_BYTES, putU64, viewOf, type Geometry } from '../format.js';
import { setRefcount } from '../refcount-codec.js';
import { noSpace } from '../reserve.js';
import type { CountsOnDisk } from './counts-on-disk.js';
import type { ReferenceMap } from './reference-map.js';
import type { CheckRun } from './run.js';

/** Whether every cluster in use has a block to be counted in. */
export function hasAllBlocks(run: CheckRun, disk: CountsOnDisk): boolean {
  return usedBlocks(run.references, run.geometry.blockEntries).every((index) => disk.entry(index).offset !== 0);
}

/**
 * Writes table and blocks for the references that were counted, with counts of 2^`refcountOrder` bits. `old` are the clusters of the present
 * ones, which are free afterwards; it holds those of the new ones then.
 */
export async function rebuildStructures(
  run: CheckRun,
  old: number[],
  refcountOrder = run.geometry.refcountOrder,
  progress?: (done: number, total: number) => void,
): Promise<void> {
  const { references, file } = run;
  const { version, clusterBits } = run.geometry;
  const geometry = geometryOf(version, clusterBits, refcountOrder, run.header.current.incompatible);
  const { clusterSize, blockEntries } = geometry;
  const before = new Map(old.map((cluster) => [cluster, references.get(cluster)]));
  for (const cluster of old) references.remove(cluster);
  const start = Math.max(references.length, run.fileClusters);
  const { indexes, tableClusters } = plan(references, geometry, start);
  const end = start + indexes.length + tableClusters;
  if (tableClusters * clusterSize > MAX_REFCOUNT_TABLE_BYTES) {
    throw new BlockError('too-large', 'Reference count table too large', { driver: 'qcow2' });
  }
  if (file.node.driver.growable !== true && end * clusterSize > file.size) throw noSpace(file);
  const table = new Uint8Array(tableClusters * clusterSize);
  for (const [at, index] of indexes.entries()) {
    const bytes = new Uint8Array(clusterSize);
    const view = viewOf(bytes);
    const first = index * blockEntries;
    for (let entry = 0; entry < blockEntries; entry++) {
      const cluster = first + entry;
      const count = cluster >= start ? Number(cluster < end) : references.get(cluster);
      if (count > 0) setRefcount(view, refcountOrder, entry, count);
    }
    const offset = (start + at) * clusterSize;
    putU64(viewOf(table), index * 8, offset);
    await run.write(offset, bytes);
    progress?.(at + 1, indexes.length);
    const pause = run.pause();
    if (pause !== undefined) await pause;
  }
  const tableOffset = (start + indexes.length) * clusterSize;
  await run.write(tableOffset, table);
  await run.flush();
  await run.header.update({ geometry, refcountTableOffset: tableOffset, refcountTableClusters: tableClusters });
  await run.flush();
  run.countsMoved();
  for (const [cluster, count] of [...before].sort(([a], [b]) => a - b)) {
    run.say(`Repairing cluster ${cluster} refcount=${count} reference=${references.get(cluster)}`);
  }
  old.length = 0;
  for (let cluster = start; cluster < end; cluster++) {
    references.add(cluster);
    old.push(cluster);
  }
}

/** Blocks that are needed to count everything, themselves and their table included, which come from cluster `start` on. */
function plan(
  references: ReferenceMap,
  { blockEntries, clusterSize }: Geometry,
  start: number,
): { readonly indexes: readonly number[]; readonly tableClusters: number } {
  const indexes = new Set(usedBlocks(references, blockEntries));
  let tableClusters = 1;
  for (let before = -1; before !== indexes.size + tableClusters; ) {
    before = indexes.size + tableClusters;
    for (let index = Math.floor(start / blockEntries); index * blockEntries < start + before; index++) indexes.add(index);
    tableClusters = Math.ceil((Math.floor((start + before - 1) / blockEntries + 1) * 8) / clusterSize);
  }
  return { indexes: [...indexes].sort((a, b) => a - b), tableClusters };
}

function usedBlocks(references: ReferenceMap, blockEntries: number): number[] {
  const used: number[] = [];
  for (let cluster = 0; cluster < references.length; cluster++) {
    if (references.get(cluster) === 0) continue;
    const index = Math.floor(cluster / blockEntries);
    used.push(index);
    cluster = (index + 1) * blockEntries - 1;
  }
  return used;
}
