/** The block table (BAT): which block of the disk lies where, what of that is on disk already, and where the next block goes. */
import type { Edge } from '@blk/core-graph';
import { vpcError } from './errors.js';
import { FOOTER_BYTES, HEADER_BYTES, SECTOR, UNALLOCATED, viewOf } from './format.js';
import type { DynamicHeader } from './dynamic-header.js';

const ENTRY_BYTES = 4;
const PER_SECTOR = SECTOR / ENTRY_BYTES;

/** Bytes of the sector bitmap in front of a block's data. */
export function bitmapBytes(blockSize: number): number {
  return Math.ceil(blockSize / SECTOR / 8 / SECTOR) * SECTOR;
}

export class BlockTable {
  /** Blocks whose entry is not on disk yet. */
  readonly fresh = new Set<number>();

  /** `entries`: sector of each block's bitmap, or `UNALLOCATED`. */
  constructor(
    readonly offset: number,
    readonly entries: Uint32Array,
  ) {}

  /** The sectors of the table in which blocks of `blocks` stand, with only those entries that may be on disk: contiguous ones in one piece. */
  *dirtyParts(blocks: readonly number[]): Generator<{ readonly offset: number; readonly bytes: Uint8Array }, void, undefined> {
    const sectors = [...new Set(blocks.map((block) => Math.floor(block / PER_SECTOR)))].sort((a, b) => a - b);
    for (let from = 0; from < sectors.length; ) {
      let to = from + 1;
      while (to < sectors.length && sectors[to] === sectors[to - 1] + 1 && to - from < 1024) to++;
      yield { offset: this.offset + sectors[from] * SECTOR, bytes: this.#encode(sectors[from] * PER_SECTOR, (to - from) * PER_SECTOR) };
      from = to;
    }
  }

  /** Never longer than the table: what lies behind it may be somebody's data. */
  #encode(first: number, count: number): Uint8Array {
    const present = Math.min(count, this.entries.length - first);
    const bytes = new Uint8Array(present * ENTRY_BYTES);
    const view = viewOf(bytes);
    for (let at = 0; at < present; at++) view.setUint32(at * ENTRY_BYTES, this.fresh.has(first + at) ? UNALLOCATED : this.entries[first + at]);
    return bytes;
  }
}

/** Reads the table and refuses blocks that lie over each other, over metadata, or beyond the end. */
export async function readBlockTable(
  file: Edge,
  header: DynamicHeader,
  headerOffset: number,
  maxBytes: number,
): Promise<{ readonly table: BlockTable; readonly end: number }> {
  const { tableOffset, tableEntries, blockSize } = header;
  const length = tableEntries * ENTRY_BYTES;
  // In memory an entry takes five bytes, and four more while it is checked.
  const memory = tableEntries * 9;
  if (memory > maxBytes) throw vpcError({ what: 'table-memory', bytes: memory, limit: maxBytes });
  if (tableOffset + length > file.size) throw vpcError({ what: 'truncated' });
  const bytes = new Uint8Array(length);
  if (length > 0) await file.read(tableOffset, bytes, 0, length);
  const view = viewOf(bytes);
  const entries = new Uint32Array(tableEntries);
  for (let at = 0; at < tableEntries; at++) entries[at] = view.getUint32(at * ENTRY_BYTES);
  const regions = [
    { name: 'the copy of the footer', from: 0, to: FOOTER_BYTES },
    { name: 'the dynamic disk header', from: headerOffset, to: headerOffset + HEADER_BYTES },
    { name: 'the block table', from: tableOffset, to: Math.ceil((tableOffset + length) / SECTOR) * SECTOR },
  ];
  if (overlaps(regions[1], regions[2])) throw vpcError({ what: 'offset', structure: 'block table', found: tableOffset });
  const end = checkBlocks(entries, regions, bitmapBytes(blockSize) + blockSize);
  if (end > file.size) throw vpcError({ what: 'truncated' });
  return { table: new BlockTable(tableOffset, entries), end };
}

interface Region {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

function overlaps(a: Omit<Region, 'name'>, b: Omit<Region, 'name'>): boolean {
  return a.from < b.to && b.from < a.to;
}

/** Byte offset behind the last block, or behind the metadata where there is none. */
function checkBlocks(entries: Uint32Array, regions: readonly Region[], blockBytes: number): number {
  const sorted = entries.slice().sort();
  let end = Math.max(...regions.map(({ to }) => to));
  let before = -1;
  for (const entry of sorted) {
    if (entry === UNALLOCATED) break;
    const from = entry * SECTOR;
    const block = { from, to: from + blockBytes };
    const other = regions.find((region) => overlaps(region, block));
    if (other !== undefined) throw vpcError({ what: 'overlap', block: entries.indexOf(entry), other: other.name });
    if (before >= 0 && from < before + blockBytes) {
      throw vpcError({ what: 'overlap', block: entries.lastIndexOf(entry), other: `block ${entries.indexOf(before / SECTOR)}` });
    }
    before = from;
    end = Math.max(end, block.to);
  }
  return end;
}
