/** Sector bitmaps of a differencing disk: which sectors of blocks that are held in part the image has. */
import type { MaybePromise } from '@blk/core-graph';
import { MIB } from './format.js';
import type { ByteReader } from './logged-file.js';
import type { BlockTable } from './block-table.js';

/** Bytes of bitmaps that are kept. */
const CACHE_BYTES = 8 * MIB;

/** One block's bitmap. Bit 0 of the first byte is the first sector. */
export class SectorBitmap {
  constructor(private readonly bytes: Uint8Array) {}

  has(sector: number): boolean {
    return (this.bytes[sector >>> 3] & (1 << (sector & 7))) !== 0;
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
}

export class SectorBitmaps {
  readonly #cache = new Map<number, SectorBitmap>();
  readonly #length: number;

  constructor(
    private readonly reader: ByteReader,
    private readonly table: BlockTable,
  ) {
    // A bitmap of a MiB is for all blocks of a chunk.
    this.#length = MIB / table.ratio;
  }

  get(block: number): MaybePromise<SectorBitmap> {
    return this.#cache.get(block) ?? this.#load(block);
  }

  async #load(block: number): Promise<SectorBitmap> {
    const { table } = this;
    const bytes = new Uint8Array(this.#length);
    const chunk = Math.floor(block / table.ratio);
    await this.reader.read(table.bitmaps[chunk] + (block - chunk * table.ratio) * this.#length, bytes, 0, this.#length);
    const bitmap = new SectorBitmap(bytes);
    if (this.#cache.size * this.#length >= CACHE_BYTES) this.#cache.clear();
    this.#cache.set(block, bitmap);
    return bitmap;
  }
}
