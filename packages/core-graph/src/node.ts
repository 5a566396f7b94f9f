/**
 * One node of the graph: an open image with its driver, and everything that a driver would otherwise repeat.
 *
 * Each verb has a plain path of a few calls, taken while nothing unusual is configured, and a slow path in `io/` for the
 * rest: padding to alignment, serialising, copy-on-read, zero detection, notifiers, dirty bitmaps, write threshold,
 * splitting, emulation. `updatePaths` decides which path is taken; whoever changes a setting calls it.
 */
import type { BufferPool } from './buffer-pool.js';
import type { Completion, MaybePromise } from './completion.js';
import type { DirtyBitmap } from './dirty-bitmap.js';
import type { Host } from './driver-context.js';
import type { DriverNode, TruncateOptions } from './driver-node.js';
import type { Edge, EdgeParent } from './edge.js';
import type { DetectZeroes, NodeSettings } from './node-settings.js';
import { BlockError } from './errors.js';
import type { Extent } from './extent.js';
import { MAX_SIZE, type NodeLimits } from './flags.js';
import { nodeExtent } from './io/extents.js';
import { checkOpen } from './io/check-range.js';
import { slowRead } from './io/read.js';
import { Requests } from './io/requests.js';
import { checkWritable, slowWrite, slowWriteZeroes } from './io/write.js';
import { discardRange } from './io/discard.js';
import { NodeFlusher } from './io/flush.js';
import { eachBuffer, totalLength } from './io/vectors.js';

/** Called with the range of a change, be it a write, zeroes or a discard; the request waits for it. */
export type WriteNotifier = (offset: number, length: number) => Completion;

export class BlockNode implements EdgeParent {
  readonly name: string;
  readonly parents = new Set<Edge>();
  readonly children = new Map<string, Edge>();
  readonly bitmaps = new Set<DirtyBitmap>();
  /** Told before a change; `updatePaths` after changing the set. */
  readonly beforeWrite = new Set<WriteNotifier>();
  /** Told after a change, marked in the bitmaps already; not of one that failed. */
  readonly afterWrite = new Set<WriteNotifier>();
  readonly requests = new Requests(() => {
    this.updatePaths();
  });
  /** Set by `open`; a node is handed out only with its driver in place. */
  driver!: DriverNode;
  readOnly: boolean;
  detectZeroes: DetectZeroes;
  discardEnabled: boolean;
  /** The offset after the greatest byte written. */
  highestWrite = 0;
  /** One-shot threshold in bytes; 0: none. */
  writeThreshold = 0;
  closed = false;
  /** The driver wants to be told of events; all writes go the slow path, which tells. */
  listens = false;
  #ownRead = false;
  #plainRead = false;
  #plainWrite = false;
  #copyOnRead = 0;
  readonly #flusher = new NodeFlusher(this);

  #settings: NodeSettings;

  constructor(
    settings: NodeSettings,
    readonly pool: BufferPool,
    readonly host: Host,
    private readonly thresholdExceeded: (node: BlockNode, amount: number, threshold: number) => void,
  ) {
    this.#settings = settings;
    this.name = settings.name;
    this.readOnly = settings.readOnly;
    this.detectZeroes = settings.detectZeroes;
    this.discardEnabled = settings.discard;
  }

  /** What the node is open with; another after the image was opened again. */
  get settings(): NodeSettings {
    return this.#settings;
  }
  get description(): string {
    return `node '${this.name}'`;
  }
  get node(): this {
    return this;
  }
  get filename(): string {
    const own = this.driver?.filename ?? this.settings.filename;
    // One that was not opened by a name is called by what holds its bytes.
    return own === '' ? (this.storage?.node.filename ?? '') : own;
  }
  get driverName(): string {
    return this.settings.driver.name;
  }
  get forceShare(): boolean {
    return this.settings.forceShare;
  }
  /** Length in bytes. */
  get size(): number {
    return this.driver.size;
  }
  get limits(): NodeLimits {
    return this.driver.limits;
  }
  get backing(): Edge | undefined {
    return this.children.get('backing');
  }
  /** The child whose bytes these are: `file` of a format, the one child of a filter. */
  get storage(): Edge | undefined {
    for (const edge of this.children.values()) if (edge.role === 'storage' || edge.role === 'filtered') return edge;
    return undefined;
  }
  /** Whether a read is its driver's and nothing else, but for being cut to what the driver takes. */
  get readsPlainly(): boolean {
    return this.#ownRead;
  }
  /** Whether a write is its driver's and nothing else but noted (`wrote`). */
  get writesPlainly(): boolean {
    return this.#plainWrite;
  }
  get copyOnRead(): boolean {
    return this.#copyOnRead > 0;
  }

  /** Turns copy-on-read on, as often as it is turned off again. */
  setCopyOnRead(on: boolean): void {
    this.#copyOnRead += on ? 1 : -1;
    this.updatePaths();
  }

  /** Goes on with another driver over the same children; part of opening an image again, in a drained section. */
  adopt(driver: DriverNode, settings: NodeSettings): void {
    this.#settings = settings;
    this.driver = driver;
    this.readOnly = settings.readOnly || driver.write === undefined;
    this.detectZeroes = settings.detectZeroes;
    this.discardEnabled = settings.discard;
    // A writer that was closed left nothing unflushed, and nothing is known of what the next one has to flush.
    this.#flusher.writes++;
    this.updatePaths();
  }

  /** Decides anew which verbs may take the plain path. */
  updatePaths(): void {
    if (this.driver === undefined) return;
    const { alignment, memoryAlignment, maxTransfer } = this.driver.limits;
    this.listens = this.driver.event !== undefined;
    const own = !this.closed && !this.requests.hasSerialising;
    const plain = own && alignment <= 1 && memoryAlignment <= 1 && maxTransfer === 0;
    this.#ownRead = own && this.#copyOnRead === 0;
    this.#plainRead = plain && this.#copyOnRead === 0;
    this.#plainWrite =
      plain &&
      !this.readOnly &&
      !this.listens &&
      this.driver.write !== undefined &&
      this.bitmaps.size === 0 &&
      this.beforeWrite.size === 0 &&
      this.afterWrite.size === 0 &&
      this.writeThreshold === 0 &&
      this.detectZeroes === 'off';
  }

  /**
   * Reads `length` bytes at `offset` into `buffer` from `start`. What lies beyond the end reads as zeroes.
   * The buffer stays the caller's and is not touched after completion.
   */
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (!this.#plainRead || length === 0 || offset + length > this.driver.size) return slowRead(this, offset, buffer, start, length);
    const done = this.driver.read(offset, buffer, start, length);
    return done === undefined ? undefined : this.requests.track(done, offset, length);
  }

  /** Reads into several buffers, one after the other. */
  readv(offset: number, buffers: readonly Uint8Array[]): Completion {
    const length = totalLength(buffers);
    if (this.#plainRead && length > 0 && this.driver.readv !== undefined && offset + length <= this.driver.size) {
      const done = this.driver.readv(offset, buffers);
      return done === undefined ? undefined : this.requests.track(done, offset, length);
    }
    return eachBuffer(offset, buffers, (at, buffer) => this.read(at, buffer, 0, buffer.length));
  }

  /** Writes `buffer[start, start + length)` at `offset`; `flags` are `WriteFlag`s. */
  write(offset: number, buffer: Uint8Array, start: number, length: number, flags = 0): Completion {
    const { driver } = this;
    const end = offset + length;
    if (!this.#plainWrite || flags !== 0 || length === 0 || end > driver.size) return slowWrite(this, offset, buffer, start, length, flags);
    this.wrote(end);
    const done = (driver.write as NonNullable<DriverNode['write']>)(offset, buffer, start, length, 0);
    return done === undefined ? undefined : this.requests.track(done, offset, length);
  }

  writev(offset: number, buffers: readonly Uint8Array[], flags = 0): Completion {
    const { driver } = this;
    const length = totalLength(buffers);
    if (this.#plainWrite && flags === 0 && length > 0 && driver.writev !== undefined && offset + length <= driver.size) {
      this.wrote(offset + length);
      const done = driver.writev(offset, buffers, 0);
      return done === undefined ? undefined : this.requests.track(done, offset, length);
    }
    // All of it or nothing: a part must not be there when a later one is refused.
    checkWritable(this, offset, length);
    return eachBuffer(offset, buffers, (at, buffer) => this.write(at, buffer, 0, buffer.length, flags));
  }

  /** Makes the range read as zeroes, by the cheapest means that `flags` allow. */
  writeZeroes(offset: number, length: number, flags = 0): Completion {
    return slowWriteZeroes(this, offset, length, flags);
  }

  /** Gives the range back where discards are enabled; else does nothing. */
  discard(offset: number, length: number): Completion {
    return discardRange(this, offset, length);
  }

  /** Puts all that was written before this call on stable storage. */
  flush(): Completion {
    checkOpen(this);
    return this.#flusher.flush();
  }

  /** The extent at `offset`, cut at `length`; refined by what the child below knows about zeroes. */
  extent(offset: number, length: number): MaybePromise<Extent> {
    return nodeExtent(this, offset, length);
  }

  /** Changes the size. The caller holds `Permission.Resize` and, for a guest device, a drained section. */
  async truncate(size: number, options: TruncateOptions = { preallocation: 'off' }): Promise<void> {
    checkOpen(this);
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new BlockError('invalid-argument', `Image size ${size} is not between 0 and ${MAX_SIZE} bytes`);
    }
    if (this.readOnly) throw new BlockError('read-only', 'Image is read-only', { node: this.name });
    if (this.driver.truncate === undefined) {
      throw new BlockError('unsupported', `Image format driver does not support resize`, { driver: this.driverName });
    }
    for (const bitmap of this.bitmaps) bitmap.checkConsistent();
    this.#flusher.writes++;
    await this.driver.truncate(size, options);
    for (const bitmap of this.bitmaps) bitmap.resize(this.size);
    for (const edge of this.parents) edge.parent.resized?.();
  }

  /** Bytes that the image and its data take on the host. */
  async allocatedSize(): Promise<number> {
    if (this.driver.allocatedSize) return this.driver.allocatedSize();
    let sum = 0;
    for (const edge of this.children.values()) if (edge.role !== 'backing') sum += await edge.node.allocatedSize();
    return sum;
  }

  /** Notes a write up to `end`; part of every write path. */
  wrote(end: number): void {
    this.#flusher.writes++;
    if (end > this.highestWrite) this.highestWrite = end;
  }

  /** Marks what a finished write changed, and looks at the threshold; part of the slow write paths. */
  changed(offset: number, length: number): void {
    // Again, now that it is done: a flush that came while this write waited for its turn must not count it.
    this.#flusher.writes++;
    for (const bitmap of this.bitmaps) {
      // A write past the end of a growing file came first.
      if (bitmap.size !== this.size) bitmap.resize(this.size);
      bitmap.mark(offset, length);
    }
    const excess = offset + length - this.writeThreshold;
    if (this.writeThreshold !== 0 && excess > 0) {
      const threshold = this.writeThreshold;
      this.writeThreshold = 0;
      this.updatePaths();
      this.thresholdExceeded(this, excess, threshold);
    }
  }

  resized(): void {
    for (const edge of this.parents) edge.parent.resized?.();
  }
}
