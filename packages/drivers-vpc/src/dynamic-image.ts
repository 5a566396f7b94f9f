/**
 * The parts of one open dynamic or differencing disk, and how blocks come to be. New blocks go to the end of the file, over the footer,
 * which moves behind them; their table entries are written by the next flush (`flusher.ts`).
 */
import { BlockError, type Completion, type Edge } from '@blk/core-graph';
import { bitmapBytes, type BlockTable } from './block-table.js';
import { FOOTER_BYTES, SECTOR, UNALLOCATED } from './format.js';
import { SectorBitmaps } from './sector-bitmaps.js';

/** New blocks that are kept in mind before they are written without being asked. */
const MOST_FRESH = 65536;

export interface DynamicParts {
  readonly file: Edge;
  readonly size: number;
  readonly blockSize: number;
  readonly table: BlockTable;
  readonly differencing: boolean;
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
  footerOffset: number;
  /** Blocks whose bitmap is not on disk yet. */
  readonly fresh = new Set<number>();
  backing: Edge | undefined;
  /** New blocks whose space held something else and is made zero now. */
  readonly #preparing = new Map<number, Promise<void>>();
  /** Those where that failed: tried again for whoever needs the block next. */
  readonly #unprepared = new Map<number, { readonly offset: number; readonly length: number }>();

  constructor({ file, size, blockSize, table, differencing, footerOffset, footer }: DynamicParts) {
    this.file = file;
    this.size = size;
    this.blockSize = blockSize;
    this.table = table;
    this.differencing = differencing;
    this.footerOffset = footerOffset;
    this.footer = footer;
    this.bitmapBytes = bitmapBytes(blockSize);
    this.bitmaps = new SectorBitmaps(file, table.entries, this.bitmapBytes, (block) => Math.ceil(Math.min(blockSize, size - block * blockSize) / SECTOR));
  }

  /** What has to be waited for before the block is read or written. */
  prepared(block: number): Completion {
    const stale = this.#unprepared.get(block);
    if (stale !== undefined) this.#prepare(block, stale.offset, stale.length);
    return this.#preparing.get(block);
  }

  /** So many blocks are new, or pieces of the table changed, that it is time to write them. */
  get crowded(): boolean {
    return this.fresh.size >= MOST_FRESH || this.table.pieces.crowded;
  }

  /** Gives the block a place; its piece of the table is in memory. Throws kind `no-space` where the format can't tell places any further. */
  allocate(block: number): void {
    const { table, bitmaps, file } = this;
    const { end } = table;
    const after = end + table.blockBytes;
    const fits = file.node.driver.growable === true || after + FOOTER_BYTES <= file.size;
    if (end / SECTOR >= UNALLOCATED || !fits) throw new BlockError('no-space', 'No space left in the file for another block', { driver: 'vpc', reason: 'vpc/full' });
    // The old footer lies where the bitmap will; what else is there must not shine through.
    const stale = Math.min(file.size, after) - (end + this.bitmapBytes);
    table.append(block);
    this.fresh.add(block);
    if (this.differencing) bitmaps.add(block, end);
    else if (stale <= 0) bitmaps.full.add(block);
    if (stale > 0) this.#prepare(block, end + this.bitmapBytes, stale);
  }

  #prepare(block: number, offset: number, length: number): void {
    this.#unprepared.delete(block);
    const preparing = this.#zero(offset, length).then(
      () => {
        if (!this.differencing) this.bitmaps.full.add(block);
        this.#preparing.delete(block);
      },
      (error: unknown) => {
        this.#unprepared.set(block, { offset, length });
        this.#preparing.delete(block);
        throw error;
      },
    );
    this.#preparing.set(block, preparing);
    // Whoever needs the block hears of it.
    preparing.catch(() => undefined);
  }

  async #zero(offset: number, length: number): Promise<void> {
    const done = this.file.writeZeroes(offset, length);
    if (done !== undefined) await done;
  }
}
