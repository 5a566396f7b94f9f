/**
 * Writes that need host clusters: take them in runs, fill what the request leaves of the first and the last cluster with
 * what the guest sees there now, write it all at once, and only then let the L2 table refer to it.
 */
import { isPromise } from '@blk/core-graph';
import type { Run } from './allocator.js';
import { copyOnWrite } from './copy-on-write.js';
import { changeableTable, linkData } from './link.js';
import type { Qcow2Image } from './qcow2-image.js';
import { Table } from './table-cache.js';
import { planWrite, type WritePlan } from './write-plan.js';
import { checkHostRange, writeHost } from './write-host.js';

export async function allocatingWrite(
  image: Qcow2Image,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
): Promise<void> {
  const { clusterSize, l2Span } = image.geometry;
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
      const plan = planWrite(image, table, at, pieceEnd);
      if (plan.action === 'in-place') {
        const done = writeHost(image, plan.host + (at % clusterSize), at, buffer, start + at - offset, plan.end - at);
        if (done !== undefined) await done;
        at = plan.end;
        continue;
      }
      const unlock = image.locks.hold(cluster, cluster + plan.count);
      try {
        const written = await writeNew(image, plan, l1Index, at, buffer, start + at - offset);
        at += written;
      } finally {
        unlock();
      }
    }
  } finally {
    image.reclaim.leave(generation);
  }
}

/** Writes the beginning of the range into host clusters that nobody sees yet, and links them. Returns the bytes written. */
async function writeNew(
  image: Qcow2Image,
  plan: WritePlan,
  l1Index: number,
  offset: number,
  buffer: Uint8Array,
  start: number,
): Promise<number> {
  const { clusterSize, l2Entries } = image.geometry;
  const cluster = Math.floor(offset / clusterSize);
  const run = plan.action === 'reuse' ? runAt(plan.host / clusterSize, plan.count) : await image.takeData(cluster, plan.count);
  const host = run.cluster * clusterSize;
  const end = Math.min(plan.end, (cluster + run.count) * clusterSize);
  const { head } = plan;
  // Where there were fewer clusters than wanted, the write ends at the edge of one.
  const tail = end === plan.end ? plan.tail : 0;
  try {
    checkHostRange(image, host, run.count * clusterSize);
    const writing = copyOnWrite(image, { host, virgin: run.virgin, head, tail }, offset, buffer, start, end - offset);
    if (isPromise(writing)) await writing;
    let table = image.l2.writable(l1Index);
    while (isPromise(table)) {
      await table;
      table = image.l2.writable(l1Index);
    }
    linkData(image, table, cluster - l1Index * l2Entries, run.count, host, offset - head, end + tail);
  } catch (error) {
    if (plan.action === 'allocate') await image.giveUpData(run);
    throw error;
  }
  return end - offset;
}

function runAt(cluster: number, count: number): Run {
  return { cluster, count, virgin: false };
}
