/** The block table (BAT): state and place of every block of the disk. Read in pieces, as far as they fit into the memory for it. */
import { FixedRoot, Place, Tables, type EntryCodec, type TablePage } from '@blk/cluster-map';
import type { Completion, Edge } from '@blk/core-graph';
import { vhdxError } from './errors.js';
import { BlockState, MIB } from './format.js';
import type { Metadata } from './metadata.js';
import type { Region } from './regions.js';

export const ENTRY_BYTES = 8;
/** Sectors that one sector bitmap of a MiB is for. */
const CHUNK_SECTORS = 2 ** 23;

const CODEC: EntryCodec = {
  bytes: ENTRY_BYTES,
  littleEndian: true,
  decode: (low, high) => (stateIn(low) < BlockState.Present ? Place.Hole : offsetIn(low, high)),
  encode: (place) => place + BlockState.Present,
};

export function stateIn(low: number): number {
  return low & 7;
}

/** Byte offset in the file, of any size. */
export function offsetIn(low: number, high: number): number {
  return (high * 4096 + (low >>> 20)) * MIB;
}

export interface TableParts {
  readonly file: Edge;
  readonly metadata: Metadata;
  readonly region: Region;
  /** Most bytes in memory. */
  readonly budget: number | undefined;
}

export class BlockTable {
  readonly blocks: number;
  /** Blocks that one sector bitmap is for; its entry follows theirs. */
  readonly ratio: number;
  readonly entries: number;
  readonly pieces: Tables;
  readonly #blockSize: number;
  readonly #differencing: boolean;
  /** Byte offsets of the sector bitmaps, by chunk; 0: there is none. Differencing disks only. */
  readonly bitmaps: Float64Array;
  /** Behind the last block. */
  end = 0;

  /** `reader`: the file as its log says that it should be. */
  constructor(
    private readonly parts: TableParts,
    reader?: Pick<Edge, 'read' | 'size'>,
  ) {
    const { file, region, budget, metadata: { diskSize, blockSize, sectorSize, parentLocator } } = parts;
    this.#blockSize = blockSize;
    this.#differencing = parentLocator !== undefined;
    this.blocks = Math.ceil(diskSize / blockSize);
    this.ratio = chunkRatio(blockSize, sectorSize);
    const chunks = Math.ceil(this.blocks / this.ratio);
    this.entries = this.#differencing ? chunks * (this.ratio + 1) : tableEntries(this.blocks, this.ratio);
    if (this.entries * ENTRY_BYTES > region.length) {
      throw vhdxError({ what: 'metadata', text: `The block table of ${region.length} bytes has no room for ${this.entries} entries` });
    }
    this.bitmaps = new Float64Array(this.#differencing ? chunks : 0);
    this.pieces = new Tables(file, { driver: 'vhdx', codec: CODEC, entries: Math.max(1, this.entries), root: new FixedRoot(region.offset), budget, reader });
  }

  /** The same table, when what its log promised has been put into the file. */
  inFile(): BlockTable {
    const table = new BlockTable(this.parts);
    table.bitmaps.set(this.bitmaps);
    table.end = this.end;
    return table;
  }

  /** What has to be waited for before a block is asked about; then this has to be asked again. */
  ready(block: number): Completion {
    const index = this.#indexOf(block);
    return this.pieces.at(index) === undefined ? this.pieces.load(this.pieces.pageOf(index)) : undefined;
  }

  /** First block behind those that can be asked about together with this one. */
  endOfPiece(block: number): number {
    const end = this.pieces.endOf(this.pieces.pageOf(this.#indexOf(block)));
    // The entry before the end may be one of a bitmap.
    return Math.min(this.blocks, end - Math.floor(end / (this.ratio + 1)));
  }

  stateOf(block: number): number {
    const index = this.#indexOf(block);
    const piece = this.#pieceOf(index);
    const state = stateIn(piece.low(index - piece.first));
    if (!this.means(state)) throw vhdxError({ what: 'block-state', block, found: state });
    return state;
  }

  /** Whether the state is one of those that a block can have. */
  means(state: number): boolean {
    return state !== 4 && state !== 5 && (state !== BlockState.Partial || this.#differencing);
  }

  /** Byte offset of the block's data; meaningful for blocks that are there. Every place was looked at when the image was opened; this is for files that others change. */
  offsetOf(block: number): number {
    const index = this.#indexOf(block);
    const piece = this.#pieceOf(index);
    const within = index - piece.first;
    const offset = offsetIn(piece.low(within), piece.high(within));
    if (offset + this.#blockSize > this.end) throw vhdxError({ what: 'block-range', block, offset, fileSize: this.end });
    return offset;
  }

  /** Puts a block behind the last one. The file has that when the pieces with changes are written. */
  append(block: number): void {
    const index = this.#indexOf(block);
    const piece = this.#pieceOf(index);
    piece.set(index - piece.first, this.end);
    this.end += this.#blockSize;
  }

  #indexOf(block: number): number {
    return block + Math.floor(block / this.ratio);
  }

  #pieceOf(index: number): TablePage {
    const piece = this.pieces.at(index);
    if (piece === undefined || piece === null) throw new Error(`entry ${index} of the block table is not in memory`);
    return piece;
  }
}

export function chunkRatio(blockSize: number, sectorSize: number): number {
  return (CHUNK_SECTORS * sectorSize) / blockSize;
}

/** Entries of the table of a disk without a parent. */
export function tableEntries(blocks: number, ratio: number): number {
  return blocks === 0 ? 0 : blocks + Math.floor((blocks - 1) / ratio);
}
