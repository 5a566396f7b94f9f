/** The content of one persistent bitmap: its table and the clusters that the table names, to and from a bitmap in memory. */
import type { DirtyBitmap } from '@blk/core-graph';
import type { BitmapEntry } from './bitmap-directory.js';
import { qcow2Error } from './errors.js';
import { putU64, viewOf } from './format.js';
import { hostOf } from './l2-entry.js';
import type { Qcow2Image } from './qcow2-image.js';

/** Clusters that hold one bit for each `granularity` bytes of `size`. */
export function clustersFor(size: number, granularity: number, clusterSize: number): number {
  return Math.ceil(Math.ceil(size / granularity) / 8 / clusterSize);
}

/** Fills `bitmap`, which is clear. Throws where table or data can't be what they should. */
export async function loadBits(image: Qcow2Image, entry: BitmapEntry, bitmap: DirtyBitmap): Promise<void> {
  const { file, geometry } = image;
  const { clusterSize } = geometry;
  checkLength(entry, image.size, clusterSize);
  const table = await readBitmapTable(image, entry);
  const bytes = new Uint8Array(clusterSize);
  for (const [index, cluster] of table.entries()) {
    if (cluster.offset === 0) {
      if (!cluster.ones) continue;
      bytes.fill(0xff);
    } else {
      if (cluster.offset + clusterSize > file.size) throw unreadable(entry);
      const done = file.read(cluster.offset, bytes, 0, clusterSize);
      if (done !== undefined) await done;
    }
    bitmap.importBits(index * clusterSize * 8, bytes);
  }
}

/** Throws where the bitmap is not one of a disk of `size` bytes. */
export function checkLength(entry: BitmapEntry, size: number, clusterSize: number): void {
  if (entry.tableEntries !== clustersFor(size, 2 ** entry.granularityBits, clusterSize)) throw unreadable(entry);
}

interface TableEntry {
  /** Place in bytes; 0: none, all bits are what `ones` says. */
  readonly offset: number;
  readonly ones: boolean;
}

/** The table of a bitmap, checked. */
export async function readBitmapTable(image: Qcow2Image, entry: BitmapEntry): Promise<TableEntry[]> {
  const { file, geometry } = image;
  const { name, tableOffset, tableEntries } = entry;
  const bad = (): Error =>
    qcow2Error({ what: 'bitmaps', text: `Could not read bitmap_table table from image for bitmap '${name}': Invalid argument` });
  if (tableOffset + tableEntries * 8 > file.size) throw bad();
  const bytes = new Uint8Array(tableEntries * 8);
  const done = file.read(tableOffset, bytes, 0, bytes.length);
  if (done !== undefined) await done;
  const view = viewOf(bytes);
  return Array.from({ length: tableEntries }, (_, index) => {
    const high = view.getUint32(index * 8);
    const low = view.getUint32(index * 8 + 4);
    const offset = hostOf(high, low);
    const reserved = (high & 0xff00_0000) !== 0 || (low & 0x1fe) !== 0;
    if (reserved || offset % geometry.clusterSize !== 0 || (offset !== 0 && (low & 1) !== 0)) throw bad();
    return { offset, ones: (low & 1) !== 0 };
  });
}

/** Whether a part of the bitmap lies behind the end of the file. */
export async function reachesBeyond(image: Qcow2Image, entry: BitmapEntry): Promise<boolean> {
  const { size } = image.file;
  if (entry.tableOffset + entry.tableEntries * 8 > size) return true;
  const table = await readBitmapTable(image, entry);
  return table.some(({ offset }) => offset !== 0 && offset + image.geometry.clusterSize > size);
}

/** Where a bitmap was written. */
export interface StoredBits {
  readonly tableOffset: number;
  readonly tableEntries: number;
}

/** Writes the bitmap into new clusters, which `taken` hears of. Not flushed. */
export async function storeBits(image: Qcow2Image, bitmap: DirtyBitmap, taken: (cluster: number, count: number) => void): Promise<StoredBits> {
  const { file, geometry, allocator } = image;
  const { clusterSize } = geometry;
  const tableEntries = clustersFor(bitmap.size, bitmap.granularity, clusterSize);
  const run = await allocator.allocateTogether(Math.max(1, Math.ceil((tableEntries * 8) / clusterSize)));
  taken(run.cluster, run.count);
  const table = new Uint8Array(run.count * clusterSize);
  const view = viewOf(table);
  const bytes = new Uint8Array(clusterSize);
  for (let index = 0; index < tableEntries; index++) {
    if (!bitmap.exportBits(index * clusterSize * 8, bytes)) continue;
    const data = await allocator.allocate(1);
    taken(data.cluster, 1);
    const done = file.write(data.cluster * clusterSize, bytes, 0, clusterSize);
    if (done !== undefined) await done;
    putU64(view, index * 8, data.cluster * clusterSize);
  }
  const done = file.write(run.cluster * clusterSize, table, 0, table.length);
  if (done !== undefined) await done;
  return { tableOffset: run.cluster * clusterSize, tableEntries };
}

function unreadable({ name }: BitmapEntry): Error {
  return qcow2Error({ what: 'bitmaps', text: `Could not read bitmap '${name}' from image: Invalid argument` });
}
