/**
 * Internal snapshots: create, apply, delete, show.
 *
 * Each takes effect with one write of the header, which comes after everything that it refers to is on stable storage, and
 * before what it no longer refers to is freed. On the way refcounts and the marks "has one reference" do not agree; counts
 * are never too low, so that a power cut leaves leaks and marks to be put right. Version 3 says so with its dirty bit, and
 * the next opening for writing counts anew; in version 2 the leaks stay until somebody repairs the image.
 */
import { BlockError, type InternalSnapshots, type NewSnapshot, type SnapshotInfo } from '@blk/core-graph';
import { giveBack, settle } from './close-image.js';
import { argumentError } from './errors.js';
import { Incompatible } from './feature-bits.js';
import { l1EntriesFor, MAX_L1_BYTES, MAX_SNAPSHOTS } from './format.js';
import type { L1Table } from './l1-table.js';
import type { Qcow2Image } from './qcow2-image.js';
import { freeTree, readSnapshotL1, refreshMarks, shareTree } from './shared-trees.js';
import { encodeTable, MAX_TABLE_BYTES, newSnapshot, tableOf, type SnapshotTable, type StoredSnapshot } from './snapshot-table.js';
import { dropVmState } from './vm-state.js';

/** Host clusters for something that nothing refers to yet. */
interface Place {
  readonly cluster: number;
  readonly count: number;
  readonly offset: number;
}

const NOWHERE: Place = { cluster: 0, count: 0, offset: 0 };

export class Snapshots implements InternalSnapshots {
  constructor(
    /** The open image, which a repair may replace. */
    private readonly current: () => Qcow2Image,
  ) {}

  private get image(): Qcow2Image {
    return this.current();
  }

  get list(): readonly SnapshotInfo[] {
    return this.image.snapshots.snapshots.map(({ info }) => info);
  }

  /** Data in an external file has its one place, which nothing counts: two states of the disk can't differ there. */
  get refused(): boolean {
    return this.image.geometry.external;
  }

  async create(request: NewSnapshot): Promise<SnapshotInfo> {
    const { image } = this;
    this.#refuseExternal();
    const { snapshots } = image.snapshots;
    if (snapshots.length >= MAX_SNAPSHOTS) throw argumentError(`An image holds at most ${MAX_SNAPSHOTS} snapshots: File too large`, 'too-large');
    const { l1 } = image.l2;
    const id = String(1 + numbersOf(snapshots).reduce((most, number) => Math.max(most, number), 0));
    const entryAt = (offset: number): StoredSnapshot => newSnapshot(id, request, image.size, { offset, entries: l1.length });
    if (tableOf([...snapshots, entryAt(0)]).length > MAX_TABLE_BYTES) throw argumentError('Snapshot table is too big: File too large', 'too-large');
    await this.#unsettled(async () => {
      // Room first: until the tree is shared, nothing that fails leaves more than leaks.
      const copy = await this.#place(unmarked(l1, l1.length).encode());
      try {
        await this.#switchTable(tableOf([...snapshots, entryAt(copy.offset)]), (commit) => this.#shared(l1, commit));
      } catch (error) {
        this.#free(copy);
        throw error;
      }
      image.metadata.add('inactive-l1', copy.offset, l1.length * 8);
    });
    // The machine goes on without the state that it was stopped in.
    await dropVmState(image);
    return this.list[this.list.length - 1];
  }

  async apply(id: string): Promise<void> {
    const { image } = this;
    const { header, l2, metadata } = image;
    this.#refuseExternal();
    const { snapshot, index } = this.#find(id);
    const size = snapshot.info.diskSize ?? image.size;
    const entries = Math.max(snapshot.l1.entries, l1EntriesFor(image.geometry, size));
    if (!Number.isSafeInteger(size) || entries * 8 > MAX_L1_BYTES) throw argumentError('The disk of the snapshot is too big: File too large', 'too-large');
    await this.#unsettled(async () => {
      const kept = await readSnapshotL1(image, snapshot.l1, index);
      const place = await this.#place(unmarked(kept, entries).encode());
      const old = l2.l1;
      try {
        await this.#shared(kept, () => header.commit({ size, l1Size: entries, l1Offset: place.offset }));
      } catch (error) {
        this.#free(place);
        throw error;
      }
      l2.l1 = unmarked(kept, entries, place.offset);
      l2.cache.clear();
      image.size = size;
      metadata.remove(old.offset, old.length * 8);
      metadata.add('active-l1', place.offset, entries * 8);
      this.#unguard(old);
      await freeTree(image, old);
      this.#freeTable(old.offset, old.length * 8);
    });
  }

  async remove(id: string): Promise<void> {
    const { image } = this;
    const { snapshot, index } = this.#find(id);
    await this.#unsettled(async () => {
      const gone = await readSnapshotL1(image, snapshot.l1, index);
      await this.#switchTable(tableOf(image.snapshots.snapshots.filter((other) => other !== snapshot)), async (commit) => {
        await image.flusher.flushFully();
        await commit();
      });
      image.metadata.remove(gone.offset, gone.length * 8);
      this.#unguard(gone);
      await freeTree(image, gone);
      this.#freeTable(gone.offset, gone.length * 8);
    });
  }

  async show(id: string): Promise<void> {
    const { image } = this;
    const { snapshot, index } = this.#find(id);
    if (!image.readOnly) throw argumentError('Device is not readonly');
    const size = Math.max(image.size, snapshot.info.diskSize ?? 0);
    if (!Number.isSafeInteger(size) || l1EntriesFor(image.geometry, size) * 8 > MAX_L1_BYTES) {
      throw argumentError('The disk of the snapshot is too big: File too large', 'too-large');
    }
    image.l2.l1 = await readSnapshotL1(image, snapshot.l1, index);
    image.l2.cache.clear();
    image.size = size;
  }

  #find(id: string): { readonly snapshot: StoredSnapshot; readonly index: number } {
    const index = this.image.snapshots.snapshots.findIndex(({ info }) => info.id === id);
    if (index < 0) throw new BlockError('not-found', "Can't find snapshot", { driver: 'qcow2' });
    return { snapshot: this.image.snapshots.snapshots[index], index };
  }

  #refuseExternal(): void {
    if (this.refused) throw argumentError('Internal snapshots are not supported with an external data file', 'unsupported');
  }

  /** Runs a change during which counts and marks do not agree, between two moments at which everything is written. */
  async #unsettled(change: () => Promise<void>): Promise<void> {
    const { image } = this;
    const { header, flusher, file } = image;
    image.corruption.check();
    await settle(image);
    const { lazy } = flusher;
    flusher.lazy = false;
    const marks = image.geometry.version === 3 && !header.has(Incompatible.Dirty);
    if (marks) {
      await header.update({ incompatible: header.current.incompatible | Incompatible.Dirty });
      await file.flush();
    }
    let failure: { readonly error: unknown } | undefined;
    try {
      await change();
    } catch (error) {
      failure = { error };
    }
    try {
      // What fails once may be done the second time.
      await this.#putRight().catch(() => this.#putRight());
      if (marks && !lazy) await header.update({ incompatible: header.current.incompatible & ~Incompatible.Dirty });
      await file.flush();
    } catch (error) {
      image.uncertain = true;
      failure ??= { error };
    } finally {
      flusher.lazy = lazy;
    }
    if (failure !== undefined) throw failure.error;
  }

  /**
   * Whether it went well or was taken back: counts go down and marks come back, and both are written together. Tables in the cache may carry old marks.
   */
  async #putRight(): Promise<void> {
    const { image } = this;
    await giveBack(image);
    image.l2.cache.clear();
    await refreshMarks(image);
    await settle(image);
  }

  /** Writes bytes into new clusters. */
  async #place(bytes: Uint8Array): Promise<Place> {
    if (bytes.length === 0) return NOWHERE;
    const { allocator, geometry, file, flusher } = this.image;
    const { clusterSize } = geometry;
    const run = await allocator.allocateTogether(Math.ceil(bytes.length / clusterSize));
    const offset = run.cluster * clusterSize;
    try {
      const padded = new Uint8Array(run.count * clusterSize);
      padded.set(bytes);
      const done = file.write(offset, padded, 0, padded.length);
      if (done !== undefined) await done;
      flusher.linked();
    } catch (error) {
      await allocator.release(run.cluster, run.count).catch(() => undefined);
      throw error;
    }
    return { cluster: run.cluster, count: run.count, offset };
  }

  /** Adds a reference to all of a tree before the header tells of it. */
  async #shared(l1: L1Table, commit: () => Promise<void>): Promise<void> {
    const { image } = this;
    await shareTree(image, l1);
    try {
      if (l1 === image.l2.l1) unmark(l1);
      await image.flusher.flushFully();
      await commit();
    } catch (error) {
      await freeTree(image, l1);
      throw error;
    }
  }

  /** Lets the header name another snapshot table; `how`: what is done around that. */
  async #switchTable(table: SnapshotTable, how: (commit: () => Promise<void>) => Promise<void>): Promise<void> {
    const { image } = this;
    const { header, metadata } = image;
    const { snapshotsOffset } = header.current;
    const { length } = image.snapshots;
    const place = await this.#place(encodeTable(table));
    try {
      await how(() => header.commit({ snapshotCount: table.snapshots.length, snapshotsOffset: place.offset }));
    } catch (error) {
      this.#free(place);
      throw error;
    }
    image.snapshots = table;
    metadata.remove(snapshotsOffset, length);
    metadata.add('snapshot-table', place.offset, table.length);
    this.#freeTable(snapshotsOffset, length);
  }

  /** The L2 tables of a tree that goes may be used for anything afterwards; those that are active as well stay guarded. */
  #unguard(gone: L1Table): void {
    const { metadata, geometry, l2 } = this.image;
    for (const offset of gone.offsets) if (offset !== 0) metadata.remove(offset, geometry.clusterSize);
    for (const offset of l2.l1.offsets) if (offset !== 0) metadata.add('active-l2', offset, geometry.clusterSize);
  }

  /** With the next flush: until then the header on disk may name the place. */
  #free({ cluster, count }: Place): void {
    if (count > 0) this.image.reclaim.free(cluster, count, 'other');
  }

  #freeTable(offset: number, bytes: number): void {
    const { clusterSize } = this.image.geometry;
    if (bytes > 0) this.image.reclaim.free(offset / clusterSize, Math.ceil(bytes / clusterSize), 'other');
  }
}

/** The ids that are numbers, as all are that this package or QEMU gave. */
function numbersOf(snapshots: readonly StoredSnapshot[]): number[] {
  return snapshots.map(({ info }) => Number(info.id)).filter((number) => Number.isSafeInteger(number) && number < Number.MAX_SAFE_INTEGER);
}

/** The table with other entries' room, and without marks: all that it refers to has further references. */
function unmarked(l1: L1Table, length: number, offset = 0): L1Table {
  const copy = l1.moved(length, offset);
  copy.copied.fill(0);
  return copy;
}

/** The same in place. */
function unmark(l1: L1Table): void {
  l1.copied.fill(0);
  if (l1.length > 0) l1.touch(0, l1.length);
}
