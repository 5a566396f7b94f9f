/** The L2 tables: found through the L1 table, read into a cache, made or copied before they change. */
import { isPromise, type Edge, type MaybePromise } from '@blk/core-graph';
import type { Allocator } from './allocator.js';
import { hex, type Corruption } from './corruption.js';
import type { Geometry } from './format.js';
import type { L1Table } from './l1-table.js';
import type { MetadataMap } from './overlap.js';
import type { Reclaim } from './reclaim.js';
import { reserve } from './reserve.js';
import { TableCache, type Table } from './table-cache.js';

export class L2Tables {
  readonly cache: TableCache;
  readonly #making = new Map<number, Promise<Table>>();

  constructor(
    private readonly file: Edge,
    private readonly geometry: Geometry,
    /** Replaced when the table grows. */
    public l1: L1Table,
    private readonly corruption: Corruption,
    private readonly metadata: MetadataMap,
    private readonly reclaim: Reclaim,
    /** Absent: the image is read-only. */
    private readonly allocator: Allocator | undefined,
    cacheTables: number,
  ) {
    this.cache = new TableCache(file, geometry.clusterSize, cacheTables, 'l2_load');
  }

  /** Whether guest range `l1Index` has a table at all; without one, all its clusters are unallocated. */
  exists(l1Index: number): boolean {
    return l1Index < this.l1.length && this.l1.offsets[l1Index] !== 0;
  }

  /** The table of a range that has one. */
  load(l1Index: number): MaybePromise<Table> {
    const cached = this.cache.peek(l1Index);
    if (cached !== undefined) return this.#opened(cached);
    this.corruption.check();
    const offset = this.l1.offsets[l1Index];
    const { clusterSize } = this.geometry;
    if (offset % clusterSize !== 0) {
      throw this.corruption.found(`L2 table offset ${hex(offset)} unaligned (L1 index: ${hex(l1Index)})`, offset, clusterSize);
    }
    if (offset + clusterSize > this.file.size) {
      throw this.corruption.found(`L2 table offset ${hex(offset)} beyond the end of the file (L1 index: ${hex(l1Index)})`, offset, clusterSize);
    }
    const table = this.cache.load(l1Index, offset);
    if (!isPromise(table)) return this.#opened(table);
    return table.then((loaded) => this.#opened(loaded));
  }

  /** The table of a range, made where there is none, copied where others refer to it; its entries may be changed. */
  writable(l1Index: number): MaybePromise<Table> {
    const cached = this.cache.peek(l1Index);
    if (cached?.writable === true) return cached;
    const making = this.#making.get(l1Index);
    if (making !== undefined) return making;
    if (this.exists(l1Index) && this.l1.copied[l1Index] === 1) return this.load(l1Index);
    const made = this.#make(l1Index).finally(() => this.#making.delete(l1Index));
    this.#making.set(l1Index, made);
    return made;
  }

  /** Takes away the table of a range whose clusters are all unallocated. */
  forget(l1Index: number): void {
    if (!this.exists(l1Index)) return;
    const offset = this.l1.offsets[l1Index];
    if (offset % this.geometry.clusterSize !== 0) return;
    this.cache.drop(l1Index);
    this.l1.set(l1Index, 0, false);
    this.metadata.remove(offset, this.geometry.clusterSize, 'active-l2');
    this.reclaim.free(offset / this.geometry.clusterSize, 1);
  }

  #opened(table: Table): Table {
    table.writable = this.l1.copied[table.index] === 1;
    return table;
  }

  async #make(l1Index: number): Promise<Table> {
    const allocator = this.allocator as Allocator;
    const run = await allocator.allocate(1);
    const offset = run.cluster * this.geometry.clusterSize;
    try {
      await this.file.event('l2_alloc_write');
      await reserve(this.file, offset, this.geometry.clusterSize);
      if (this.exists(l1Index)) await this.file.event('l2_alloc_cow_read');
      let found: MaybePromise<Table> | undefined = this.exists(l1Index) ? this.load(l1Index) : undefined;
      while (found !== undefined && isPromise(found)) {
        await found;
        // It may have left the cache again meanwhile.
        found = this.load(l1Index);
      }
      return this.#place(l1Index, found, offset);
    } catch (error) {
      await allocator.release(run.cluster, 1);
      throw error;
    }
  }

  /** Puts a new table, or a copy of one that others refer to as well, in a cluster of its own. */
  #place(l1Index: number, shared: Table | undefined, offset: number): Table {
    const { clusterSize } = this.geometry;
    const table = shared ?? this.cache.create(l1Index, offset);
    if (shared !== undefined) {
      this.metadata.remove(shared.offset, clusterSize, 'active-l2');
      this.reclaim.free(shared.offset / clusterSize, 1);
      shared.offset = offset;
      this.cache.mark(shared, 0, clusterSize);
    }
    table.writable = true;
    this.metadata.add('active-l2', offset, clusterSize);
    this.l1.set(l1Index, offset, true);
    return table;
  }
}
