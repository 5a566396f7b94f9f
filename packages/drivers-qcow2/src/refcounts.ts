/**
 * Reference counts of host clusters: the table of blocks in memory, the blocks through a cache, lookup and change.
 *
 * Counts go up in memory when clusters are taken, and may reach the disk at any time: a count that is too high is a leak.
 * They go down only through `reclaim.ts`, when nothing on stable storage refers to the cluster any more.
 */
import { BlockError, isPromise, MAX_SIZE, type Edge, type MaybePromise } from '@blk/core-graph';
import { hex, type Corruption } from './corruption.js';
import { MAX_REFCOUNT_TABLE_BYTES, putU64, viewOf, type Geometry } from './format.js';
import type { MetadataMap } from './overlap.js';
import { getRefcount, maxRefcount, refcountBytes, setRefcount } from './refcount-codec.js';
import { reserve } from './reserve.js';
import { TableCache, type Table } from './table-cache.js';

/** Changes of the refcount table that are not on disk yet. */
export interface TableLinks {
  /** The whole table at a new place, or single entries at the present one. */
  readonly moved: boolean;
  readonly offset: number;
  readonly clusters: number;
  readonly writes: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  readonly indexes: readonly number[];
}

export class Refcounts {
  readonly cache: TableCache;
  readonly max: number;
  /** Clusters from here on were never used: beyond the end of the file, they read as zeroes. */
  virginFrom: number;
  /** No free cluster lies before this one. */
  firstFree = 0;
  #newBlocks = new Set<number>();
  #moved = false;
  #making: Promise<unknown> | undefined;

  constructor(
    private readonly file: Edge,
    private readonly geometry: Geometry,
    private readonly metadata: MetadataMap,
    private readonly corruption: Corruption,
    /** Place of each block in bytes; 0: none, all its counts are 0. */
    public table: Float64Array,
    public tableOffset: number,
    public tableClusters: number,
    cacheTables: number,
    /** The clusters of a table that moved, to be freed when the header names the new one. */
    private readonly freeOldTable: (cluster: number, count: number) => void,
  ) {
    this.cache = new TableCache(file, geometry.clusterSize, cacheTables, 'refblock_load');
    this.max = maxRefcount(geometry.refcountOrder);
    this.virginFrom = Math.ceil(file.size / geometry.clusterSize);
  }

  get dirty(): boolean {
    return this.cache.dirtyCount > 0 || this.#moved || this.#newBlocks.size > 0;
  }

  /** The table has a new place that the header does not name yet. */
  get moved(): boolean {
    return this.#moved;
  }

  /** The block with this index; made, with all counts 0, where there is none. */
  block(index: number): MaybePromise<Table> {
    const cached = this.cache.peek(index);
    if (cached !== undefined) return cached;
    const offset = index < this.table.length ? this.table[index] : 0;
    if (offset === 0) {
      // One after the other: they may bring a longer table with them.
      this.#making ??= this.#makeBlock(index).finally(() => (this.#making = undefined));
      return this.#making.then(() => this.block(index));
    }
    const { clusterSize } = this.geometry;
    if (offset % clusterSize !== 0) {
      throw this.corruption.found(`Refblock offset ${hex(offset)} unaligned (reftable index: ${hex(index)})`, offset);
    }
    if (offset + clusterSize > this.file.size) {
      throw this.corruption.found(`Refblock offset ${hex(offset)} beyond the end of the file (reftable index: ${hex(index)})`, offset);
    }
    return this.cache.load(index, offset);
  }

  /** The count of a host cluster. */
  get(cluster: number): MaybePromise<number> {
    const { blockEntries, refcountOrder } = this.geometry;
    const index = Math.floor(cluster / blockEntries);
    if (index >= this.table.length || this.table[index] === 0) return 0;
    const block = this.block(index);
    const at = cluster - index * blockEntries;
    if (isPromise(block)) return block.then((loaded) => getRefcount(loaded.view, refcountOrder, at));
    return getRefcount(block.view, refcountOrder, at);
  }

  /** Adds `delta` to the counts of clusters `[cluster, cluster + count)`, which stay between 0 and the maximum. */
  async change(cluster: number, count: number, delta: 1 | -1): Promise<void> {
    const { blockEntries, refcountOrder } = this.geometry;
    for (let at = cluster; at < cluster + count; ) {
      const index = Math.floor(at / blockEntries);
      const end = Math.min(cluster + count, (index + 1) * blockEntries);
      if (delta < 0 && (index >= this.table.length || this.table[index] === 0)) throw this.#underflow(at);
      let block = this.block(index);
      while (isPromise(block)) {
        await block;
        block = this.block(index);
      }
      for (; at < end; at++) {
        const old = getRefcount(block.view, refcountOrder, at - index * blockEntries);
        if (old + delta < 0) throw this.#underflow(at);
        if (old + delta > this.max) {
          throw new BlockError('io', `Refcount of cluster ${hex(at)} is at its maximum of ${this.max}`, { driver: 'qcow2' });
        }
        this.put(block, at - index * blockEntries, old + delta);
        if (old + delta === 0 && at < this.firstFree) this.firstFree = at;
      }
    }
  }

  /**
   * Adds a reference to clusters that are in use, to all of them or to none. Throws kind `invalid-argument` where a count
   * would pass the maximum, `corrupt` where one is 0.
   */
  async raise(cluster: number, count: number): Promise<void> {
    const { blockEntries, refcountOrder } = this.geometry;
    for (let at = cluster; at < cluster + count; ) {
      const index = Math.floor(at / blockEntries);
      const end = Math.min(cluster + count, (index + 1) * blockEntries);
      const known = index < this.table.length && this.table[index] !== 0;
      let block = known ? this.block(index) : undefined;
      while (isPromise(block)) {
        await block;
        block = this.block(index);
      }
      const base = index * blockEntries;
      for (let each = at; each < end; each++) {
        const old = block === undefined ? 0 : getRefcount(block.view, refcountOrder, each - base);
        if (old > 0 && old < this.max) continue;
        if (at > cluster) await this.change(cluster, at - cluster, -1);
        if (old > 0) {
          throw new BlockError('invalid-argument', `Refcount of cluster ${hex(each)} is at its maximum of ${this.max}`, { driver: 'qcow2' });
        }
        throw new BlockError('corrupt', `Refcount of cluster ${hex(each)} is 0 though it is in use`, { driver: 'qcow2' });
      }
      for (; block !== undefined && at < end; at++) this.put(block, at - base, getRefcount(block.view, refcountOrder, at - base) + 1);
    }
  }

  /** Sets one count in a block that is in the cache. */
  put(block: Table, at: number, value: number): void {
    const { refcountOrder } = this.geometry;
    setRefcount(block.view, refcountOrder, at, value);
    const range = refcountBytes(refcountOrder, at, at + 1);
    this.cache.mark(block, range.from, range.to);
  }

  /** What the table has to be told, which from now on counts as written. */
  takeLinks(): TableLinks | undefined {
    if (!this.#moved && this.#newBlocks.size === 0) return undefined;
    const indexes = [...this.#newBlocks];
    const writes = this.#moved
      ? [{ offset: this.tableOffset, bytes: this.#encode(0, this.table.length) }]
      : indexes.map((index) => ({ offset: this.tableOffset + index * 8, bytes: this.#encode(index, index + 1) }));
    const links = { moved: this.#moved, offset: this.tableOffset, clusters: this.tableClusters, writes, indexes };
    this.#moved = false;
    this.#newBlocks = new Set();
    return links;
  }

  /** Takes back what `takeLinks` gave and could not be written. */
  restoreLinks(links: TableLinks): void {
    this.#moved ||= links.moved;
    for (const index of links.indexes) this.#newBlocks.add(index);
  }

  /** A block where there is none; its own place is the first cluster that it counts, which is free as all of them are. */
  async #makeBlock(index: number): Promise<void> {
    if (index >= this.table.length) return this.#growTable(index);
    const cluster = index * this.geometry.blockEntries;
    this.claimable(cluster, 1);
    await this.file.event('refblock_alloc_write');
    await reserve(this.file, cluster * this.geometry.clusterSize, this.geometry.clusterSize);
    this.put(this.placeBlock(index, cluster), 0, 1);
  }

  /** Makes block `index` in host cluster `cluster`, whose own count is the caller's to set. */
  placeBlock(index: number, cluster: number): Table {
    const { clusterSize } = this.geometry;
    this.table[index] = cluster * clusterSize;
    this.#newBlocks.add(index);
    this.metadata.add('refcount-block', cluster * clusterSize, clusterSize);
    this.used(cluster, 1);
    return this.cache.create(index, cluster * clusterSize);
  }

  /** Throws where clusters that are said to be free hold metadata. */
  claimable(cluster: number, count: number): void {
    const hit = this.metadata.hit(cluster, count) ?? (cluster === 0 ? 'qcow2_header' : undefined);
    if (hit === undefined) return;
    const { clusterSize } = this.geometry;
    throw this.corruption.found(
      `Preventing invalid write on metadata (overlaps with ${hit})`,
      cluster * clusterSize,
      count * clusterSize,
    );
  }

  /**
   * Takes away blocks at the end of the table that count nothing but themselves. Nothing may be allocated meanwhile; the space
   * that they take is free when the table is written.
   */
  async dropLastBlocks(): Promise<void> {
    const { blockEntries, clusterSize, refcountOrder } = this.geometry;
    for (let index = this.table.length - 1; index > 0; index--) {
      const own = this.table[index] / clusterSize;
      if (own === 0) continue;
      const found = this.block(index);
      const block = isPromise(found) ? await found : found;
      const inside = own - index * blockEntries;
      for (let at = 0; at < blockEntries; at++) if (at !== inside && getRefcount(block.view, refcountOrder, at) !== 0) return;
      // One that another block counts would have to be given back there.
      if (inside < 0 || inside >= blockEntries) return;
      this.table[index] = 0;
      this.#newBlocks.add(index);
      this.cache.drop(index);
      this.metadata.remove(own * clusterSize, clusterSize, 'refcount-block');
    }
  }

  /** Notes that clusters are in use, so that they are not virgin any more. */
  used(cluster: number, count: number): void {
    if (cluster + count > this.virginFrom) this.virginFrom = cluster + count;
  }

  /**
   * A longer table, followed by nothing: at the start of what it newly covers come the blocks that count them all, then the
   * table itself. On disk the old one stays in force until the header names the new one.
   */
  async #growTable(index: number): Promise<void> {
    const { blockEntries, clusterSize } = this.geometry;
    const base = index * blockEntries;
    let blocks = 1;
    let clusters = 1;
    let length = 0;
    for (let before = -1; before !== blocks + clusters; ) {
      before = blocks + clusters;
      const atLeast = index + blocks;
      length = Math.max(atLeast, Math.min(Math.ceil(this.table.length * 1.5), MAX_REFCOUNT_TABLE_BYTES / 8));
      clusters = Math.ceil((length * 8) / clusterSize);
      blocks = Math.max(blocks, Math.ceil((blocks + clusters) / blockEntries));
    }
    if (clusters * clusterSize > MAX_REFCOUNT_TABLE_BYTES || (base + blocks + clusters) * clusterSize > MAX_SIZE) {
      throw new BlockError('too-large', 'Image file would outgrow its refcount table: File too large', { driver: 'qcow2' });
    }
    this.claimable(base, blocks + clusters);
    await this.file.event('reftable_grow');
    await this.file.event('refblock_alloc_write_blocks');
    await reserve(this.file, base * clusterSize, (blocks + clusters) * clusterSize);
    this.moveTable(base + blocks, clusters);
    const made = Array.from({ length: blocks }, (_, at) => this.placeBlock(index + at, base + at));
    for (let at = 0; at < blocks + clusters; at++) this.put(made[Math.floor(at / blockEntries)], at % blockEntries, 1);
    this.used(base, blocks + clusters);
  }

  /** Gives the table `clusters` clusters from `cluster` on, whose counts are the caller's to set. */
  moveTable(cluster: number, clusters: number): void {
    const { clusterSize } = this.geometry;
    const table = new Float64Array((clusters * clusterSize) / 8);
    table.set(this.table);
    this.metadata.remove(this.tableOffset, this.tableClusters * clusterSize, 'refcount-table');
    this.freeOldTable(this.tableOffset / clusterSize, this.tableClusters);
    this.table = table;
    this.tableOffset = cluster * clusterSize;
    this.tableClusters = clusters;
    this.#moved = true;
    this.metadata.add('refcount-table', this.tableOffset, clusters * clusterSize);
    this.used(cluster, clusters);
  }

  #underflow(cluster: number): BlockError {
    return this.corruption.found(`Refcount of cluster ${hex(cluster)} would fall below 0`, cluster * this.geometry.clusterSize);
  }

  #encode(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array((to - from) * 8);
    const view = viewOf(bytes);
    for (let index = from; index < to; index++) putU64(view, (index - from) * 8, this.table[index]);
    return bytes;
  }
}
