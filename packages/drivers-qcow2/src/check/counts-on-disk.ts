/** The refcounts that the image has on disk, whatever state they are in: read through a few blocks in memory, changed in place. */
import { isPromise, type MaybePromise } from '@blk/core-graph';
import { u64, viewOf } from '../format.js';
import { getRefcount, refcountBytes, setRefcount } from '../refcount-codec.js';
import type { CheckRun } from './run.js';

/** Blocks in memory. */
const CACHED_BLOCKS = 32;

interface Block {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  dirtyFrom: number;
  dirtyTo: number;
}

/** One entry of the refcount table, taken apart. */
export interface TableEntry {
  /** Bytes; beyond 2^53 it is not exact. */
  readonly offset: number;
  readonly reserved: boolean;
}

export class CountsOnDisk {
  readonly #blocks = new Map<number, Block>();

  private constructor(
    private readonly run: CheckRun,
    private readonly table: Uint8Array,
  ) {}

  static async read(run: CheckRun): Promise<CountsOnDisk> {
    const { refcountTableOffset: offset, refcountTableClusters } = run.header.current;
    const length = refcountTableClusters * run.geometry.clusterSize;
    // What lies behind the end of the file is zero, and need not be kept.
    const table = new Uint8Array(Math.max(0, Math.min(length, run.file.size - offset)));
    await run.read(offset, table);
    return new CountsOnDisk(run, table);
  }

  /** Entries of the refcount table; those behind them are zero. */
  get entries(): number {
    return Math.floor(this.table.length / 8);
  }

  entry(index: number): TableEntry {
    if (index >= this.entries) return { offset: 0, reserved: false };
    const view = viewOf(this.table);
    const reserved = view.getUint32(index * 8 + 4) & 0x1ff;
    return { offset: u64(view, index * 8) - reserved, reserved: reserved !== 0 };
  }

  /** The count of a cluster; undefined where its block can't be read. */
  get(cluster: number): MaybePromise<number | undefined> {
    const { blockEntries, refcountOrder } = this.run.geometry;
    const index = Math.floor(cluster / blockEntries);
    const at = cluster - index * blockEntries;
    const block = this.#blocks.get(index);
    if (block !== undefined) return getRefcount(block.view, refcountOrder, at);
    const { offset } = this.entry(index);
    if (offset === 0) return 0;
    if (offset % this.run.geometry.clusterSize !== 0 || offset >= 2 ** 63) return undefined;
    return this.#load(index, offset).then(({ view }) => getRefcount(view, refcountOrder, at));
  }

  /** Changes a count whose block is there. Written by `flush`, or when the block leaves memory. */
  async set(cluster: number, count: number): Promise<void> {
    const { blockEntries, refcountOrder } = this.run.geometry;
    const index = Math.floor(cluster / blockEntries);
    const at = cluster - index * blockEntries;
    const block = this.#blocks.get(index) ?? (await this.#load(index, this.entry(index).offset));
    setRefcount(block.view, refcountOrder, at, count);
    const { from, to } = refcountBytes(refcountOrder, at, at + 1);
    block.dirtyFrom = Math.min(block.dirtyFrom, from - (from % 512));
    block.dirtyTo = Math.max(block.dirtyTo, Math.ceil(to / 512) * 512);
  }

  /** Writes what was changed, and waits until it is on stable storage. */
  async flush(): Promise<void> {
    for (const block of this.#blocks.values()) await this.#write(block);
    await this.run.flush();
  }

  /** Throws away what was changed and not written; blocks are read again. */
  forget(): void {
    this.#blocks.clear();
  }

  async #load(index: number, offset: number): Promise<Block> {
    for (const [oldest, block] of this.#blocks) {
      if (this.#blocks.size < CACHED_BLOCKS) break;
      await this.#write(block);
      this.#blocks.delete(oldest);
    }
    const bytes = new Uint8Array(this.run.geometry.clusterSize);
    const done = this.run.read(offset, bytes);
    if (isPromise(done)) await done;
    const block = { offset, bytes, view: viewOf(bytes), dirtyFrom: Infinity, dirtyTo: 0 };
    this.#blocks.set(index, block);
    return block;
  }

  async #write(block: Block): Promise<void> {
    if (block.dirtyTo <= block.dirtyFrom) return;
    await this.run.write(block.offset + block.dirtyFrom, block.bytes.subarray(block.dirtyFrom, block.dirtyTo));
    block.dirtyFrom = Infinity;
    block.dirtyTo = 0;
  }
}
