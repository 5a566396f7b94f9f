/** Making ranges read as zeroes, and giving space back: by marks in the L2 tables, cluster by cluster or subcluster by subcluster. */
import { isPromise, WriteFlag, type Completion } from '@blk/core-graph';
import { EntryKind } from './l2-entry.js';
import { changeableTable, unitMask } from './link.js';
import type { Qcow2Image } from './qcow2-image.js';
import type { FreeCause } from './reclaim.js';
import { ScannedRun, scanRun } from './scan.js';
import { Table } from './table-cache.js';
import { writeAll } from './write.js';
import { changeEntry, type Wish } from './zero-entry.js';

const scratch = new ScannedRun();

/** Makes `[offset, offset + length)` read as zeroes. Throws kind `unsupported` where only writing zeroes would do. */
export async function zeroRange(image: Qcow2Image, offset: number, length: number, flags: number): Promise<void> {
  const { unitSize } = image.geometry;
  const end = offset + length;
  const first = Math.ceil(offset / unitSize);
  // The disk's last unit may be a part of one; nothing behind it can be seen.
  const last = end >= image.size ? Math.ceil(end / unitSize) : Math.floor(end / unitSize);
  const wish = (flags & WriteFlag.MayUnmap) !== 0 ? 'unmap' : 'zero';
  if (first > last) {
    await zeroPart(image, offset, length);
    return;
  }
  if (offset < first * unitSize) await zeroPart(image, offset, first * unitSize - offset);
  await changeUnits(image, first, last, wish, 'other');
  if (end > last * unitSize) await zeroPart(image, last * unitSize, end - last * unitSize);
}

/**
 * Gives back what whole clusters of the range take; they read as zeroes then, or keep their content. Subclusters by themselves
 * are no matter of discards, with the reference neither: their space would stay where it is.
 */
export function discardRange(image: Qcow2Image, offset: number, length: number): Completion {
  const { clusterSize, units } = image.geometry;
  const end = offset + length;
  const first = Math.ceil(offset / clusterSize);
  const last = end >= image.size ? Math.ceil(end / clusterSize) : Math.floor(end / clusterSize);
  return first >= last ? undefined : changeUnits(image, first * units, last * units, 'discard', 'request');
}

/** Forgets clusters `[first, last)`. */
export function forgetClusters(image: Qcow2Image, first: number, last: number): Promise<void> {
  const { units } = image.geometry;
  return changeUnits(image, first * units, last * units, 'forget', 'other');
}

/** Forgets all of the disk; what it took is given back as discards are. */
export async function emptyDisk(image: Qcow2Image): Promise<void> {
  image.corruption.check();
  const { clusterSize, units } = image.geometry;
  await image.file.event('empty_image_prepare');
  await changeUnits(image, 0, Math.ceil(image.size / clusterSize) * units, image.rawData ? 'unmap' : 'forget', 'request');
  const pending = image.flusher.flush();
  if (pending !== undefined) await pending;
}

/** Units `[first, last)`: clusters, or subclusters of extended entries. */
async function changeUnits(image: Qcow2Image, first: number, last: number, wish: Wish, cause: FreeCause): Promise<void> {
  const { l2Span, unitSize, external } = image.geometry;
  if (external && wish !== 'forget') await zeroExternal(image, first * unitSize, last * unitSize, wish);
  const tableUnits = l2Span / unitSize;
  for (let at = first; at < last; ) {
    const l1Index = Math.floor(at / tableUnits);
    const end = Math.min(last, (l1Index + 1) * tableUnits);
    const untouched = !image.l2.exists(l1Index) && image.readsZero(at * unitSize) && wish !== 'zero' && wish !== 'unmap';
    if (!untouched && (image.l2.exists(l1Index) || wish !== 'forget')) await changeTable(image, l1Index, at, end, wish, cause);
    at = end;
  }
}

async function changeTable(image: Qcow2Image, l1Index: number, first: number, last: number, wish: Wish, cause: FreeCause): Promise<void> {
  const { l2Entries, clusterSize, units, unitSize } = image.geometry;
  const relief = image.flusher.relieve();
  if (relief !== undefined) await relief;
  const end = Math.ceil(last / units);
  let table = changeableTable(image, l1Index, Math.floor(first / units), end);
  while (!(table instanceof Table)) {
    await table;
    table = changeableTable(image, l1Index, Math.floor(first / units), end);
  }
  const left: { readonly from: number; readonly to: number }[] = [];
  for (let cluster = Math.floor(first / units); cluster < end; cluster++) {
    const from = Math.max(first - cluster * units, 0);
    const to = Math.min(last - cluster * units, units);
    if (changeEntry(image, table, cluster - l1Index * l2Entries, cluster * clusterSize, unitMask(from, to), wish, cause)) continue;
    left.push({ from: cluster * clusterSize + from * unitSize, to: cluster * clusterSize + to * unitSize });
  }
  for (const { from, to } of left) await zeroPart(image, from, Math.min(to, image.size) - from);
}

/**
 * An external data file is not counted, so its clusters need not wait for a flush. What is about to read as zeroes is zero
 * there before: a raw one must always hold what the guest sees, and the space of another is given back if that is wanted.
 */
async function zeroExternal(image: Qcow2Image, from: number, to: number, wish: Wish): Promise<void> {
  const { data, options, rawData } = image;
  const mayUnmap = wish !== 'zero';
  if (!rawData && !(mayUnmap && options.discardRequests)) return;
  const end = Math.min(to, data.size);
  if (from >= end) return;
  const done = data.writeZeroes(from, end - from, mayUnmap ? WriteFlag.MayUnmap : 0);
  if (done !== undefined) await done;
}

/** Part of one unit, or of a cluster that can't be divided: nothing to do where it reads as zeroes, else zeroes are written. */
export async function zeroPart(image: Qcow2Image, offset: number, length: number): Promise<void> {
  if (await readsAsZeroes(image, offset, length)) return;
  const zeroes = new Uint8Array(length);
  await writeAll(image, offset, zeroes, 0, length);
}

async function readsAsZeroes(image: Qcow2Image, offset: number, length: number): Promise<boolean> {
  const { l2Span, clusterSize, unitSize } = image.geometry;
  const l1Index = Math.floor(offset / l2Span);
  const zeroBelow = image.readsZero(offset - (offset % clusterSize));
  if (!image.l2.exists(l1Index)) return zeroBelow;
  let table = image.l2.load(l1Index);
  while (isPromise(table)) {
    await table;
    table = image.l2.load(l1Index);
  }
  const first = Math.floor((offset % l2Span) / unitSize);
  const end = Math.ceil(((offset % l2Span) + length) / unitSize);
  for (let at = first; at < end; at += scratch.count) {
    scanRun(table, at, end - at, image.geometry, image.corruption, scratch);
    if (scratch.kind === EntryKind.Data || scratch.kind === EntryKind.Compressed) return false;
    if (scratch.kind === EntryKind.Unallocated && !zeroBelow) return false;
  }
  return true;
}
