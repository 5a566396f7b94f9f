/**
 * Writing metadata in an order that survives a power cut at any moment.
 *
 * Between two flushes of the file, the host may do writes in any order. So the tables are taken as they are at one moment,
 * and written in stages with a flush of the file between stages that depend on each other:
 *
 * 1. refcount blocks (counts that are too high are leaks);
 * 2. the refcount table, or the header that names a new one: its blocks must be there first;
 * 3. L2 tables: the data, the counts and the copied data of what they refer to must be there first;
 * 4. the L1 table: its L2 tables must be there first;
 * 5. the last flush, after which freed clusters may be given back (`reclaim.ts`).
 *
 * With lazy refcounts, stages 1 and 2 are left out until the image is closed; the dirty bit says so.
 */
import { andThen, type Completion, type Edge } from '@blk/core-graph';
import type { Corruption } from './corruption.js';
import { Incompatible } from './feature-bits.js';
import type { HeaderFile } from './header-file.js';
import type { L2Tables } from './l2-tables.js';
import { forAll } from './pending.js';
import type { Reclaim } from './reclaim.js';
import type { Refcounts, TableLinks } from './refcounts.js';
import type { Snapshot } from './table-cache.js';

/** Freed clusters that may pile up before a flush is made for their sake. */
const MOST_WAITING = 8192;

export class Flusher {
  /** Refcounts are written only when the image is closed. */
  lazy: boolean;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** Something that tables refer to was written and not flushed. */
  #unflushed = false;

  constructor(
    private readonly file: Edge,
    /** The external data file, where there is one. */
    private readonly data: Edge | undefined,
    private readonly header: HeaderFile,
    private readonly l2: L2Tables,
    private readonly refcounts: Refcounts,
    private readonly reclaim: Reclaim,
    private readonly corruption: Corruption,
    lazy: boolean,
  ) {
    this.lazy = lazy;
  }

  /** A table entry now refers to data that was just written. */
  linked(): void {
    this.#unflushed = true;
  }

  /** Puts all that was done before this call on stable storage. */
  flush(): Completion {
    this.corruption.check();
    if (this.#running === undefined && !this.#isDirty()) return this.#flushFiles();
    return this.#queue();
  }

  /** As `flush`, with the refcounts that lazy ones hold back. */
  async flushFully(): Promise<void> {
    const { lazy } = this;
    this.lazy = false;
    try {
      const done = this.flush();
      if (done !== undefined) await done;
    } finally {
      this.lazy = lazy;
    }
  }

  /** Writes tables before they crowd out the cache, and frees what piles up; undefined where there is room. */
  relieve(): Completion {
    const { l2, refcounts, reclaim } = this;
    if (l2.cache.isFull || (!this.lazy && refcounts.cache.isFull) || reclaim.waiting > MOST_WAITING) return this.#queue();
  }

  /** Resolves when no flush is under way. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
  }

  #isDirty(): boolean {
    const { header, l2, refcounts, reclaim } = this;
    return header.stale || l2.cache.dirtyCount > 0 || l2.l1.dirty || reclaim.waiting > 0 || (!this.lazy && refcounts.dirty);
  }

  #queue(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    // One flush that begins after this moment serves all who ask until then.
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#running ?? this.#start();
      });
    return this.#next;
  }

  #start(): Promise<void> {
    const run = this.#run().finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    this.#running = run;
    return run;
  }

  async #run(): Promise<void> {
    this.corruption.check();
    const { l2, refcounts, reclaim } = this;
    const { l1 } = l2;
    const generation = reclaim.seal();
    const tables = l2.cache.takeDirty();
    const l1Entries = l1.takeDirty();
    // A refcount table that moves leaves its old clusters to others: those on disk must know.
    const lazy = this.lazy && !refcounts.moved;
    const blocks = lazy ? [] : refcounts.cache.takeDirty();
    const links = lazy ? undefined : refcounts.takeLinks();
    let written = false;
    try {
      if (this.header.stale) {
        await this.header.update({});
        this.#unflushed = true;
      }
      if (this.lazy && (tables.length > 0 || l1Entries !== undefined)) await this.#setDirtyBit();
      await this.#writeBlocks(blocks);
      if (links !== undefined) {
        await this.#writeLinks(links);
      }
      if (tables.length > 0) {
        await this.#barrier();
        await this.file.event('l2_update');
        await this.#writeTables(tables);
      }
      if (l1Entries !== undefined) {
        await this.#barrier();
        await this.file.event('l1_update');
        await this.#write([{ offset: l1.offset + l1Entries.from * 8, bytes: l1Entries.bytes }]);
      }
      this.#unflushed = false;
      await this.#flushFiles();
      written = true;
    } finally {
      l2.cache.settle(tables, written);
      refcounts.cache.settle(blocks, written);
      if (!written) {
        if (l1Entries !== undefined) l1.touch(l1Entries.from, l1Entries.to);
        if (links !== undefined) refcounts.restoreLinks(links);
        this.#unflushed = true;
      }
      reclaim.settle(generation, written);
    }
  }

  async #writeBlocks(blocks: readonly Snapshot[]): Promise<void> {
    if (blocks.length === 0) return;
    const whole = blocks.some(({ table, bytes }) => bytes.length === table.bytes.length);
    if (whole) await this.file.event('refblock_update');
    // QEMU's driver tells of this one whatever it writes.
    await this.file.event('refblock_update_part');
    await this.#writeTables(blocks);
  }

  /** The refcount table learns of new blocks, whole and at another place or entry by entry. */
  async #writeLinks(links: TableLinks): Promise<void> {
    if (links.moved) {
      await this.file.event('refblock_alloc_write_table');
      await this.#write(links.writes);
    }
    await this.#barrier();
    if (links.moved) {
      await this.file.event('refblock_alloc_switch_table');
      await this.header.update({ refcountTableOffset: links.offset, refcountTableClusters: links.clusters });
    } else {
      await this.file.event('refblock_alloc_hookup');
      await this.file.event('reftable_update');
      await this.#write(links.writes);
    }
    this.#unflushed = true;
  }

  async #setDirtyBit(): Promise<void> {
    if (this.header.has(Incompatible.Dirty)) return;
    await this.header.update({ incompatible: this.header.current.incompatible | Incompatible.Dirty });
    this.#unflushed = true;
    await this.#barrier();
  }

  async #barrier(): Promise<void> {
    if (!this.#unflushed) return;
    this.#unflushed = false;
    try {
      await this.#flushFiles();
    } catch (error) {
      this.#unflushed = true;
      throw error;
    }
  }

  /** Data before what refers to it. */
  #flushFiles(): Completion {
    return this.data === undefined ? this.file.flush() : andThen(this.data.flush(), () => this.file.flush());
  }

  async #writeTables(snapshots: readonly Snapshot[]): Promise<void> {
    await this.#write(snapshots.map(({ offset, from, bytes }) => ({ offset: offset + from, bytes })));
  }

  async #write(writes: readonly { readonly offset: number; readonly bytes: Uint8Array }[]): Promise<void> {
    if (writes.length === 0) return;
    this.#unflushed = true;
    await forAll(writes, ({ offset, bytes }) => this.file.write(offset, bytes, 0, bytes.length));
  }
}
