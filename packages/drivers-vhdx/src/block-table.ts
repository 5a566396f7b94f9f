/** The block table (BAT): state and place of every block of the disk, and of the sector bitmaps between them. */
import { vhdxError } from './errors.js';
import { BlockState, MIB, PAGE, viewOf } from './format.js';
import type { ByteReader } from './logged-file.js';
import type { Metadata } from './metadata.js';
import type { Region, Regions } from './regions.js';

const ENTRY_BYTES = 8;
/** Sectors that one sector bitmap of a MiB is for. */
const CHUNK_SECTORS = 2 ** 23;
const PIECE = MIB;

export class BlockTable {
  readonly states: Uint8Array;
  /** In MiB from the beginning of the file. */
  readonly places: Uint32Array;
  /** Places of the sector bitmaps, by chunk; 0: there is none. Differencing disks only. */
  readonly bitmaps: Uint32Array;

  constructor(
    readonly region: Region,
    readonly blocks: number,
    /** Blocks that one sector bitmap is for; its entry follows theirs. */
    readonly ratio: number,
    differencing: boolean,
  ) {
    this.states = new Uint8Array(blocks);
    this.places = new Uint32Array(blocks);
    this.bitmaps = new Uint32Array(differencing ? Math.ceil(blocks / ratio) : 0);
  }

  /** Byte offset of the block's data; meaningful for blocks that are there. */
  offsetOf(block: number): number {
    return this.places[block] * MIB;
  }

  /** Byte offset in the file of the page of the table that has the block's entry. */
  pageOf(block: number): number {
    const at = this.#entryOffset(block);
    return at - (at % PAGE);
  }

  /** Puts the block's entry as it is in memory into its page. */
  putEntry(block: number, page: Uint8Array): void {
    const at = this.#entryOffset(block) % PAGE;
    const place = this.places[block];
    const view = viewOf(page);
    view.setUint32(at, ((place << 20) | this.states[block]) >>> 0, true);
    view.setUint32(at + 4, place >>> 12, true);
  }

  #entryOffset(block: number): number {
    return this.region.offset + (block + Math.floor(block / this.ratio)) * ENTRY_BYTES;
  }
}

export function chunkRatio(blockSize: number, sectorSize: number): number {
  return (CHUNK_SECTORS * sectorSize) / blockSize;
}

/** Entries of the table of a disk without a parent. */
export function tableEntries(blocks: number, ratio: number): number {
  return blocks === 0 ? 0 : blocks + Math.floor((blocks - 1) / ratio);
}

export interface FoundTable {
  readonly table: BlockTable;
  /** Behind the last block and region. */
  readonly end: number;
}

/** Reads the table and refuses blocks that lie over each other, over regions, or beyond the end, and states that mean nothing. */
export async function readBlockTable(
  reader: ByteReader, regions: Regions, { diskSize, blockSize, sectorSize, parentLocator }: Metadata, fileSize: number, maxBytes: number,
): Promise<FoundTable> {
  const differencing = parentLocator !== undefined;
  const blocks = Math.ceil(diskSize / blockSize);
  const ratio = chunkRatio(blockSize, sectorSize);
  const entries = differencing ? Math.ceil(blocks / ratio) * (ratio + 1) : tableEntries(blocks, ratio);
  const { bat } = regions;
  if (entries * ENTRY_BYTES > bat.length) throw vhdxError({ what: 'metadata', text: `The block table of ${bat.length} bytes has no room for ${entries} entries` });
  // In memory a block takes five bytes, and eight more while it is checked.
  const memory = blocks * 13;
  if (memory > maxBytes) throw vhdxError({ what: 'table-memory', bytes: memory, limit: maxBytes });
  const table = new BlockTable(bat, blocks, ratio, differencing);
  const bytes = new Uint8Array(Math.min(PIECE, entries * ENTRY_BYTES));
  for (let first = 0; first < entries; first += PIECE / ENTRY_BYTES) {
    const count = Math.min(PIECE / ENTRY_BYTES, entries - first);
    const done = reader.read(bat.offset + first * ENTRY_BYTES, bytes, 0, count * ENTRY_BYTES);
    if (done !== undefined) await done;
    for (let at = 0; at < count; at++) takeEntry(table, first + at, viewOf(bytes), at * ENTRY_BYTES, differencing);
  }
  return { table, end: checkPlaces(table, regions, { diskSize, blockSize }, fileSize) };
}

function takeEntry(table: BlockTable, index: number, view: DataView, at: number, differencing: boolean): void {
  const { ratio, states, places, bitmaps } = table;
  const chunk = Math.floor(index / (ratio + 1));
  const inChunk = index - chunk * (ratio + 1);
  const low = view.getUint32(at, true);
  const high = view.getUint32(at + 4, true);
  const state = low & 7;
  // Further than 2^52 bytes nothing lies; such places are refused as beyond the end.
  const place = high > 0xf_ffff ? 0xffff_ffff : ((high << 12) | (low >>> 20)) >>> 0;
  if (inChunk === ratio) {
    if (differencing && state === BlockState.Present) bitmaps[chunk] = place;
    return;
  }
  const block = chunk * ratio + inChunk;
  if (block >= table.blocks) return;
  if (state === 4 || state === 5 || (state === BlockState.Partial && !differencing)) throw vhdxError({ what: 'block-state', block, found: state });
  states[block] = state;
  if (state >= BlockState.Present) places[block] = place;
}

/** End of the last block or region, in bytes; every block inside the file and in a place of its own. */
function checkPlaces(table: BlockTable, { all }: Regions, { diskSize, blockSize }: { diskSize: number; blockSize: number }, fileSize: number): number {
  const { states, places, bitmaps, ratio } = table;
  let end = Math.max(...all.map(({ offset, length }) => offset + length));
  const starts = new Float64Array(table.blocks + bitmaps.length);
  let count = 0;
  states.forEach((state, block) => {
    if (state < BlockState.Present) return;
    const offset = table.offsetOf(block);
    const used = Math.min(blockSize, diskSize - block * blockSize);
    if (offset + used > fileSize) throw vhdxError({ what: 'block-range', block, offset, fileSize });
    starts[count++] = places[block];
    end = Math.max(end, offset + blockSize);
    if (state === BlockState.Partial && bitmaps[Math.floor(block / ratio)] === 0) throw vhdxError({ what: 'no-bitmap', block });
  });
  for (const place of bitmaps) {
    if (place === 0) continue;
    if ((place + 1) * MIB > fileSize) throw vhdxError({ what: 'range', part: 'sector bitmap', offset: place * MIB, length: MIB });
    // The fraction tells bitmaps from blocks.
    starts[count++] = place + 0.5;
    end = Math.max(end, (place + 1) * MIB);
  }
  checkOverlaps(starts.subarray(0, count).sort(), blockSize, all);
  return end;
}

function checkOverlaps(sorted: Float64Array, blockSize: number, regions: readonly Region[]): void {
  let free = 0;
  let before = '';
  for (const start of sorted) {
    const isBitmap = start % 1 !== 0;
    const from = Math.floor(start) * MIB;
    const to = from + (isBitmap ? MIB : blockSize);
    const part = `${isBitmap ? 'sector bitmap' : 'block'} at ${from}`;
    if (from < free) throw vhdxError({ what: 'overlap', part, other: before });
    const region = regions.find(({ offset, length }) => from < offset + length && offset < to);
    if (region !== undefined) throw vhdxError({ what: 'overlap', part, other: region.name });
    free = to;
    before = part;
  }
}
