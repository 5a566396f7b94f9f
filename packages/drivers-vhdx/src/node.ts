/** One open image as the graph sees it. */
import {
  BlockError, dataExtent, emptyCheckResult, isPromise, NO_LIMITS, repeat, unallocatedExtent, WriteFlag, zeroExtent,
  type CheckResult, type Completion, type DriverImageInfo, type DriverNode, type Edge, type Extent, type MaybePromise, type NodeLimits, type RecordedBacking,
} from '@blk/core-graph';
import { vhdxError } from './errors.js';
import { Flusher } from './flusher.js';
import { BlockState } from './format.js';
import type { Parent } from './parent.js';
import { SectorBitmaps, type SectorBitmap } from './sector-bitmaps.js';
import type { VhdxImage } from './vhdx-image.js';

/** What is done with the bytes of one block: its piece at `hostOffset` of the file. */
type HostWrite = (hostOffset: number, done: number, length: number) => Completion;

export class VhdxNode implements DriverNode {
  readonly limits: NodeLimits;
  readonly zeroFlags = WriteFlag.MayUnmap;
  readonly #flusher: Flusher;
  readonly #bitmaps: SectorBitmaps;
  readonly #blockSize: number;
  #backing: Edge | undefined;
  #parentChecked = false;

  constructor(
    private readonly image: VhdxImage,
    private readonly parent: Parent | undefined,
  ) {
    const { blockSize, sectorSize } = image.metadata;
    this.#blockSize = blockSize;
    this.limits = { ...NO_LIMITS, alignment: sectorSize, optimalTransfer: blockSize };
    this.#flusher = new Flusher(image);
    this.#bitmaps = new SectorBitmaps(image.reader, image.table);
  }

  get size(): number {
    return this.image.metadata.diskSize;
  }

  /** Changes with the first write to the disk; differencing images know their parent by it. */
  get dataWriteId(): string {
    return this.image.header.current.dataWriteId;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const block = Math.floor(offset / this.#blockSize);
    const within = offset - block * this.#blockSize;
    if (within + length <= this.#blockSize) return this.#readBlock(block, within, buffer, start, length);
    let done = 0;
    return repeat(() => {
      if (done === length) return false;
      const index = Math.floor((offset + done) / this.#blockSize);
      const inBlock = offset + done - index * this.#blockSize;
      const piece = Math.min(length - done, this.#blockSize - inBlock);
      const from = start + done;
      done += piece;
      return this.#readBlock(index, inBlock, buffer, from, piece);
    });
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.#change(offset, length, true, (host, done, piece) => this.image.file.write(host, buffer, start + done, piece));
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    return this.#change(offset, length, false, (host, _done, piece) => this.image.file.writeZeroes(host, piece, flags));
  }

  flush(): Completion {
    return this.image.readOnly ? undefined : this.#flusher.flush();
  }

  flushToOs(): Completion {
    // What refers to new blocks has to wait for them; there is nothing cheaper to do.
    return this.flush();
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    const { table } = this.image;
    let block = Math.floor(offset / this.#blockSize);
    const waiting = table.ready(block);
    if (waiting !== undefined) return waiting.then(() => this.extent(offset, length));
    const within = offset - block * this.#blockSize;
    const state = table.stateOf(block);
    if (state < BlockState.Present) {
      let end = (block + 1) * this.#blockSize;
      const stop = table.endOfPiece(block);
      while (end < offset + length && ++block < stop && table.stateOf(block) === state) end += this.#blockSize;
      return this.#absent(state, Math.min(end - offset, length));
    }
    const piece = Math.min(length, this.#blockSize - within);
    // What the log or a zeroing still has to bring to the file is not there yet.
    const there = this.image.reader === this.image.file && this.image.prepared(block) === undefined;
    const host = there ? table.offsetOf(block) + within : -1;
    if (state === BlockState.Present) return dataExtent(piece, host);
    const found = this.#bitmaps.get(block);
    const told = (bitmap: SectorBitmap): Extent => {
      const { sectorSize } = this.image.metadata;
      // From the start of a sector, which the request may lie inside of.
      const sector = Math.floor(within / sectorSize);
      const run = bitmap.run(sector, Math.ceil((within + piece) / sectorSize) - sector) * sectorSize - (within % sectorSize);
      return bitmap.has(sector) ? dataExtent(Math.min(run, piece), host) : unallocatedExtent(Math.min(run, piece));
    };
    return isPromise(found) ? found.then(told) : told(found);
  }

  get recordedBacking(): RecordedBacking | undefined {
    return this.parent === undefined ? undefined : { filename: this.parent.name, format: 'vhdx' };
  }

  /** Refuses a parent that was changed, or is another disk; what takes its place later is the caller's affair. */
  setBacking(child: Edge | undefined): void {
    const found = (child?.node.driver as { readonly dataWriteId?: string } | undefined)?.dataWriteId;
    const linkage = this.parent?.linkage ?? [];
    if (!this.#parentChecked && found !== undefined && linkage.length > 0 && !linkage.includes(found)) {
      throw vhdxError({ what: 'parent', text: `The parent has the identifier ${found}, expected is ${linkage.join(' or ')}: it was changed, or is another disk` });
    }
    this.#parentChecked = true;
    this.#backing = child;
  }

  info(): DriverImageInfo {
    return { clusterSize: this.#blockSize, dirty: false };
  }

  /** What does not fit together is refused when the image is opened; what is left is the log, which opening for repair replays. */
  check(): Promise<CheckResult> {
    return Promise.resolve({ ...emptyCheckResult(), corruptionsFixed: this.image.replayed ? 1 : 0 });
  }

  async close(): Promise<void> {
    if (this.image.readOnly) return;
    const done = this.flush();
    if (done !== undefined) await done;
    await this.image.log.close();
  }

  /** Only blocks without a state of their own are the parent's affair. */
  #absent(state: number, length: number): Extent {
    return this.parent !== undefined && state === BlockState.NotPresent ? unallocatedExtent(length) : zeroExtent(length);
  }

  #readBlock(block: number, within: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { image } = this;
    const waiting = image.table.ready(block);
    if (waiting !== undefined) return waiting.then(() => this.#readBlock(block, within, buffer, start, length));
    const state = image.table.stateOf(block);
    if (state === BlockState.Present) {
      const prepared = image.prepared(block);
      const host = image.table.offsetOf(block) + within;
      return prepared === undefined ? image.reader.read(host, buffer, start, length) : prepared.then(() => image.reader.read(host, buffer, start, length));
    }
    if (state === BlockState.Partial) {
      const bitmap = this.#bitmaps.get(block);
      if (isPromise(bitmap)) return bitmap.then((loaded) => this.#readRuns(block, loaded, within, buffer, start, length));
      return this.#readRuns(block, bitmap, within, buffer, start, length);
    }
    if (state === BlockState.NotPresent && this.#backing !== undefined) return this.#backing.read(block * this.#blockSize + within, buffer, start, length);
    buffer.fill(0, start, start + length);
  }

  #readRuns(block: number, bitmap: SectorBitmap, within: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { image } = this;
    const { sectorSize } = image.metadata;
    // The piece of the table may have left while the bitmap came.
    const waiting = image.table.ready(block);
    if (waiting !== undefined) return waiting.then(() => this.#readRuns(block, bitmap, within, buffer, start, length));
    const host = image.table.offsetOf(block) + within;
    let done = 0;
    return repeat(() => {
      if (done === length) return false;
      const from = done;
      const sector = (within + from) / sectorSize;
      const piece = bitmap.run(sector, (length - from) / sectorSize) * sectorSize;
      done += piece;
      if (bitmap.has(sector)) return image.reader.read(host + from, buffer, start + from, piece);
      if (this.#backing !== undefined) return this.#backing.read(block * this.#blockSize + within + from, buffer, start + from, piece);
      buffer.fill(0, start + from, start + from + piece);
    });
  }

  /** Writes block by block. `allocate`: blocks that are not there get a place; else they read as zeroes as they are. */
  #change(offset: number, length: number, allocate: boolean, write: HostWrite): Completion {
    const { image } = this;
    if (image.readOnly) throw new BlockError('read-only', 'Image is read-only', { driver: 'vhdx' });
    const begun = image.begin();
    if (begun !== undefined) return begun.then(() => this.#change(offset, length, allocate, write));
    let done = 0;
    return repeat(() => {
      if (done === length) return false;
      const from = done;
      const block = Math.floor((offset + from) / this.#blockSize);
      const within = offset + from - block * this.#blockSize;
      const piece = Math.min(length - from, this.#blockSize - within);
      done += piece;
      return this.#changeBlock(block, within, allocate, (host) => write(host, from, piece));
    });
  }

  #changeBlock(block: number, within: number, allocate: boolean, write: (host: number) => Completion): Completion {
    const { image } = this;
    const { table } = image;
    const waiting = table.ready(block);
    if (waiting !== undefined) return waiting.then(() => this.#changeBlock(block, within, allocate, write));
    if (!image.isThere(block)) {
      if (!allocate) return;
      // So many pieces of the table wait to be written that it is time to.
      const crowd = table.pieces.crowded ? this.#flusher.flush() : undefined;
      if (crowd !== undefined) return crowd.then(() => this.#changeBlock(block, within, allocate, write));
      image.allocate(block);
    }
    const host = table.offsetOf(block) + within;
    const prepared = image.prepared(block);
    return prepared === undefined ? write(host) : prepared.then(() => write(host));
  }
}
