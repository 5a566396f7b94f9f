/**
 * The parts of one open dynamic or differencing disk, and how blocks come to be. New blocks go to the end of the file, over the footer,
 * which moves behind them; their table entries are written by the next flush (`flusher.ts`).
 */
import { BlockError, type Completion, type Edge } from '@blk/core-graph';
import { bitmapBytes, type BlockTable } from './block-table.js';
import { FOOTER_BYTES, SECTOR, UNALLOCATED } from './format.js';
import { SectorBitmaps } from './sector-bitmaps.js';

export interface DynamicParts {
  readonly file: Edge;
  readonly size: number;
  readonly blockSize: number;
  readonly table: BlockTable;
  readonly differencing: boolean;
  /** Byte offset of the next new block. */
  readonly end: number;
  /** Where the footer at the end lies; -1: there is none. */
  readonly footerOffset: number;
  readonly footer: Uint8Array;
}

export class DynamicImage {
  readonly file: Edge;
  readonly size: number;
  readonly blockSize: number;
  readonly bitmapBytes: number;
  readonly table: BlockTable;
  readonly differencing: boolean;
  readonly bitmaps: SectorBitmaps;
  readonly footer: Uint8Array;
  /** Byte offset of the next new block, and of the footer after the next flush. */
  end: number;
  footerOffset: number;
  backing: Edge | undefined;
  /** New blocks whose space held something else and is made zero now. */
  readonly #preparing = new Map<number, Promise<void>>();

  constructor({ file, size, blockSize, table, differencing, end, footerOffset, footer }: DynamicParts) {
    this.file = file;
    this.size = size;
    this.blockSize = blockSize;
    this.table = table;
    this.differencing = differencing;
    this.end = end;
    this.footerOffset = footerOffset;
    this.footer = footer;
    this.bitmapBytes = bitmapBytes(blockSize);
    this.bitmaps = new SectorBitmaps(file, table.entries.length, this.bitmapBytes, (block) => Math.ceil(Math.min(blockSize, size - block * blockSize) / SECTOR));
  }

  /** Byte offset of the block's bitmap; -1: the image does not hold the block. */
  blockOffset(block: number): number {
    const entry = this.table.entries[block];
    return entry === UNALLOCATED ? -1 : entry * SECTOR;
  }

  /** What has to be waited for before the block is read or written. */
  prepared(block: number): Completion {
    return this.#preparing.get(block);
  }

  /** Gives the block a place. Throws kind `no-space` where the format can't tell places any further. */
  allocate(block: number): void {
    const { end, bitmaps, file } = this;
    const after = end + this.bitmapBytes + this.blockSize;
    const fits = file.node.driver.growable === true || after + FOOTER_BYTES <= file.size;
    if (end / SECTOR >= UNALLOCATED || !fits) throw new BlockError('no-space', 'No space left in the file for another block', { driver: 'vpc', reason: 'vpc/full' });
    // The old footer lies where the bitmap will; what else is there must not shine through.
    const stale = Math.min(file.size, after) - (end + this.bitmapBytes);
    this.table.entries[block] = end / SECTOR;
    this.table.fresh.add(block);
    this.end = after;
    if (this.differencing) bitmaps.add(block);
    else if (stale <= 0) bitmaps.full[block] = 1;
    if (stale > 0) this.#prepare(block, end + this.bitmapBytes, stale);
  }

  #prepare(block: number, offset: number, length: number): void {
    const preparing = this.#zero(offset, length).then(() => {
      if (!this.differencing) this.bitmaps.full[block] = 1;
      this.#preparing.delete(block);
    });
    this.#preparing.set(block, preparing);
    // Whoever needs the block hears of it.
    preparing.catch(() => undefined);
  }

  async #zero(offset: number, length: number): Promise<void> {
    const done = this.file.writeZeroes(offset, length);
    if (done !== undefined) await done;
  }
}
