/** An open dynamic or differencing disk as the graph sees it. */
import {
  andThen, BlockError, dataExtent, NO_LIMITS, repeat, unallocatedExtent, WriteFlag, zeroExtent, isPromise, type Completion, type DriverImageInfo,
  type DriverNode, type Edge, type Extent, type MaybePromise, type NodeLimits, type RecordedBacking,
} from '@blk/core-graph';
import { vpcError } from './errors.js';
import type { DynamicImage } from './dynamic-image.js';
import { Flusher } from './flusher.js';
import { SECTOR } from './format.js';
import type { SectorBitmap } from './sector-bitmaps.js';
import { describeId, type Identified } from './identity.js';

/** What is done with the bytes of one block: its piece at `hostOffset` of the file. */
type HostWrite = (hostOffset: number, done: number, length: number) => Completion;

/** A piece of a request, inside one block. `allocate`: the block gets a place where it has none; else it is left as it is. */
interface Change {
  readonly block: number;
  readonly within: number;
  /** In the request. */
  readonly from: number;
  readonly length: number;
  readonly allocate: boolean;
  readonly write: HostWrite;
}

export class DynamicNode implements DriverNode, Identified {
  readonly limits: NodeLimits;
  readonly zeroFlags = WriteFlag.MayUnmap;
  readonly #flusher: Flusher;
  #parentChecked = false;

  constructor(
    private readonly image: DynamicImage,
    private readonly readOnly: boolean,
    readonly uniqueId: Uint8Array,
    /** Differencing disks: the parent's name and identifier. */
    private readonly parent: { readonly name: string; readonly id: Uint8Array } | undefined,
  ) {
    this.limits = { ...NO_LIMITS, alignment: SECTOR, optimalTransfer: image.blockSize };
    this.#flusher = new Flusher(image);
  }

  get size(): number {
    return this.image.size;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { image } = this;
    const block = Math.floor(offset / image.blockSize);
    const within = offset - block * image.blockSize;
    if (within + length <= image.blockSize) return this.#readBlock(block, within, buffer, start, length);
    let done = 0;
    return repeat(() => {
      if (done === length) return false;
      const at = offset + done;
      const index = Math.floor(at / image.blockSize);
      const inBlock = at - index * image.blockSize;
      const piece = Math.min(length - done, image.blockSize - inBlock);
      const from = start + done;
      done += piece;
      return this.#readBlock(index, inBlock, buffer, from, piece);
    });
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.#change(offset, length, true, (host, done, piece) => this.image.file.write(host, buffer, start + done, piece));
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    return this.#change(offset, length, this.image.differencing, (host, _done, piece) => this.image.file.writeZeroes(host, piece, flags));
  }

  flush(): Completion {
    return this.readOnly ? undefined : this.#flusher.flush();
  }

  flushToOs(): Completion {
    // What refers to new blocks has to wait for them; there is nothing cheaper to do.
    return this.flush();
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    const { image } = this;
    const { table } = image;
    let block = Math.floor(offset / image.blockSize);
    const waiting = table.ready(block);
    if (waiting !== undefined) return waiting.then(() => this.extent(offset, length));
    const host = table.offsetOf(block);
    if (host < 0) {
      let end = (block + 1) * image.blockSize;
      const stop = table.endOfPiece(block);
      while (end < offset + length && ++block < stop && table.offsetOf(block) < 0) end += image.blockSize;
      return this.#absent(Math.min(end - offset, length));
    }
    const within = offset - block * image.blockSize;
    const piece = Math.min(length, image.blockSize - within);
    const found = this.#bitmapOf(block, host);
    const told = (bitmap: SectorBitmap | undefined): Extent => {
      const data = host + image.bitmapBytes + within;
      if (bitmap === undefined) return dataExtent(piece, data);
      // From the start of a sector, which the request may lie inside of.
      const sector = Math.floor(within / SECTOR);
      const run = Math.min(bitmap.run(sector, Math.ceil((within + piece) / SECTOR) - sector) * SECTOR - (within % SECTOR), piece);
      return bitmap.has(sector) ? dataExtent(run, data) : this.#absent(run);
    };
    return isPromise(found) ? found.then(told) : told(found);
  }

  get recordedBacking(): RecordedBacking | undefined {
    return this.parent === undefined ? undefined : { filename: this.parent.name, format: 'vpc' };
  }

  /** Refuses a parent that is another disk than the one recorded; what takes its place later is the caller's affair. */
  setBacking(child: Edge | undefined): void {
    const found = (child?.node.driver as Partial<Identified> | undefined)?.uniqueId;
    if (!this.#parentChecked && found !== undefined && this.parent !== undefined && found.some((byte, at) => byte !== this.parent?.id[at])) {
      throw vpcError({ what: 'parent-id', expected: describeId(this.parent.id), found: describeId(found) });
    }
    this.#parentChecked = true;
    this.image.backing = child;
  }

  info(): DriverImageInfo {
    return { clusterSize: this.image.blockSize, dirty: false };
  }

  async close(): Promise<void> {
    const done = this.flush();
    if (done !== undefined) await done;
  }

  #absent(length: number): Extent {
    return this.image.differencing ? unallocatedExtent(length) : zeroExtent(length);
  }

  /** The bitmap, when the block's space is fit for use; undefined where all sectors are there. */
  #bitmapOf(block: number, host: number): MaybePromise<SectorBitmap | undefined> {
    const { image } = this;
    if (image.bitmaps.full.has(block)) return undefined;
    const prepared = image.prepared(block);
    return prepared === undefined ? image.bitmaps.get(block, host) : prepared.then(() => image.bitmaps.get(block, host));
  }

  #readBlock(block: number, within: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { image } = this;
    const waiting = image.table.ready(block);
    if (waiting !== undefined) return waiting.then(() => this.#readBlock(block, within, buffer, start, length));
    const host = image.table.offsetOf(block);
    if (host < 0) return this.#readAbsent(block * image.blockSize + within, buffer, start, length);
    if (image.bitmaps.full.has(block)) return image.file.read(host + image.bitmapBytes + within, buffer, start, length);
    const bitmap = this.#bitmapOf(block, host);
    if (isPromise(bitmap)) return bitmap.then((loaded) => this.#readRuns(block, host, loaded, within, buffer, start, length));
    return this.#readRuns(block, host, bitmap, within, buffer, start, length);
  }

  #readRuns(
    block: number, host: number, bitmap: SectorBitmap | undefined, within: number, buffer: Uint8Array, start: number, length: number,
  ): Completion {
    const { image } = this;
    const data = host + image.bitmapBytes;
    if (bitmap === undefined) return image.file.read(data + within, buffer, start, length);
    let done = 0;
    return repeat(() => {
      if (done === length) return false;
      const from = done;
      const sector = (within + from) / SECTOR;
      const piece = bitmap.run(sector, (length - from) / SECTOR) * SECTOR;
      done += piece;
      return bitmap.has(sector)
        ? image.file.read(data + within + from, buffer, start + from, piece)
        : this.#readAbsent(block * image.blockSize + within + from, buffer, start + from, piece);
    });
  }

  #readAbsent(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { backing } = this.image;
    if (backing !== undefined) return backing.read(offset, buffer, start, length);
    buffer.fill(0, start, start + length);
  }

  /** Writes block by block. `allocate`: blocks that are not there get a place; else they are left as they are. */
  #change(offset: number, length: number, allocate: boolean, write: HostWrite): Completion {
    const { image } = this;
    if (this.readOnly) throw new BlockError('read-only', 'Image is read-only', { driver: 'vpc' });
    let done = 0;
    const all = repeat(() => {
      if (done === length) return false;
      const from = done;
      const block = Math.floor((offset + from) / image.blockSize);
      const within = offset + from - block * image.blockSize;
      const piece = Math.min(length - from, image.blockSize - within);
      done += piece;
      return this.#changeBlock({ block, within, from, length: piece, allocate, write });
    });
    return image.bitmaps.crowded ? andThen(all, () => this.#flusher.flush()) : all;
  }

  #changeBlock(change: Change): Completion {
    const { image } = this;
    const { table } = image;
    const { block, within, from, length, allocate, write } = change;
    const waiting = table.ready(block);
    if (waiting !== undefined) return waiting.then(() => this.#changeBlock(change));
    if (table.offsetOf(block) < 0) {
      if (!allocate) return;
      const crowd = image.crowded ? this.#flusher.flush() : undefined;
      if (crowd !== undefined) return crowd.then(() => this.#changeBlock(change));
      image.allocate(block);
    }
    const host = table.offsetOf(block);
    const data = host + image.bitmapBytes + within;
    if (image.bitmaps.full.has(block)) return write(data, from, length);
    const bitmap = this.#bitmapOf(block, host);
    // Looked up again, since it may have been dropped from memory by the time that we hear of it.
    if (isPromise(bitmap)) return bitmap.then(() => this.#changeBlock(change));
    return writeAndSet(bitmap, within, data, from, length, write);
  }
}

/** The bits say that the sectors are there only when they are. */
function writeAndSet(bitmap: SectorBitmap | undefined, within: number, data: number, from: number, length: number, write: HostWrite): Completion {
  if (bitmap === undefined) return write(data, from, length);
  const set = (): void => {
    bitmap.set(within / SECTOR, length / SECTOR);
  };
  bitmap.users++;
  let done: Completion;
  try {
    done = write(data, from, length);
  } catch (error) {
    bitmap.users--;
    throw error;
  }
  if (done === undefined) {
    bitmap.users--;
    set();
    return;
  }
  return done.then(set).finally(() => {
    bitmap.users--;
  });
}
