/**
 * Persistent bitmaps: loaded when the image is opened, marked as in use while it may be written, stored when it is closed.
 *
 * Storing writes data, tables and a new directory into new clusters, makes them stable, and lets the header name the new
 * directory; only then the old ones are freed. A power cut leaves the bitmaps as they were, marked as in use, or stored.
 */
import { DirtyBitmap, type PersistentBitmaps, type StoredBitmap } from '@blk/core-graph';
import { loadBits, reachesBeyond, readBitmapTable, storeBits, clustersFor } from './bitmap-data.js';
import { BitmapFlag, encodeDirectory, isUsable, MAX_BITMAP_BYTES, MAX_BITMAPS, MAX_DIRECTORY_BYTES, MAX_NAME_BYTES, type BitmapEntry } from './bitmap-directory.js';
import { checkRoom, writeBitmapsExtension } from './bitmaps-extension.js';
import { argumentError, qcow2Error } from './errors.js';
import { bitmapsOf } from './extensions.js';
import type { Qcow2Image } from './qcow2-image.js';
import { settle } from './close-image.js';

/** Host clusters that nothing refers to yet, or no longer. */
type Run = readonly [cluster: number, count: number];

export class StoredBitmaps implements PersistentBitmaps {
  /** What the bitmaps hold is known, so that storing them loses nothing. */
  #loaded = false;

  constructor(
    /** The open image, which a repair may replace. */
    private readonly current: () => Qcow2Image,
  ) {}

  private get image(): Qcow2Image {
    return this.current();
  }

  get list(): readonly StoredBitmap[] {
    return this.image.bitmaps.map(({ name, granularityBits, flags }) => ({
      name,
      granularity: 2 ** granularityBits,
      flags: [...((flags & BitmapFlag.InUse) !== 0 ? (['in-use'] as const) : []), ...((flags & BitmapFlag.Auto) !== 0 ? (['auto'] as const) : [])],
    }));
  }

  async load(): Promise<readonly DirtyBitmap[]> {
    const { image } = this;
    const bitmaps: DirtyBitmap[] = [];
    const limit = image.options.maxBitmapBytes;
    let bytes = 0;
    for (const entry of image.bitmaps) {
      // What an image has lost of its bitmaps is no reason to keep its data from those who only read it.
      const usable = isUsable(entry) && !(image.readOnly && (await reachesBeyond(image, entry)));
      bytes += usable ? entry.tableEntries * image.geometry.clusterSize : 0;
      if (bytes > limit) throw qcow2Error({ what: 'table-memory', bytes, limit });
      const bitmap = new DirtyBitmap(entry.name, 2 ** entry.granularityBits, image.size, { persistent: true, inconsistent: !usable });
      if (usable) {
        await loadBits(image, entry, bitmap);
        if ((entry.flags & BitmapFlag.Auto) === 0) bitmap.setStatus('disabled');
      }
      bitmaps.push(bitmap);
    }
    if (!image.readOnly) await this.#markInUse();
    this.#loaded = true;
    return bitmaps;
  }

  check(name: string, granularity: number): void {
    const { geometry, size, bitmaps } = this.image;
    if (geometry.version === 2) throw argumentError('Cannot store dirty bitmaps in qcow2 v2 files', 'unsupported');
    if (new TextEncoder().encode(name).length > MAX_NAME_BYTES) throw argumentError(`Name length exceeds maximum (${MAX_NAME_BYTES} characters)`);
    if (bitmaps.length >= MAX_BITMAPS) throw argumentError('Maximum number of persistent bitmaps is already reached', 'too-large');
    if (clustersFor(size, granularity, geometry.clusterSize) * geometry.clusterSize > MAX_BITMAP_BYTES) {
      throw argumentError('Too much space will be occupied by the bitmap. Use larger granularity', 'too-large');
    }
    checkRoom(this.image);
    if (size === 0) throw argumentError('An empty disk has no bitmaps');
    const probe = { name, rawName: new TextEncoder().encode(name), flags: 0, granularityBits: 16, tableOffset: 0, tableEntries: 0, extra: new Uint8Array(0) };
    if (encodeDirectory([...bitmaps, probe]).length > MAX_DIRECTORY_BYTES) {
      throw argumentError('No enough space in the bitmap directory', 'too-large');
    }
  }

  async store(bitmaps: readonly DirtyBitmap[]): Promise<void> {
    const { image } = this;
    if (!this.#loaded || image.readOnly || image.corruption.fatal !== undefined) return;
    if (image.bitmaps.length === 0 && bitmaps.length === 0) return;
    // Version 2, to which the image may have been amended, can't say whether they are up to date.
    if (image.geometry.version === 2) return;
    await settle(image);
    const taken: Run[] = [];
    try {
      const entries: BitmapEntry[] = [];
      for (const bitmap of bitmaps) {
        const before = image.bitmaps.find(({ name }) => name === bitmap.name);
        if (bitmap.inconsistent && before !== undefined) entries.push(before);
        // A disk that was made empty has nothing to record.
        if (bitmap.inconsistent || bitmap.size === 0) continue;
        const name = bitmap.name ?? '';
        const extra = before?.extra ?? new Uint8Array(0);
        const stored = await storeBits(image, bitmap, (cluster, count) => taken.push([cluster, count]));
        entries.push({
          name,
          rawName: before?.rawName ?? new TextEncoder().encode(name),
          flags: (bitmap.recording ? BitmapFlag.Auto : 0) | ((before?.flags ?? 0) & BitmapFlag.ExtraCompatible),
          granularityBits: Math.log2(bitmap.granularity),
          ...stored,
          extra,
        });
      }
      await this.#switch(entries, taken);
    } catch (error) {
      for (const [cluster, count] of taken) image.reclaim.free(cluster, count, 'other');
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    const { image } = this;
    if (!this.#loaded || image.readOnly || !image.bitmaps.some((entry) => entry.name === name)) return;
    await settle(image);
    const taken: Run[] = [];
    try {
      await this.#switch(image.bitmaps.filter((entry) => entry.name !== name), taken);
    } catch (error) {
      for (const [cluster, count] of taken) image.reclaim.free(cluster, count, 'other');
      throw error;
    }
  }

  /** Those that can be told to be up to date now can't any more once the disk is written. */
  async #markInUse(): Promise<void> {
    const { image } = this;
    const { file, header } = image;
    const extension = bitmapsOf(header.current.extensions);
    if (extension === undefined || image.bitmaps.length === 0) return;
    image.bitmaps = image.bitmaps.map((entry) => ({ ...entry, flags: entry.flags | BitmapFlag.InUse }));
    const bytes = encodeDirectory(image.bitmaps);
    const done = file.write(Number(extension.directoryOffset), bytes, 0, bytes.length);
    if (done !== undefined) await done;
    await file.flush();
  }

  /** Writes a directory of these entries, lets the header name it, and frees what only the old one referred to. */
  async #switch(entries: readonly BitmapEntry[], taken: Run[]): Promise<void> {
    const { image } = this;
    const { file, header, geometry, metadata, allocator } = image;
    const { clusterSize } = geometry;
    const old = image.bitmaps.length === 0 ? undefined : bitmapsOf(header.current.extensions);
    const freed = await this.#onlyIn(image.bitmaps, entries);
    const bytes = encodeDirectory(entries);
    let offset = 0;
    if (bytes.length > 0) {
      const run = await allocator.allocateTogether(Math.ceil(bytes.length / clusterSize));
      taken.push([run.cluster, run.count]);
      offset = run.cluster * clusterSize;
      const padded = new Uint8Array(run.count * clusterSize);
      padded.set(bytes);
      const done = file.write(offset, padded, 0, padded.length);
      if (done !== undefined) await done;
      image.flusher.linked();
    }
    await image.flusher.flushFully();
    // From here on the header on disk may name the new directory, whatever fails.
    taken.length = 0;
    await writeBitmapsExtension(
      image,
      bytes.length === 0
        ? undefined
        : { count: entries.length, reserved: 0, directorySize: BigInt(bytes.length), directoryOffset: BigInt(offset) },
    );
    image.bitmaps = entries;
    if (bytes.length > 0) metadata.add('bitmap-directory', offset, bytes.length);
    if (old !== undefined) {
      const oldOffset = Number(old.directoryOffset);
      metadata.remove(oldOffset, Number(old.directorySize));
      freed.push([oldOffset / clusterSize, Math.ceil(Number(old.directorySize) / clusterSize)]);
    }
    for (const [cluster, count] of freed) image.reclaim.free(cluster, count, 'other');
  }

  /** Clusters of tables and data that `entries` has no more. What can't be told stays leaked. */
  async #onlyIn(before: readonly BitmapEntry[], entries: readonly BitmapEntry[]): Promise<Run[]> {
    const { clusterSize } = this.image.geometry;
    const freed: Run[] = [];
    for (const entry of before) {
      if (entries.some(({ tableOffset }) => tableOffset === entry.tableOffset)) continue;
      const table = await readBitmapTable(this.image, entry).catch(() => undefined);
      if (table === undefined) continue;
      for (const { offset } of table) if (offset !== 0 && offset < this.image.file.size) freed.push([offset / clusterSize, 1]);
      freed.push([entry.tableOffset / clusterSize, Math.ceil((entry.tableEntries * 8) / clusterSize)]);
    }
    return freed;
  }
}
