/** Making ranges read as zeroes, and giving space back: by marks in the L2 tables, cluster by cluster. */
import { isPromise, WriteFlag, type Completion } from '@blk/core-graph';
import { argumentError } from './errors.js';
import { COPIED, EntryKind, kindOf, ZERO } from './l2-entry.js';
import { changeableTable, setEntry } from './link.js';
import type { Qcow2Image } from './qcow2-image.js';
import type { FreeCause } from './reclaim.js';
import { Table } from './table-cache.js';
import { writeAll } from './write.js';

/** What is to become of a cluster. */
type Wish =
  /** Reads as zeroes; its host cluster stays, if it is the image's own. */
  | 'zero'
  /** Reads as zeroes; its host cluster is given back. */
  | 'unmap'
  /** As `unmap`, but a wish only: where zeroes can't be promised without writing, the data stays. */
  | 'discard'
  /** Forgotten, as if it had never been written; for what lies beyond the end of the disk. */
  | 'forget';

/** Makes `[offset, offset + length)` read as zeroes. Throws kind `unsupported` where only writing zeroes would do. */
export async function zeroRange(image: Qcow2Image, offset: number, length: number, flags: number): Promise<void> {
  const { clusterSize } = image.geometry;
  const end = offset + length;
  const first = Math.ceil(offset / clusterSize);
  // The disk's last cluster may be a part of one; nothing behind it can be seen.
  const last = end >= image.size ? Math.ceil(end / clusterSize) : Math.floor(end / clusterSize);
  const wish = (flags & WriteFlag.MayUnmap) !== 0 ? 'unmap' : 'zero';
  if (first > last) {
    await zeroPart(image, offset, length);
    return;
  }
  if (offset < first * clusterSize) await zeroPart(image, offset, first * clusterSize - offset);
  await changeClusters(image, first, last, wish, 'other');
  if (end > last * clusterSize) await zeroPart(image, last * clusterSize, end - last * clusterSize);
}

/** Gives back what whole clusters of the range take; they read as zeroes then, or keep their content. */
export function discardRange(image: Qcow2Image, offset: number, length: number): Completion {
  const { clusterSize } = image.geometry;
  const end = offset + length;
  const first = Math.ceil(offset / clusterSize);
  const last = end >= image.size ? Math.ceil(end / clusterSize) : Math.floor(end / clusterSize);
  return first >= last ? undefined : changeClusters(image, first, last, 'discard', 'request');
}

/** Forgets clusters `[first, last)`. */
export function forgetClusters(image: Qcow2Image, first: number, last: number): Promise<void> {
  return changeClusters(image, first, last, 'forget', 'other');
}

/** Forgets all of the disk; what it took is given back as discards are. */
export async function emptyDisk(image: Qcow2Image): Promise<void> {
  image.corruption.check();
  await changeClusters(image, 0, Math.ceil(image.size / image.geometry.clusterSize), 'forget', 'request');
  const pending = image.flusher.flush();
  if (pending !== undefined) await pending;
}

async function changeClusters(image: Qcow2Image, first: number, last: number, wish: Wish, cause: FreeCause): Promise<void> {
  const { l2Entries, clusterSize } = image.geometry;
  for (let at = first; at < last; ) {
    const l1Index = Math.floor(at / l2Entries);
    const end = Math.min(last, (l1Index + 1) * l2Entries);
    const untouched = !image.l2.exists(l1Index) && image.readsZero(at * clusterSize) && wish !== 'zero' && wish !== 'unmap';
    if (!untouched && (image.l2.exists(l1Index) || wish !== 'forget')) {
      const relief = image.flusher.relieve();
      if (relief !== undefined) await relief;
      let table = changeableTable(image, l1Index, at, end);
      while (!(table instanceof Table)) {
        await table;
        table = changeableTable(image, l1Index, at, end);
      }
      for (let cluster = at; cluster < end; cluster++) {
        changeCluster(image, table, cluster - l1Index * l2Entries, cluster * clusterSize, wish, cause);
      }
    }
    at = end;
  }
}

function changeCluster(image: Qcow2Image, table: Table, index: number, offset: number, wish: Wish, cause: FreeCause): void {
  const high = table.view.getUint32(index * 8);
  const low = table.view.getUint32(index * 8 + 4);
  const kind = kindOf(high, low);
  if (wish === 'forget') {
    if (high !== 0 || low !== 0) setEntry(image, table, index, 0, 0, cause);
    return;
  }
  if (kind === EntryKind.Zero || (kind === EntryKind.ZeroAllocated && wish === 'zero')) return;
  const zeroBelow = image.readsZero(offset);
  if (image.geometry.version === 2) {
    if (kind === EntryKind.Unallocated && zeroBelow) return;
    // Without a mark for zeroes, a cluster can only be left to a backing file that has nothing there.
    if (zeroBelow && wish !== 'zero') setEntry(image, table, index, 0, 0, cause);
    else if (wish !== 'discard') throw argumentError('qcow2 images of version 2 have no zero clusters', 'unsupported');
    return;
  }
  if (kind === EntryKind.Unallocated && wish === 'discard' && zeroBelow) return;
  const keeps = wish === 'zero' && kind === EntryKind.Data && (high & COPIED) !== 0;
  if (keeps) setEntry(image, table, index, high, low | ZERO, cause);
  else setEntry(image, table, index, 0, ZERO, cause);
}

/** Part of one cluster: nothing to do where it reads as zeroes, else zero bytes are written. */
export async function zeroPart(image: Qcow2Image, offset: number, length: number): Promise<void> {
  if (await readsAsZeroes(image, offset)) return;
  const zeroes = new Uint8Array(length);
  await writeAll(image, offset, zeroes, 0, length);
}

async function readsAsZeroes(image: Qcow2Image, offset: number): Promise<boolean> {
  const { l2Span, clusterSize } = image.geometry;
  const l1Index = Math.floor(offset / l2Span);
  if (!image.l2.exists(l1Index)) return image.readsZero(offset - (offset % clusterSize));
  let table = image.l2.load(l1Index);
  while (isPromise(table)) {
    await table;
    table = image.l2.load(l1Index);
  }
  const at = Math.floor((offset % l2Span) / clusterSize) * 8;
  const kind = kindOf(table.view.getUint32(at), table.view.getUint32(at + 4));
  if (kind === EntryKind.Unallocated) return image.readsZero(offset - (offset % clusterSize));
  return kind === EntryKind.Zero || kind === EntryKind.ZeroAllocated;
}
