/**
 * Trees of tables that several L1 tables share: one more reference to everything that a tree reaches, one less, and the
 * marks "has one reference" of the active tree, put right from the refcounts.
 *
 * Called while the node is drained and nothing is unwritten: what is on disk is what there is.
 */
import { isPromise } from '@blk/core-graph';
import { hex } from './corruption.js';
import { qcow2Error } from './errors.js';
import { viewOf, type Geometry } from './format.js';
import { L1Table } from './l1-table.js';
import { COPIED, compressedRange, EntryKind, hostOf, kindOf } from './l2-entry.js';
import type { Qcow2Image } from './qcow2-image.js';
import { checkSnapshotL1, type SnapshotL1 } from './snapshot-table.js';

/** The L1 table of a snapshot. Throws where it can't be one. */
export async function readSnapshotL1(image: Qcow2Image, l1: SnapshotL1, index: number): Promise<L1Table> {
  checkSnapshotL1(l1, index, image.file, image.geometry);
  const bytes = new Uint8Array(l1.entries * 8);
  if (bytes.length > 0) await image.file.read(l1.offset, bytes, 0, bytes.length);
  return L1Table.decode(bytes, l1.entries, l1.offset);
}

/**
 * Adds a reference to every cluster that `l1` reaches, and takes the marks from the L2 tables, which nothing is written to before all of them could
 * be read and counted. Where that fails, the references added so far are given back with the next flush.
 */
export async function shareTree(image: Qcow2Image, l1: L1Table): Promise<void> {
  const { refcounts, flusher } = image;
  const added: { readonly cluster: number; readonly count: number }[] = [];
  try {
    await walk(image, l1, async (cluster, count) => {
      await refcounts.raise(cluster, count);
      const last = added[added.length - 1];
      if (last !== undefined && last.cluster + last.count === cluster) added[added.length - 1] = { cluster: last.cluster, count: last.count + count };
      else added.push({ cluster, count });
    });
    // A disk that goes away before the counts are on it has not changed at all.
    await flusher.flushFully();
    await takeMarks(image, l1);
  } catch (error) {
    for (const { cluster, count } of added) image.reclaim.free(cluster, count, 'other');
    throw error;
  }
}

/** Gives back a reference to every cluster that `l1` reaches. Nothing on stable storage refers to it any more. */
export async function freeTree(image: Qcow2Image, l1: L1Table): Promise<void> {
  await walk(image, l1, async (cluster, count) => {
    image.reclaim.free(cluster, count, 'snapshot');
    const relief = image.flusher.relieve();
    if (relief !== undefined) await relief;
  });
}

/** Makes the marks of the active tables agree with the refcounts. */
export async function refreshMarks(image: Qcow2Image): Promise<void> {
  const { l2, refcounts, flusher, geometry } = image;
  const { clusterSize, entryBytes } = geometry;
  const count = async (cluster: number): Promise<number> => {
    const found = refcounts.get(cluster);
    return isPromise(found) ? await found : found;
  };
  for (let l1Index = 0; l1Index < l2.l1.length; l1Index++) {
    const offset = l2.l1.offsets[l1Index];
    if (offset === 0) continue;
    const alone = (await count(offset / clusterSize)) === 1;
    if ((l2.l1.copied[l1Index] === 1) !== alone) l2.l1.set(l1Index, offset, alone);
    // What others reach through the same table has more than one reference; its marks are off already.
    if (!alone) continue;
    let table = l2.load(l1Index);
    while (isPromise(table)) {
      await table;
      table = l2.load(l1Index);
    }
    table.writable = true;
    for (let at = 0; at < clusterSize; at += entryBytes) {
      const high = table.view.getUint32(at);
      const low = table.view.getUint32(at + 4);
      const kind = kindOf(high, low, geometry);
      if (kind !== EntryKind.Data && kind !== EntryKind.ZeroAllocated) continue;
      const found = refcounts.get(Math.floor(hostOf(high, low) / clusterSize));
      const references = isPromise(found) ? await found : found;
      if ((high >>> 31 === 1) === (references === 1)) continue;
      table.view.setUint32(at, (high ^ COPIED) >>> 0);
      l2.cache.mark(table, at, at + 8);
    }
    const relief = flusher.relieve();
    if (relief !== undefined) await relief;
  }
}

type Visit = (cluster: number, count: number) => Promise<void>;

/** Every reference of the tree, in runs of clusters. */
async function walk(image: Qcow2Image, l1: L1Table, visit: Visit): Promise<void> {
  await eachTable(image, l1, async (bytes, offset) => {
    await visitEntries(image, bytes, visit);
    await visit(offset / image.geometry.clusterSize, 1);
  });
}

/** Takes the marks from the L2 tables of a tree; those in the cache have them no longer, however this ends. */
async function takeMarks(image: Qcow2Image, l1: L1Table): Promise<void> {
  const { file, geometry, flusher, l2 } = image;
  try {
    await eachTable(image, l1, async (bytes, offset) => {
      if (!unmarked(viewOf(bytes), geometry)) return;
      const told = file.event('l2_update');
      if (told !== undefined) await told;
      const writing = file.write(offset, bytes, 0, bytes.length);
      if (writing !== undefined) await writing;
      flusher.linked();
    });
  } finally {
    l2.cache.clear();
  }
}

/** The bytes are good until the next table comes. */
async function eachTable(image: Qcow2Image, l1: L1Table, work: (bytes: Uint8Array, offset: number) => Promise<void>): Promise<void> {
  const { file, geometry } = image;
  const bytes = new Uint8Array(geometry.clusterSize);
  for (let index = 0; index < l1.length; index++) {
    const offset = l1.offsets[index];
    if (offset === 0) continue;
    checkPlace(image, `L2 table (L1 index: ${hex(index)})`, offset);
    const told = file.event('l2_load');
    if (told !== undefined) await told;
    const reading = file.read(offset, bytes, 0, bytes.length);
    if (reading !== undefined) await reading;
    await work(bytes, offset);
  }
}

/** Takes the marks from the bytes of an L2 table; tells whether there were any. */
function unmarked(view: DataView, geometry: Geometry): boolean {
  let marked = false;
  for (let at = 0; at < geometry.clusterSize; at += geometry.entryBytes) {
    const high = view.getUint32(at);
    const kind = kindOf(high, view.getUint32(at + 4), geometry);
    if ((kind !== EntryKind.Data && kind !== EntryKind.ZeroAllocated) || high >>> 31 === 0) continue;
    marked = true;
    view.setUint32(at, (high & ~COPIED) >>> 0);
  }
  return marked;
}

/** Visits what one L2 table refers to. */
async function visitEntries(image: Qcow2Image, bytes: Uint8Array, visit: Visit): Promise<void> {
  const { geometry, compressedSpace } = image;
  const { clusterSize, entryBytes } = geometry;
  const view = viewOf(bytes);
  let first = 0;
  let count = 0;
  for (let at = 0; at < clusterSize; at += entryBytes) {
    const high = view.getUint32(at);
    const low = view.getUint32(at + 4);
    const kind = kindOf(high, low, geometry);
    if (kind === EntryKind.Compressed) {
      const { offset, length } = compressedRange(high, low, geometry);
      if (offset >= image.file.size) throw misplaced('Compressed cluster', offset, 'beyond the end of the file');
      const span = compressedSpace.span(offset, length);
      await visit(span.cluster, span.count);
    } else if (kind === EntryKind.Data || kind === EntryKind.ZeroAllocated) {
      const host = hostOf(high, low);
      checkPlace(image, 'Data cluster', host);
      if (count > 0 && host / clusterSize === first + count) {
        count++;
        continue;
      }
      if (count > 0) await visit(first, count);
      first = host / clusterSize;
      count = 1;
    }
  }
  if (count > 0) await visit(first, count);
}

function checkPlace(image: Qcow2Image, what: string, offset: number): void {
  if (offset % image.geometry.clusterSize !== 0) throw misplaced(what, offset, 'not aligned to a cluster');
  if (offset >= image.file.size) throw misplaced(what, offset, 'beyond the end of the file');
}

function misplaced(what: string, offset: number, how: string): Error {
  return qcow2Error({ what: 'snapshot-table', text: `${what} at ${hex(offset)} is ${how}` });
}
