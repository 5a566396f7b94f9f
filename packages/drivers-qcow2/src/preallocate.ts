/** Host clusters for a range before anything is written to it. */
import { isPromise, type LongWork, type Preallocation } from '@blk/core-graph';
import { writeData } from './data-access.js';
import { kindOf, EntryKind } from './l2-entry.js';
import { changeableTable, linkClusters } from './link.js';
import type { Qcow2Image } from './qcow2-image.js';
import { Table } from './table-cache.js';

const ZEROES = new Uint8Array(1024 * 1024);
/** Bytes that are written for one run, so that the work can be called off, and tells how far it is. */
const FULL_RUN = 32 * 1024 * 1024;

/** Gives every cluster without one, in `[from, to)`, a host cluster that reads as zeroes; none of them has data below. */
export async function preallocate(image: Qcow2Image, from: number, to: number, mode: Preallocation, work: LongWork = {}): Promise<void> {
  if (mode === 'off') return;
  const { geometry } = image;
  const { clusterSize, l2Entries, entryBytes } = geometry;
  const end = Math.ceil(to / clusterSize);
  const most = mode === 'full' ? Math.max(1, FULL_RUN / clusterSize) : Infinity;
  for (let at = Math.floor(from / clusterSize); at < end; ) {
    work.signal?.throwIfAborted();
    work.progress?.(Math.max(0, at * clusterSize - from), to - from);
    const l1Index = Math.floor(at / l2Entries);
    const tableEnd = Math.min(end, (l1Index + 1) * l2Entries);
    const relief = image.flusher.relieve();
    if (relief !== undefined) await relief;
    let table = changeableTable(image, l1Index, at, tableEnd);
    while (!(table instanceof Table)) {
      await table;
      table = changeableTable(image, l1Index, at, tableEnd);
    }
    const { view } = table;
    const first = at;
    const isFree = (cluster: number): boolean => {
      const index = (cluster - l1Index * l2Entries) * entryBytes;
      if (geometry.extended && view.getUint32(index + 8) !== 0) return false;
      const kind = kindOf(view.getUint32(index), view.getUint32(index + 4), geometry);
      return kind === EntryKind.Unallocated || kind === EntryKind.Zero;
    };
    while (at < tableEnd && at - first < most && isFree(at)) at++;
    if (at === first) {
      at++;
      continue;
    }
    at = first + (await allocateRun(image, l1Index, first, at - first, mode));
  }
}

async function allocateRun(image: Qcow2Image, l1Index: number, cluster: number, want: number, mode: Preallocation): Promise<number> {
  const { geometry } = image;
  const { clusterSize, l2Entries } = geometry;
  const unlock = image.locks.hold(cluster, cluster + want);
  try {
    const run = await image.takeData(cluster, want);
    const host = run.cluster * clusterSize;
    const hostEnd = host + run.count * clusterSize;
    try {
      if (image.encryption !== undefined && geometry.version === 2) await writeEncryptedZeroes(image, host, cluster * clusterSize, hostEnd - host);
      else await reserve(image, host, hostEnd, mode, run.virgin);
      let table = image.l2.writable(l1Index);
      while (isPromise(table)) {
        await table;
        table = image.l2.writable(l1Index);
      }
      // Zeroes of the file are not those of an encrypted disk: the clusters are marked, or zeroes were written.
      linkClusters(image, table, cluster - l1Index * l2Entries, run.count, host, image.encryption !== undefined && geometry.version === 3);
    } catch (error) {
      await image.giveUpData(run);
      throw error;
    }
    return run.count;
  } finally {
    unlock();
  }
}

async function writeEncryptedZeroes(image: Qcow2Image, host: number, guest: number, length: number): Promise<void> {
  for (let at = 0; at < length; at += ZEROES.length) {
    const done = writeData(image, host + at, guest + at, ZEROES, 0, Math.min(ZEROES.length, length - at));
    if (done !== undefined) await done;
  }
}

async function reserve(image: Qcow2Image, host: number, end: number, mode: Preallocation, virgin: boolean): Promise<void> {
  const { file, geometry } = image;
  // A data file got its size, and its space, as a whole.
  if (geometry.external) return;
  if (mode === 'full' || !virgin) {
    for (let at = host; at < end; at += ZEROES.length) {
      const done = file.write(at, ZEROES, 0, Math.min(ZEROES.length, end - at));
      if (done !== undefined) await done;
    }
  } else if (file.size < end) {
    // The tables must not refer to anything behind the end of the file.
    await file.node.truncate(end, { preallocation: mode === 'falloc' ? 'falloc' : 'off' });
  }
}
