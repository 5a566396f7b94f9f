/**
 * Sector bitmaps: which sectors of a block the image holds. The others read as zeroes, or as the parent. Blocks of which all sectors are
 * there, the usual case, need no bitmap in memory.
 */
import { Bits } from '@blk/cluster-map';
import type { Edge, MaybePromise } from '@blk/core-graph';

/** One block's bitmap. Bit 7 of the first byte is the first sector. */
export class SectorBitmap {
  /** Requests that will set bits: it must stay in memory meanwhile. */
  users = 0;
  dirty = false;

  /** `offset`: where it lies in the file. */
  constructor(
    readonly bytes: Uint8Array,
    readonly offset: number,
  ) {}

  has(sector: number): boolean {
    return (this.bytes[sector >>> 3] & (0x80 >>> (sector & 7))) !== 0;
  }

  /** Sectors from `sector` on that are all there, or all not; at most `most`. */
  run(sector: number, most: number): number {
    const present = this.has(sector);
    const whole = present ? 0xff : 0;
    let count = 1;
    while (count < most) {
      const at = sector + count;
      if ((at & 7) === 0 && this.bytes[at >>> 3] === whole) count += 8;
      else if (this.has(at) === present) count++;
      else break;
    }
    return Math.min(count, most);
  }

  set(sector: number, count: number): void {
    for (let at = sector; at < sector + count; at++) {
      const bit = 0x80 >>> (at & 7);
      if ((this.bytes[at >>> 3] & bit) !== 0) continue;
      this.bytes[at >>> 3] |= bit;
      this.dirty = true;
    }
  }
}

/** Bytes of bitmaps that are kept. */
const CACHE_BYTES = 8 * 1024 * 1024;
/** Bytes of changed ones at which they are written without being asked. */
const DIRTY_BYTES = 4 * 1024 * 1024;

export class SectorBitmaps {
  /** Blocks of which all sectors are there. */
  readonly full: Bits;
  readonly #cache = new Map<number, SectorBitmap>();
  readonly #loading = new Map<number, Promise<SectorBitmap | undefined>>();

  /** `length`: bytes of one bitmap; `sectors`: sectors that a block has inside the disk. */
  constructor(
    private readonly file: Edge,
    blocks: number,
    readonly length: number,
    private readonly sectors: (block: number) => number,
  ) {
    this.full = new Bits(blocks);
  }

  /** The bitmap of a block whose bitmap lies at `offset`, or undefined where all its sectors are there. */
  get(block: number, offset: number): MaybePromise<SectorBitmap | undefined> {
    if (this.full.has(block)) return undefined;
    return this.#cache.get(block) ?? this.#loading.get(block) ?? this.#load(block, offset);
  }

  /** A new block, of which the image holds nothing yet. */
  add(block: number, offset: number): void {
    const bitmap = new SectorBitmap(new Uint8Array(this.length), offset);
    bitmap.dirty = true;
    this.#cache.set(block, bitmap);
    this.#trim();
  }

  /** The bitmap in memory. */
  cached(block: number): SectorBitmap | undefined {
    return this.#cache.get(block);
  }

  *dirty(): Generator<readonly [number, SectorBitmap], void, undefined> {
    for (const entry of this.#cache) if (entry[1].dirty) yield entry;
  }

  /** So many bitmaps have changed that they should be written. */
  get crowded(): boolean {
    if (this.#cache.size * this.length <= DIRTY_BYTES) return false;
    let dirty = 0;
    for (const entry of this.dirty()) dirty += entry[1].bytes.length;
    return dirty > DIRTY_BYTES;
  }

  async #load(block: number, offset: number): Promise<SectorBitmap | undefined> {
    const loading = this.#read(block, offset);
    this.#loading.set(block, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(block);
    }
  }

  async #read(block: number, offset: number): Promise<SectorBitmap | undefined> {
    const bitmap = new SectorBitmap(new Uint8Array(this.length), offset);
    await this.file.read(offset, bitmap.bytes, 0, this.length);
    const sectors = this.sectors(block);
    if (bitmap.has(0) && bitmap.run(0, sectors) === sectors) {
      this.full.add(block);
      return undefined;
    }
    this.#cache.set(block, bitmap);
    this.#trim();
    return bitmap;
  }

  /** Lets go of those that were loaded first and are not needed. */
  #trim(): void {
    let surplus = this.#cache.size - Math.max(8, Math.floor(CACHE_BYTES / this.length));
    if (surplus <= 0) return;
    for (const [block, { dirty, users }] of this.#cache) {
      if (surplus <= 0) break;
      if (dirty || users > 0) continue;
      this.#cache.delete(block);
      surplus--;
    }
  }
}
