/** Compressed clusters: where their bytes lie, how they are inflated, and a few of them kept. */
import { StreamError } from '@blk/compression';
import { andThen, BlockError, isPromise, type Completion, type Edge, type MaybePromise } from '@blk/core-graph';
import type { Compression } from './compression.js';
import { hex } from './corruption.js';
import type { Geometry } from './format.js';
import { compressedRange, type CompressedRange } from './l2-entry.js';

/** Bytes of inflated clusters that are kept; at least two clusters are. */
const CACHE_BYTES = 1024 * 1024;
/** Bytes of the file that are read at once where many clusters are: they mostly lie one behind the other. */
const WINDOW = 256 * 1024;

/** A stretch of the file, read or being read. */
interface Window {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Undefined: read. */
  reading: Completion;
  /** Somebody may look at the bytes later, so that they can't make room for the next window. */
  awaited: boolean;
}

export class CompressedClusters {
  /** By place in the file, in the order of use. */
  readonly #kept = new Map<number, Uint8Array>();
  readonly #loading = new Map<number, Promise<Uint8Array>>();
  readonly #limit: number;
  #window: Window | undefined;

  constructor(
    private readonly file: Edge,
    private readonly geometry: Geometry,
    private readonly compression: Compression,
  ) {
    this.#limit = Math.max(2, Math.floor(CACHE_BYTES / geometry.clusterSize));
  }

  /** The content of the cluster that an L2 entry describes; it is kept for a while. */
  read(high: number, low: number): MaybePromise<Uint8Array> {
    const range = compressedRange(high, low, this.geometry);
    const known = this.#known(range);
    if (known !== undefined) return known;
    const bytes = this.#packed(range);
    const cluster = isPromise(bytes) ? bytes.then((packed) => this.#inflate(range, packed)) : this.#inflate(range, bytes);
    if (!isPromise(cluster)) return this.#keep(range.offset, cluster);
    const promise: Promise<Uint8Array> = cluster
      .then((content) => (this.#loading.get(range.offset) === promise ? this.#keep(range.offset, content) : content))
      .finally(() => {
        if (this.#loading.get(range.offset) === promise) this.#loading.delete(range.offset);
      });
    this.#loading.set(range.offset, promise);
    return promise;
  }

  /** Fills `into[start, …)` with a whole cluster, one of many: in threads too, and not kept, as nothing of it is left to read. */
  readInto(high: number, low: number, into: Uint8Array, start: number): Completion {
    const range = compressedRange(high, low, this.geometry);
    const known = this.#known(range);
    if (known !== undefined) {
      if (!isPromise(known)) into.set(known, start);
      else return known.then((cluster) => { into.set(cluster, start); });
      return;
    }
    const bytes = this.#windowed(range);
    return isPromise(bytes)
      ? bytes.then((packed) => this.#inflateInto(range, packed, into, start))
      : this.#inflateInto(range, bytes, into, start);
  }

  /** The bytes at this place changed. */
  forget(offset: number): void {
    this.#window = undefined;
    this.#kept.delete(offset);
    this.#loading.delete(offset);
  }

  #known({ offset }: CompressedRange): MaybePromise<Uint8Array> | undefined {
    const kept = this.#kept.get(offset);
    if (kept === undefined) return this.#loading.get(offset);
    this.#kept.delete(offset);
    this.#kept.set(offset, kept);
    return kept;
  }

  /** The bytes in the file. */
  #packed(range: CompressedRange): MaybePromise<Uint8Array> {
    const bytes = new Uint8Array(this.#lengthOf(range));
    const done = this.#readFile(range.offset, bytes);
    return done === undefined ? bytes : done.then(() => bytes);
  }

  /** The same out of a longer read, which has those of the next clusters as well. */
  #windowed(range: CompressedRange): MaybePromise<Uint8Array> {
    const length = this.#lengthOf(range);
    let window = this.#window;
    if (window === undefined || range.offset < window.offset || range.offset + length > window.offset + window.bytes.length) {
      window = this.#window = this.#readWindow(range.offset, length, window);
    }
    const from = range.offset - window.offset;
    const bytes = window.bytes.subarray(from, from + length);
    return window.reading === undefined ? bytes : window.reading.then(() => bytes);
  }

  /** Reads a window, `length` bytes at least, in the memory of the one before where that is free. */
  #readWindow(offset: number, length: number, before: Window | undefined): Window {
    const size = Math.min(Math.max(WINDOW, length), this.file.size - offset);
    const free = before?.awaited === false && before.bytes.buffer.byteLength >= size;
    const bytes = free ? new Uint8Array(before.bytes.buffer, 0, size) : new Uint8Array(size);
    const reading = this.#readFile(offset, bytes);
    const window: Window = { offset, bytes, reading, awaited: reading !== undefined };
    reading?.then(
      () => { window.reading = undefined; },
      // Whoever waits is told; the next one tries again.
      () => { if (this.#window === window) this.#window = undefined; },
    );
    return window;
  }

  #readFile(offset: number, bytes: Uint8Array): Completion {
    return andThen(this.file.event('read_compressed'), () => this.file.read(offset, bytes, 0, bytes.length));
  }

  #lengthOf(range: CompressedRange): number {
    const length = Math.min(range.length, this.file.size - range.offset);
    if (length <= 0) throw damaged(range, 'lies beyond the end of the file');
    return length;
  }

  #inflate(range: CompressedRange, bytes: Uint8Array): MaybePromise<Uint8Array> {
    try {
      const cluster = this.compression.inflate(bytes, this.geometry.clusterSize);
      return isPromise(cluster) ? cluster.catch((error: unknown) => { throw explained(range, error); }) : cluster;
    } catch (error) {
      throw explained(range, error);
    }
  }

  #inflateInto(range: CompressedRange, bytes: Uint8Array, into: Uint8Array, start: number): Completion {
    try {
      const done = this.compression.inflateInto(bytes, into, start, this.geometry.clusterSize);
      return done?.catch((error: unknown) => { throw explained(range, error); });
    } catch (error) {
      throw explained(range, error);
    }
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

function explained(range: CompressedRange, error: unknown): unknown {
  return error instanceof StreamError ? damaged(range, error.message, error) : error;
}

function damaged(range: CompressedRange, what: string, cause?: unknown): BlockError {
  const message = `Compressed cluster at ${hex(range.offset)} ${what}`;
  return new BlockError('io', message, { driver: 'qcow2', reason: 'qcow2/compressed-cluster', offset: range.offset }, cause);
}
