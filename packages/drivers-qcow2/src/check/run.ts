/** One check under way: the image as it is on disk, what was found so far, and how it is told. */
import {
  BlockError, CHECK_TOLD, emptyCheckResult, isPromise, type CheckOptions, type CheckResult, type Completion, type Edge, type ImagePolicy,
} from '@blk/core-graph';
import type { Geometry } from '../format.js';
import type { HeaderFile } from '../header-file.js';
import { maxRefcount } from '../refcount-codec.js';
import { ReferenceMap } from './reference-map.js';

/** What a check works on. Nobody may change the image meanwhile. */
export interface CheckSubject {
  readonly file: Edge;
  readonly header: HeaderFile;
  readonly policy: ImagePolicy;
}

export class CheckRun {
  readonly result: CheckResult = emptyCheckResult();
  readonly file: Edge;
  readonly header: HeaderFile;
  readonly geometry: Geometry;
  readonly references: ReferenceMap;
  /** Clusters of the file. */
  readonly fileClusters: number;
  readonly fixLeaks: boolean;
  readonly fixErrors: boolean;
  /** A bit for each cluster of the file: it holds metadata other than L2 tables. */
  readonly #metadata: Uint8Array;
  /** Likewise for the table and blocks of refcounts, which a repair may leave behind. */
  #counts: Uint8Array;
  /** Clusters in the file of structures that reach beyond its end: nobody counted them, and they are no leaks either. */
  readonly doubtful = new Set<number>();

  constructor(
    { file, header, policy }: CheckSubject,
    private readonly options: CheckOptions,
  ) {
    this.file = file;
    this.header = header;
    this.geometry = header.current.geometry;
    this.fileClusters = Math.ceil(file.size / this.geometry.clusterSize);
    this.#metadata = new Uint8Array(Math.ceil(this.fileClusters / 8));
    this.#counts = new Uint8Array(this.#metadata.length);
    this.fixErrors = options.repair === 'all';
    this.fixLeaks = options.repair !== 'none';
    this.references = new ReferenceMap(this.fileClusters, maxRefcount(this.geometry.refcountOrder), policy.maxMetadataBytes);
  }

  say(text: string): void {
    this.options.finding?.(text);
  }

  /** A defect that may cost data. */
  corrupt(text: string): void {
    this.result.corruptions++;
    this.say(`ERROR ${text}`);
  }

  /** One that was put right, or is about to be. */
  repaired(text: string): void {
    this.result.corruptionsFixed++;
    this.say(`Repairing ${text}`);
  }

  pause(): Completion {
    return this.options.pause?.();
  }

  /** Bytes of the disk whose tables were counted, and bytes of the file whose counts were compared. */
  reached(disk: number, file: number): void {
    const { current } = this.header;
    this.options.progress?.(Math.min(disk, current.size) + Math.min(file, this.file.size), current.size + this.file.size);
  }

  /** Bytes of the file; what lies behind its end reads as zeroes. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    const { size } = this.file;
    const inside = Math.max(0, Math.min(into.length, size - offset));
    if (inside < into.length) into.fill(0, inside);
    if (inside === 0) return;
    const done = this.file.read(offset, into, 0, inside);
    if (isPromise(done)) await done;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const done = this.file.write(offset, bytes, 0, bytes.length);
    if (done !== undefined) await done;
  }

  async flush(): Promise<void> {
    const done = this.file.flush();
    if (done !== undefined) await done;
  }

  /** Counts references to a structure of the image itself, which no repair may write over. `counted` as in `region`. */
  metadata(offset: number, length: number, counted?: number[], kind: 'table' | 'counts' = 'table'): void {
    this.region(offset, length, hex(offset), counted);
    const { clusterSize } = this.geometry;
    const end = Math.min(Math.ceil((offset + length) / clusterSize), this.fileClusters);
    const marks = kind === 'table' ? this.#metadata : this.#counts;
    for (let cluster = Math.floor(offset / clusterSize); cluster < end; cluster++) marks[cluster >>> 3] |= 1 << (cluster & 7);
  }

  /** New tables of refcounts are in force, which lie behind everything; the old ones mean nothing any more. */
  countsMoved(): void {
    this.#counts = new Uint8Array(this.#metadata.length);
  }

  isMetadata(cluster: number): boolean {
    const at = Math.floor(cluster / 8);
    return (((this.#metadata[at] ?? 0) | (this.#counts[at] ?? 0)) & (1 << (cluster & 7))) !== 0;
  }

  /** Writes to an L2 table, unless what is taken for one is another structure. */
  async writeL2(tableOffset: number, from: number, bytes: Uint8Array): Promise<void> {
    const { clusterSize } = this.geometry;
    const first = Math.floor(tableOffset / clusterSize);
    if (this.isMetadata(first) || this.isMetadata(Math.floor((tableOffset + clusterSize - 1) / clusterSize))) {
      this.say('ERROR: Could not write L2 table; metadata overlap check failed: Input/output error');
      throw new BlockError('io', 'Could not write L2 table; metadata overlap check failed', { driver: 'qcow2', reason: CHECK_TOLD });
    }
    await this.write(tableOffset + from, bytes);
  }

  /**
   * Counts a reference to every cluster that `[offset, offset + length)` touches. `shown`: the offset for messages, where it is too
   * large for a number; `counted` gets the clusters whose count went up.
   */
  region(offset: number, length: number, shown = hex(offset), counted?: number[]): void {
    if (length === 0) return;
    const { clusterSize } = this.geometry;
    const { size } = this.file;
    const end = offset + length;
    if (end - size >= clusterSize) {
      this.result.corruptions++;
      this.say(
        'ERROR: counting reference for region exceeding the end of the file by one cluster or more: ' +
          `offset 0x${shown} size 0x${hex(length)}`,
      );
      if (offset >= size || length > 64 * 1024 * 1024) return;
      for (let cluster = Math.floor(offset / clusterSize); cluster < this.fileClusters; cluster++) this.doubtful.add(cluster);
      return;
    }
    const last = Math.floor((end - 1) / clusterSize);
    for (let cluster = Math.floor(offset / clusterSize); cluster <= last; cluster++) {
      if (this.references.add(cluster)) {
        counted?.push(cluster);
        continue;
      }
      this.result.corruptions++;
      this.say(
        `ERROR: overflow cluster offset=0x${hex(cluster * clusterSize)}\n` +
          'Use qemu-img amend to increase the refcount entry width or qemu-img convert to create a clean copy ' +
          'if the image cannot be opened for writing',
      );
    }
  }
}

/** A number in hexadecimal digits. */
export function hex(value: number): string {
  return value.toString(16);
}

/** Both halves of a 64-bit word in hexadecimal digits. */
export function hexWord(high: number, low: number): string {
  if (high >>> 0 === 0) return hex(low >>> 0);
  return hex(high >>> 0) + hex(low >>> 0).padStart(8, '0');
}

