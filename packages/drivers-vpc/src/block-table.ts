/** The block table (BAT): which block of the disk lies where. Read in pieces, as far as they fit into the memory for it. */
import { FixedRoot, Place, Tables, type EntryCodec, type TablePage } from '@blk/cluster-map';
import type { Completion, Edge } from '@blk/core-graph';
import { vpcError } from './errors.js';
import { SECTOR, UNALLOCATED } from './format.js';
import type { DynamicHeader } from './dynamic-header.js';

export const ENTRY_BYTES = 4;

/** An entry is the sector of the block's bitmap. */
const CODEC: EntryCodec = {
  bytes: ENTRY_BYTES,
  littleEndian: false,
  decode: (entry) => (entry === UNALLOCATED ? Place.Hole : entry * SECTOR),
  encode: (place) => place / SECTOR,
};

/** Bytes of the sector bitmap in front of a block's data. */
export function bitmapBytes(blockSize: number): number {
  return Math.ceil(blockSize / SECTOR / 8 / SECTOR) * SECTOR;
}

export class BlockTable {
  readonly entries: number;
  /** Bytes of a block and its bitmap. */
  readonly blockBytes: number;
  readonly pieces: Tables;
  /** Byte offset behind the last block: where the next one goes. */
  end = 0;

  /** `budget`: most bytes of the table in memory. */
  constructor(file: Edge, { tableOffset, tableEntries, blockSize }: DynamicHeader, budget: number | undefined) {
    this.entries = tableEntries;
    this.blockBytes = bitmapBytes(blockSize) + blockSize;
    this.pieces = new Tables(file, { driver: 'vpc', codec: CODEC, entries: Math.max(1, tableEntries), root: new FixedRoot(tableOffset), budget });
  }

  /** What has to be waited for before a block is asked about; then this has to be asked again. */
  ready(block: number): Completion {
    return this.pieces.at(block) === undefined ? this.pieces.load(this.pieces.pageOf(block)) : undefined;
  }

  /** First block behind those that can be asked about together with this one. */
  endOfPiece(block: number): number {
    return this.pieces.endOf(this.pieces.pageOf(block));
  }

  /** Byte offset of the block's bitmap; -1: the image does not hold the block. Every place was looked at when the image was opened; this is for files that others change. */
  offsetOf(block: number): number {
    const piece = this.#pieceOf(block);
    const offset = piece.get(block - piece.first);
    if (offset + this.blockBytes > this.end && offset >= 0) throw vpcError({ what: 'truncated' });
    return offset;
  }

  /** Puts a block behind the last one. The file has that when the pieces with changes are written. */
  append(block: number): void {
    const piece = this.#pieceOf(block);
    piece.set(block - piece.first, this.end);
    this.end += this.blockBytes;
  }

  #pieceOf(block: number): TablePage {
    const piece = this.pieces.at(block);
    if (piece === undefined || piece === null) throw new Error(`entry ${block} of the block table is not in memory`);
    return piece;
  }
}
