/**
 * Places for compressed clusters: packed one behind the other, several to a host cluster, each adding one to the count of
 * every host cluster that it touches.
 */
import { BlockError } from '@blk/core-graph';
import type { Allocator } from './allocator.js';
import type { Geometry } from './format.js';
import type { Refcounts } from './refcounts.js';

export class CompressedSpace {
  /** First unused byte behind the last compressed cluster; 0: none. Never at the start of a host cluster. */
  #tail = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly allocator: Allocator,
    private readonly refcounts: Refcounts,
    private readonly geometry: Geometry,
  ) {}

  /** Room for `length` bytes, less than a cluster; returns its place in the file. One after the other. */
  take(length: number): Promise<number> {
    const taken = this.#last.then(() => this.#take(length));
    this.#last = taken.catch(() => undefined);
    return taken;
  }

  /** Gives back room that nothing was linked to. */
  async giveUp(offset: number, length: number): Promise<void> {
    const { cluster, count } = this.span(offset, length);
    // Once its count is 0, the host cluster may be taken for anything.
    for (let at = cluster; at < cluster + count; at++) this.leave(at);
    await this.allocator.release(cluster, count);
  }

  /** A host cluster is about to lose a reference: nothing is added to it any more. */
  leave(cluster: number): void {
    if (this.#tail !== 0 && Math.floor(this.#tail / this.geometry.clusterSize) === cluster) this.#tail = 0;
  }

  /** Host clusters that `[offset, offset + length)` touches. */
  span(offset: number, length: number): { readonly cluster: number; readonly count: number } {
    const { clusterSize } = this.geometry;
    const cluster = Math.floor(offset / clusterSize);
    return { cluster, count: Math.floor((offset + length - 1) / clusterSize) - cluster + 1 };
  }

  async #take(length: number): Promise<number> {
    const { clusterSize } = this.geometry;
    await this.allocator.tell('cluster_alloc_bytes');
    const tail = this.#tail;
    const room = tail === 0 ? 0 : clusterSize - (tail % clusterSize);
    if (room > 0 && (await this.#mayShare(tail))) {
      const next = length > room ? await this.allocator.take(1) : undefined;
      const reaches = next === undefined || next.cluster === Math.floor(tail / clusterSize) + 1;
      if (reaches && (await this.#share(tail, length))) return tail;
      return this.#begin((next ?? (await this.allocator.take(1))).cluster, length);
    }
    const run = await this.allocator.take(1);
    return this.#begin(run.cluster, length);
  }

  /** Whether one more reference fits the host cluster of the tail, and it has not been left meanwhile. */
  async #mayShare(tail: number): Promise<boolean> {
    const count = await this.refcounts.get(Math.floor(tail / this.geometry.clusterSize));
    return this.#tail === tail && count > 0 && count < this.refcounts.max;
  }

  /** Takes room behind the tail; false where its host cluster was left before the reference was counted. */
  async #share(tail: number, length: number): Promise<boolean> {
    if (this.#tail !== tail) return false;
    const cluster = Math.floor(tail / this.geometry.clusterSize);
    await this.refcounts.change(cluster, 1, 1);
    if (this.#tail !== tail) {
      await this.refcounts.change(cluster, 1, -1);
      return false;
    }
    this.#setTail(tail + length);
    return true;
  }

  #begin(cluster: number, length: number): number {
    const offset = cluster * this.geometry.clusterSize;
    const limit = 2 ** this.geometry.compressedOffsetBits;
    if (offset + length > limit) {
      throw new BlockError('too-large', `Compressed clusters must lie below ${limit} bytes: File too large`, { driver: 'qcow2' });
    }
    this.#setTail(offset + length);
    return offset;
  }

  #setTail(tail: number): void {
    this.#tail = tail % this.geometry.clusterSize === 0 ? 0 : tail;
  }
}
