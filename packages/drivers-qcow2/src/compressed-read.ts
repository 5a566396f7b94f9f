/** Compressed clusters: where their bytes lie, how they are inflated, and a few of them kept. */
import { BlockError, isPromise, type Edge, type MaybePromise } from '@blk/core-graph';
import { inflate, inflateAsync } from '#deflate';
import { hex } from './corruption.js';
import type { Geometry } from './format.js';
import { compressedRange, type CompressedRange } from './l2-entry.js';

/** Bytes of inflated clusters that are kept; at least two clusters are. */
const CACHE_BYTES = 1024 * 1024;

export class CompressedClusters {
  /** By place in the file, in the order of use. */
  readonly #kept = new Map<number, Uint8Array>();
  readonly #loading = new Map<number, Promise<Uint8Array>>();
  readonly #limit: number;

  constructor(
    private readonly file: Edge,
    private readonly geometry: Geometry,
  ) {
    this.#limit = Math.max(2, Math.floor(CACHE_BYTES / geometry.clusterSize));
  }

  /** The content of the cluster that an L2 entry describes. `many`: others are read at the same time, so use threads. */
  read(high: number, low: number, many: boolean): MaybePromise<Uint8Array> {
    const range = compressedRange(high, low, this.geometry);
    const kept = this.#kept.get(range.offset);
    if (kept !== undefined) {
      this.#kept.delete(range.offset);
      this.#kept.set(range.offset, kept);
      return kept;
    }
    const loading = this.#loading.get(range.offset);
    if (loading !== undefined) return loading;
    const cluster = this.#load(range, many);
    if (!isPromise(cluster)) return this.#keep(range.offset, cluster);
    const promise: Promise<Uint8Array> = cluster
      .then((bytes) => (this.#loading.get(range.offset) === promise ? this.#keep(range.offset, bytes) : bytes))
      .finally(() => {
        if (this.#loading.get(range.offset) === promise) this.#loading.delete(range.offset);
      });
    this.#loading.set(range.offset, promise);
    return promise;
  }

  /** The bytes at this place changed. */
  forget(offset: number): void {
    this.#kept.delete(offset);
    this.#loading.delete(offset);
  }

  #load(range: CompressedRange, many: boolean): MaybePromise<Uint8Array> {
    const { offset } = range;
    const length = Math.min(range.length, this.file.size - offset);
    if (length <= 0) throw damaged(range, 'lies beyond the end of the file');
    const bytes = new Uint8Array(length);
    const done = this.file.read(offset, bytes, 0, length);
    if (done === undefined) return many ? this.#inflateAsync(range, bytes) : this.#inflate(range, bytes);
    return done.then(() => (many ? this.#inflateAsync(range, bytes) : this.#inflate(range, bytes)));
  }

  #inflate(range: CompressedRange, bytes: Uint8Array): Uint8Array {
    try {
      return this.#check(range, inflate(bytes, this.geometry.clusterSize));
    } catch (error) {
      throw error instanceof BlockError ? error : damaged(range, 'can not be inflated', error);
    }
  }

  async #inflateAsync(range: CompressedRange, bytes: Uint8Array): Promise<Uint8Array> {
    try {
      return this.#check(range, await inflateAsync(bytes, this.geometry.clusterSize));
    } catch (error) {
      throw error instanceof BlockError ? error : damaged(range, 'can not be inflated', error);
    }
  }

  #check(range: CompressedRange, cluster: Uint8Array): Uint8Array {
    if (cluster.length === this.geometry.clusterSize) return cluster;
    throw damaged(range, `holds ${cluster.length} bytes instead of ${this.geometry.clusterSize}`);
  }

  #keep(offset: number, cluster: Uint8Array): Uint8Array {
    this.#kept.set(offset, cluster);
    if (this.#kept.size > this.#limit) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    return cluster;
  }
}

function damaged(range: CompressedRange, what: string, cause?: unknown): BlockError {
  const message = `Compressed cluster at ${hex(range.offset)} ${what}`;
  return new BlockError('io', message, { driver: 'qcow2', reason: 'qcow2/compressed-cluster', offset: range.offset }, cause);
}
