/** Taking host clusters: the first free ones, in runs as long as wanted and found. */
import { BlockError, isPromise, MAX_SIZE, type Completion, type DebugEvent, type Edge, type MaybePromise } from '@blk/core-graph';
import type { Geometry } from './format.js';
import { getRefcount } from './refcount-codec.js';
import type { Refcounts } from './refcounts.js';
import { noSpace } from './reserve.js';
import type { Table } from './table-cache.js';

/** Host clusters that belong to the caller, with a count of 1. */
export interface Run {
  /** Index of the first cluster. */
  readonly cluster: number;
  readonly count: number;
  /** They were never used and read as zeroes. */
  readonly virgin: boolean;
}

export class Allocator {
  constructor(
    private readonly file: Edge,
    private readonly refcounts: Refcounts,
    private readonly geometry: Geometry,
  ) {}

  /** At least one cluster, at most `want`, one after the other. */
  allocate(want: number): MaybePromise<Run> {
    const told = this.file.event('cluster_alloc');
    return told === undefined ? this.take(want) : told.then(() => this.take(want));
  }

  /** The same for those who call what they allocate by another name. */
  take(want: number): MaybePromise<Run> {
    const told = this.file.event('refblock_alloc');
    return told === undefined ? this.#take(want) : told.then(() => this.#take(want));
  }

  #take(want: number): MaybePromise<Run> {
    const { blockEntries } = this.geometry;
    for (;;) {
      const index = Math.floor(this.refcounts.firstFree / blockEntries);
      const block = this.refcounts.block(index);
      if (isPromise(block)) return this.#allocateAfter(block, want);
      const run = this.#claim(block, want);
      if (run !== undefined) return run;
    }
  }

  /** For those who have no hold on the file themselves. */
  tell(event: DebugEvent): Completion {
    return this.file.event(event);
  }

  /** Exactly `count` clusters, one after the other. */
  async allocateTogether(count: number): Promise<Run> {
    const passedOver: Run[] = [];
    let held: Run | undefined;
    try {
      for (;;) {
        const found: MaybePromise<Run> = this.allocate(count - (held?.count ?? 0));
        const run = isPromise(found) ? await found : found;
        if (held !== undefined && held.cluster + held.count === run.cluster) {
          held = { cluster: held.cluster, count: held.count + run.count, virgin: held.virgin && run.virgin };
        } else {
          if (held !== undefined) passedOver.push(held);
          held = run;
        }
        if (held.count === count) return held;
      }
    } finally {
      for (const run of passedOver) await this.release(run.cluster, run.count);
    }
  }

  /** Gives back clusters that nothing refers to, neither on disk nor in memory. */
  release(cluster: number, count: number): Promise<void> {
    return this.refcounts.change(cluster, count, -1);
  }

  async #allocateAfter(loading: Promise<Table>, want: number): Promise<Run> {
    await loading;
    return this.#take(want);
  }

  #claim(block: Table, want: number): Run | undefined {
    const { blockEntries, refcountOrder, clusterSize } = this.geometry;
    const { refcounts } = this;
    const base = block.index * blockEntries;
    let at = refcounts.firstFree - base;
    while (at < blockEntries && getRefcount(block.view, refcountOrder, at) !== 0) at++;
    refcounts.firstFree = base + at;
    if (at === blockEntries) return undefined;
    const limit = Math.min(at + want, blockEntries, this.#room() - base);
    if (at >= limit) throw noSpace(this.file);
    let end = at + 1;
    while (end < limit && getRefcount(block.view, refcountOrder, end) === 0) end++;
    const cluster = base + at;
    const count = end - at;
    if ((cluster + count) * clusterSize > MAX_SIZE) {
      throw new BlockError('too-large', 'Image file would reach beyond 2^53 bytes: File too large', { driver: 'qcow2' });
    }
    refcounts.claimable(cluster, count);
    for (; at < end; at++) refcounts.put(block, at, 1);
    const virgin = cluster >= refcounts.virginFrom;
    refcounts.used(cluster, count);
    refcounts.firstFree = cluster + count;
    return { cluster, count, virgin };
  }

  /** Clusters that the file can hold: those of a device, or as many as are wanted. */
  #room(): number {
    return this.file.node.driver.growable === true ? Infinity : Math.floor(this.file.size / this.geometry.clusterSize);
  }
}
