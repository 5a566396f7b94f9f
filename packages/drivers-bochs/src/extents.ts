/** Where the sectors of a disk lie: the catalog places extents in the file, and the bitmap of each says which of its sectors were written. */
import { BlockCache } from '@blk/cluster-map';
import type { Edge, MaybePromise } from '@blk/core-graph';
import { beyondEnd } from './errors.js';
import { bitmapBytes, ENTRY_BYTES, SECTOR, type BochsHeader } from './header.js';

/** Entry of an extent that was never written. */
const NOWHERE = 0xffff_ffff;
/** Bytes of bitmaps in memory. */
const BITMAPS = 1024 * 1024;

export class Extents {
  readonly #bitmaps: BlockCache;
  /** Where the first extent lies. */
  readonly #first: number;

  constructor(
    private readonly file: Edge,
    private readonly header: BochsHeader,
    private readonly catalog: Uint32Array,
  ) {
    this.#first = header.catalogOffset + header.entries * ENTRY_BYTES;
    this.#bitmaps = new BlockCache(BITMAPS, (index, into) => {
      const place = this.#place(index);
      if (place + into.length > file.size) throw beyondEnd('The bitmap of an extent', place, file.size);
      return file.read(place, into, 0, into.length);
    });
  }

  get extentSize(): number {
    return this.header.extentSize;
  }

  isWritten(index: number): boolean {
    return this.catalog[index] !== NOWHERE;
  }

  /** The bits of an extent that was written. */
  bitmap(index: number): MaybePromise<Uint8Array> {
    return this.#bitmaps.read(index, bitmapBytes(this.extentSize));
  }

  /** Where the data of an extent begin in the file. */
  dataOf(index: number): number {
    return this.#place(index) + this.header.bitmapSpace;
  }

  /** Throws where a written range is not in the file. */
  checkInside(place: number, length: number): void {
    if (place + length > this.file.size) throw beyondEnd('A sector', place, this.file.size);
  }

  #place(index: number): number {
    return this.#first + this.catalog[index] * (this.header.bitmapSpace + this.extentSize);
  }
}

export function isSet(bitmap: Uint8Array, sector: number): boolean {
  return (bitmap[sector >>> 3] & (1 << (sector & 7))) !== 0;
}

/** Where the sectors that are like the one at `from` end, both in bytes of the extent; `end` at most. */
export function runEnd(bitmap: Uint8Array, from: number, end: number): number {
  let sector = Math.floor(from / SECTOR);
  const first = isSet(bitmap, sector);
  do sector++;
  while (sector * SECTOR < end && isSet(bitmap, sector) === first);
  return Math.min(sector * SECTOR, end);
}
