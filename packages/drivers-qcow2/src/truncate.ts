/** Changing the size of the disk. */
import { BlockError, isPromise, WriteFlag, type TruncateOptions } from '@blk/core-graph';
import { settle } from './close-image.js';
import { argumentError } from './errors.js';
import { l1EntriesFor, MAX_L1_BYTES } from './format.js';
import { preallocate } from './preallocate.js';
import type { Qcow2Image } from './qcow2-image.js';
import { forgetClusters, zeroPart, zeroRange } from './zero.js';
import { writeAll } from './write.js';

/** Grows or shrinks; what is added reads as zeroes even where the backing file has something. */
export async function truncateImage(image: Qcow2Image, size: number, options: TruncateOptions): Promise<void> {
  image.corruption.check();
  const { geometry, header } = image;
  if (size % 512 !== 0) throw argumentError('The new size must be a multiple of 512');
  if (header.current.snapshotCount > 0 && geometry.version === 2) {
    throw argumentError("Can't resize a v2 image which has snapshots", 'unsupported');
  }
  if (size === image.size) return;
  if (size < image.size) await shrink(image, size, options);
  else await growTo(image, size, options);
}

async function growTo(image: Qcow2Image, size: number, options: TruncateOptions): Promise<void> {
  const { geometry } = image;
  const { clusterSize } = geometry;
  const oldSize = image.size;
  await growL1(image, l1EntriesFor(image.geometry, size));
  const oldEnd = Math.ceil(oldSize / clusterSize) * clusterSize;
  // What an earlier, longer disk may have left behind.
  await forgetClusters(image, oldEnd / clusterSize, Math.ceil(size / clusterSize));
  // The rest of the last cluster may hold data of that disk, or let the backing file through.
  if (oldSize < oldEnd) await zeroPart(image, oldSize, Math.min(oldEnd, size) - oldSize);
  if (!image.readsZero(oldEnd) && oldEnd < size) await hideBacking(image, oldEnd, Math.min(size, image.backing?.size ?? 0));
  const mode = options.preallocation;
  if (geometry.external) await growData(image, size, options);
  try {
    await preallocate(image, oldSize, size, image.rawData && mode === 'off' ? 'metadata' : mode, options.work);
  } catch (error) {
    // What is behind the end is of no use to anybody.
    await forgetClusters(image, oldEnd / clusterSize, Math.ceil(size / clusterSize)).catch(() => undefined);
    throw error;
  }
  // The size is last: until then nobody can see what is behind the end.
  const pending = image.flusher.flush();
  if (pending !== undefined) await pending;
  await image.header.commit({ size });
  image.size = size;
}

/** The data file is at least as long as the disk, and what the disk gains of it is zero. */
async function growData({ data, size: oldSize, geometry, encryption }: Qcow2Image, size: number, { preallocation: mode, work }: TruncateOptions): Promise<void> {
  const { clusterSize } = geometry;
  // The rest of the last cluster is zero already, which is something else where it is encrypted.
  const from = encryption === undefined ? oldSize : Math.ceil(oldSize / clusterSize) * clusterSize;
  const stale = Math.min(data.size, size);
  if (stale > from) await data.writeZeroes(from, stale - from, WriteFlag.MayUnmap);
  if (data.size < size) await data.node.truncate(size, { preallocation: mode === 'metadata' ? 'off' : mode, work: { signal: work?.signal } });
}

async function hideBacking(image: Qcow2Image, from: number, to: number): Promise<void> {
  const end = Math.ceil(to / image.geometry.clusterSize) * image.geometry.clusterSize;
  if (image.geometry.version === 3) await zeroRange(image, from, end - from, WriteFlag.MayUnmap);
  else await writeZeroBytes(image, from, end);
}

const PIECE = 1024 * 1024;

async function writeZeroBytes(image: Qcow2Image, from: number, to: number): Promise<void> {
  const zeroes = new Uint8Array(Math.min(PIECE, to - from));
  for (let at = from; at < to; at += PIECE) await writeAll(image, at, zeroes, 0, Math.min(PIECE, to - at));
}

/** Makes the L1 table longer, at another place. The node is drained. */
export async function growL1(image: Qcow2Image, entries: number): Promise<void> {
  const { geometry, header, l2, file } = image;
  const { clusterSize } = geometry;
  if (entries * 8 > MAX_L1_BYTES) {
    throw new BlockError('too-large', 'Failed to grow the L1 table: File too large', { driver: 'qcow2' });
  }
  if (entries <= l2.l1.length) return;
  const clusters = Math.ceil((entries * 8) / clusterSize);
  await file.event('l1_grow_alloc_table');
  const run = await image.allocator.allocateTogether(clusters);
  const offset = run.cluster * clusterSize;
  try {
    // What the table refers to, and the counts of its new place, come before it. The node is drained: nothing changes now.
    await image.flusher.flushFully();
    const bytes = new Uint8Array(clusters * clusterSize);
    bytes.set(l2.l1.encode());
    await file.event('l1_grow_write_table');
    await file.write(offset, bytes, 0, bytes.length);
    await file.flush();
  } catch (error) {
    await image.allocator.release(run.cluster, run.count).catch(() => undefined);
    throw error;
  }
  try {
    await file.event('l1_grow_activate_table');
    await header.commit({ l1Size: entries, l1Offset: offset });
  } catch (error) {
    // The header on disk may name the new place until it was written again.
    image.reclaim.free(run.cluster, run.count);
    throw error;
  }
  const old = l2.l1;
  l2.l1 = old.moved(entries, offset);
  if (old.dirty) l2.l1.touch(0, entries);
  image.metadata.add('active-l1', offset, entries * 8);
  if (old.length === 0) return;
  image.metadata.remove(old.offset, old.length * 8, 'active-l1');
  image.reclaim.free(old.offset / clusterSize, Math.ceil((old.length * 8) / clusterSize));
}

async function shrink(image: Qcow2Image, size: number, options: TruncateOptions): Promise<void> {
  if (options.shrink !== true) {
    throw argumentError('Shrinking deletes what is behind the new end; ask for it explicitly');
  }
  if (options.preallocation !== 'off') {
    throw argumentError('Preallocation can not be used for shrinking an image');
  }
  const { clusterSize } = image.geometry;
  const oldSize = image.size;
  const pending = image.flusher.flush();
  if (pending !== undefined) await pending;
  await image.header.commit({ size });
  image.size = size;
  // The disk has its new size; what can't be given back now stays allocated, and what can't be written is for the next flush.
  await giveBack(image, Math.ceil(size / clusterSize), Math.ceil(oldSize / clusterSize)).catch(() => undefined);
}

/** Frees clusters `[first, last)`, the tables that map nothing any more, and the end of the file. */
async function giveBack(image: Qcow2Image, first: number, last: number): Promise<void> {
  await forgetClusters(image, first, last);
  for (let l1Index = Math.ceil(first / image.geometry.l2Entries); l1Index < image.l2.l1.length; l1Index++) image.l2.forget(l1Index);
  await settle(image);
  const { data, geometry, size } = image;
  if (geometry.external && data.size > size && data.node.driver.truncate !== undefined) {
    await data.node.truncate(size, { preallocation: 'off', shrink: true });
  }
  await cutFile(image);
}

/** Gives back the end of the file that nothing lies in. What can't be cut off stays. */
async function cutFile(image: Qcow2Image): Promise<void> {
  const { file, refcounts } = image;
  const { clusterSize } = image.geometry;
  const { driver } = file.node;
  if (driver.growable !== true || driver.truncate === undefined) return;
  await refcounts.dropLastBlocks();
  await settle(image);
  let end = Math.ceil(file.size / clusterSize);
  for (; end > 0; end--) {
    const found = refcounts.get(end - 1);
    if ((isPromise(found) ? await found : found) > 0) break;
  }
  if (end === 0 || end * clusterSize >= file.size) return;
  try {
    await file.node.truncate(end * clusterSize, { preallocation: 'off', shrink: true });
    // What grows there again reads as zeroes.
    refcounts.virginFrom = end;
  } catch {
    // It stays as long as it is.
  }
}
