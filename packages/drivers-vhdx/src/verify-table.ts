/** Looking through all of the block table when an image is opened: every block has a state that means something, and a place of its own inside the file. */
import { Bits, type TablePage } from '@blk/cluster-map';
import type { Completion } from '@blk/core-graph';
import { offsetIn, stateIn, type BlockTable } from './block-table.js';
import { vhdxError } from './errors.js';
import { BlockState, MIB } from './format.js';
import type { Metadata } from './metadata.js';
import type { Region } from './regions.js';

/** Most bytes to tell parts of the file in use from others; one of 128 TiB takes no more, wherever its blocks lie. */
const MOST_BYTES = 16 * MIB;

export interface VerifyLimits {
  readonly fileSize: number;
  readonly maxBytes: number;
}

/** Throws where something does not fit. Fills in where the sector bitmaps are, and where the last block or region ends. */
export function verifyTable(table: BlockTable, regions: readonly Region[], { diskSize, blockSize }: Metadata, limits: VerifyLimits): Promise<void> {
  return new Verifier(table, regions, diskSize, blockSize, limits).run();
}

class Verifier {
  /** Which MiB of the file are in use. */
  readonly #used: Bits;
  readonly #most: number;
  /** By chunk: a block that is held in part. */
  readonly #partial = new Map<number, number>();

  constructor(
    private readonly table: BlockTable,
    private readonly regions: readonly Region[],
    private readonly diskSize: number,
    private readonly blockSize: number,
    private readonly limits: VerifyLimits,
  ) {
    this.#used = new Bits(Math.ceil(limits.fileSize / MIB));
    this.#most = Math.min(MOST_BYTES, limits.maxBytes);
    for (const { offset, length } of regions) this.#take(offset, length);
  }

  async run(): Promise<void> {
    const { table } = this;
    await table.pieces.walk(table.entries, (piece, first, end) => this.#piece(piece, first, end));
    for (const [chunk, block] of this.#partial) if (table.bitmaps[chunk] === 0) throw vhdxError({ what: 'no-bitmap', block });
  }

  #piece(piece: TablePage, first: number, end: number): Completion {
    const { table, blockSize, diskSize, limits: { fileSize } } = this;
    const { ratio } = table;
    for (let index = first; index < end; index++) {
      const low = piece.low(index - first);
      const state = stateIn(low);
      // Nothing is there: so it is with most of a large disk.
      if (state <= BlockState.Unmapped) continue;
      const chunk = Math.floor(index / (ratio + 1));
      const inChunk = index - chunk * (ratio + 1);
      const block = chunk * ratio + inChunk;
      const isBitmap = inChunk === ratio;
      if (isBitmap ? table.bitmaps.length === 0 || state !== BlockState.Present : block >= table.blocks) continue;
      if (!isBitmap && !table.means(state)) throw vhdxError({ what: 'block-state', block, found: state });
      const offset = offsetIn(low, piece.high(index - first));
      // What lies behind the end of the disk need not be there.
      const needed = isBitmap ? MIB : Math.min(blockSize, diskSize - block * blockSize);
      if (offset + needed > fileSize) {
        throw vhdxError(isBitmap ? { what: 'range', part: 'sector bitmap', offset, length: MIB } : { what: 'block-range', block, offset, fileSize });
      }
      if (isBitmap) table.bitmaps[chunk] = offset;
      else if (state === BlockState.Partial && !this.#partial.has(chunk)) this.#partial.set(chunk, block);
      const taken = this.#take(offset, isBitmap ? MIB : blockSize);
      if (taken >= 0) return this.#refuse(index, offset, isBitmap, taken);
    }
  }

  /** A byte offset that is in use already, or -1. */
  #take(offset: number, length: number): number {
    const used = this.#used;
    for (let unit = offset / MIB; unit * MIB < offset + length; unit++) {
      if (used.has(unit)) return unit * MIB;
      used.add(unit);
    }
    if (used.bytes > this.#most) throw vhdxError({ what: 'scattered', limit: this.#most });
    this.table.end = Math.max(this.table.end, offset + length);
    return -1;
  }

  /** Says what else is at `at`: a region, or an entry before this one. */
  async #refuse(index: number, offset: number, isBitmap: boolean, at: number): Promise<never> {
    const { table, blockSize } = this;
    const { ratio } = table;
    const nameOf = (bitmap: boolean, from: number): string => `${bitmap ? 'sector bitmap' : 'block'} at ${from}`;
    const part = nameOf(isBitmap, offset);
    const region = this.regions.find((one) => one.offset <= at && at < one.offset + one.length);
    if (region !== undefined) throw vhdxError({ what: 'overlap', part, other: region.name });
    await table.pieces.walk(index, (piece, first, end) => {
      for (let entry = first; entry < end; entry++) {
        const low = piece.low(entry - first);
        const bitmap = (entry + 1) % (ratio + 1) === 0;
        if (stateIn(low) < BlockState.Present || (bitmap && table.bitmaps.length === 0)) continue;
        const from = offsetIn(low, piece.high(entry - first));
        if (from <= at && at < from + (bitmap ? MIB : blockSize)) throw vhdxError({ what: 'overlap', part, other: nameOf(bitmap, from) });
      }
    });
    throw vhdxError({ what: 'overlap', part, other: 'rest of the image' });
  }
}
