/**
 * Writes that need host clusters: take them in runs, fill what the request leaves of the first and the last cluster with
 * what the guest sees there now, write it all at once, and only then let the L2 table refer to it.
 */
import { isPromise } from '@blk/core-graph';
import { copyOnWrite } from './copy-on-write.js';
import { EntryKind } from './l2-entry.js';
import { changeableTable, linkData } from './link.js';
import type { Qcow2Image } from './qcow2-image.js';
import { ScannedRun, scanRun } from './scan.js';
import { Table } from './table-cache.js';
import { checkHostRange, writeHost } from './write.js';

const scratch = new ScannedRun(true);

export async function allocatingWrite(
  image: Qcow2Image,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
): Promise<void> {
  const { clusterSize, l2Span, l2Entries } = image.geometry;
  const end = offset + length;
  const generation = image.reclaim.enter();
  try {
    for (let at = offset; at < end; ) {
      const l1Index = Math.floor(at / l2Span);
      const pieceEnd = Math.min(end, (l1Index + 1) * l2Span);
      const cluster = Math.floor(at / clusterSize);
      const endCluster = Math.ceil(pieceEnd / clusterSize);
      const relief = image.flusher.relieve();
      if (relief !== undefined) await relief;
      let table = changeableTable(image, l1Index, cluster, endCluster);
      while (!(table instanceof Table)) {
        await table;
        table = changeableTable(image, l1Index, cluster, endCluster);
      }
      const plan = planRun(image, table, cluster - l1Index * l2Entries, endCluster - cluster);
      const runEnd = Math.min(pieceEnd, (cluster + plan.count) * clusterSize);
      if (plan.action === 'in-place') {
        const done = writeHost(image, plan.host + (at % clusterSize), at, buffer, start + at - offset, runEnd - at);
        if (done !== undefined) await done;
        at = runEnd;
        continue;
      }
      const unlock = image.locks.hold(cluster, cluster + plan.count);
      try {
        const written = await writeNew(image, plan, l1Index, at, buffer, start + at - offset, runEnd - at);
        at += written;
      } finally {
        unlock();
      }
    }
  } finally {
    image.reclaim.leave(generation);
  }
}

interface Plan {
  /** Write over it; fill the cluster that is kept for zeroes; take new clusters. */
  readonly action: 'in-place' | 'reuse' | 'allocate';
  /** Clusters, at most. */
  readonly count: number;
  readonly host: number;
}

function planRun(image: Qcow2Image, table: Table, index: number, max: number): Plan {
  scanRun(table, index, max, image.geometry, image.corruption, scratch);
  const { kind, copied, host } = scratch;
  if (kind === EntryKind.Data && copied) return { action: 'in-place', count: scratch.count, host };
  if (kind === EntryKind.ZeroAllocated && copied) return { action: 'reuse', count: scratch.count, host };
  let { count } = scratch;
  while (count < max) {
    scanRun(table, index + count, max - count, image.geometry, image.corruption, scratch);
    if (scratch.copied && (scratch.kind === EntryKind.Data || scratch.kind === EntryKind.ZeroAllocated)) break;
    count += scratch.count;
  }
  return { action: 'allocate', count, host: 0 };
}

/** Writes the beginning of the range into host clusters that nobody sees yet, and links them. Returns the bytes written. */
async function writeNew(
  image: Qcow2Image,
  plan: Plan,
  l1Index: number,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
): Promise<number> {
  const { clusterSize, l2Entries } = image.geometry;
  const cluster = Math.floor(offset / clusterSize);
  const run =
    plan.action === 'reuse'
      ? { cluster: plan.host / clusterSize, count: plan.count, virgin: false }
      : await image.allocator.allocate(plan.count);
  const host = run.cluster * clusterSize;
  const end = Math.min(offset + length, (cluster + run.count) * clusterSize);
  try {
    checkHostRange(image, host, run.count * clusterSize);
    const writing = copyOnWrite(image, { host, virgin: run.virgin }, offset, buffer, start, end - offset);
    if (isPromise(writing)) await writing;
    let table = image.l2.writable(l1Index);
    while (isPromise(table)) {
      await table;
      table = image.l2.writable(l1Index);
    }
    linkData(image, table, cluster - l1Index * l2Entries, run.count, host);
  } catch (error) {
    if (plan.action === 'allocate') await image.allocator.release(run.cluster, run.count).catch(() => undefined);
    throw error;
  }
  return end - offset;
}
