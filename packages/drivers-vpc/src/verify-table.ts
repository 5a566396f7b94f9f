/**
 * Looking through all of the block table when an image is opened: no block lies over another, over metadata, or beyond the end. The places are
 * sorted, as many at a time as there is memory for: those from some place on, then those behind them. One look is enough for four million blocks.
 */
import type { Edge } from '@blk/core-graph';
import { ENTRY_BYTES, type BlockTable } from './block-table.js';
import type { DynamicHeader } from './dynamic-header.js';
import { vpcError } from './errors.js';
import { FOOTER_BYTES, HEADER_BYTES, SECTOR, UNALLOCATED } from './format.js';

/** Places that are sorted together. */
const AT_ONCE = 2 ** 22;

interface Region {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Throws where something does not fit. Fills in where the last block ends, or the metadata where there is none. */
export async function verifyTable(file: Edge, table: BlockTable, { tableOffset }: DynamicHeader, headerOffset: number, atOnce = AT_ONCE): Promise<void> {
  const regions: Region[] = [
    { name: 'the copy of the footer', from: 0, to: FOOTER_BYTES },
    { name: 'the dynamic disk header', from: headerOffset, to: headerOffset + HEADER_BYTES },
    { name: 'the block table', from: tableOffset, to: tableOffset + Math.ceil((table.entries * ENTRY_BYTES) / SECTOR) * SECTOR },
  ];
  if (overlaps(regions[1], regions[2])) throw vpcError({ what: 'offset', structure: 'block table', found: tableOffset });
  table.end = Math.max(...regions.map(({ to }) => to));
  const places = new Uint32Array(Math.max(2, Math.min(atOnce, table.entries)));
  let before = -1;
  for (let from = 0; from < UNALLOCATED; ) {
    let count = 0;
    let to = UNALLOCATED;
    let wrong: Promise<never> | undefined;
    await table.pieces.walk(table.entries, (piece, first, end) => {
      for (let block = first; block < end; block++) {
        const entry = piece.low(block - first);
        if (entry >= to || entry < from) continue;
        if (count === places.length) {
          // The half that lies behind has to wait.
          wrong = checkPlaces(table, regions, places, before);
          if (wrong !== undefined) return wrong;
          count = Math.ceil(count / 2);
          to = places[count];
          if (entry >= to) continue;
        }
        places[count++] = entry;
      }
    });
    const sorted = places.subarray(0, count);
    wrong = checkPlaces(table, regions, sorted, before);
    if (wrong !== undefined) await wrong;
    if (count > 0) {
      before = sorted[count - 1];
      table.end = Math.max(table.end, before * SECTOR + table.blockBytes);
    }
    from = to;
  }
  if (table.end > file.size) throw vpcError({ what: 'truncated' });
}

/** Sorts the places; the error where two blocks, or a block and one of the regions, lie over each other. `before`: the last place in front of them, or -1. */
function checkPlaces(table: BlockTable, regions: readonly Region[], places: Uint32Array, before: number): Promise<never> | undefined {
  const { blockBytes } = table;
  let last = before;
  for (const place of places.sort()) {
    const from = place * SECTOR;
    const other = regions.find((region) => overlaps(region, { from, to: from + blockBytes }));
    if (other !== undefined) return overlap(table, place, other.name);
    if (last >= 0 && from < last * SECTOR + blockBytes) return overlap(table, place, last);
    last = place;
  }
  return undefined;
}

function overlaps(a: Omit<Region, 'name'>, b: Omit<Region, 'name'>): boolean {
  return a.from < b.to && b.from < a.to;
}

/** `other`: the name of a region, or the place of a block. */
async function overlap(table: BlockTable, place: number, other: string | number): Promise<never> {
  let first = -1;
  let last = -1;
  let others = -1;
  await table.pieces.walk(table.entries, (piece, start, end) => {
    for (let block = start; block < end; block++) {
      const entry = piece.low(block - start);
      if (entry === other && others < 0) others = block;
      if (entry !== place) continue;
      if (first < 0) first = block;
      last = block;
    }
  });
  throw vpcError(typeof other === 'string' ? { what: 'overlap', block: first, other } : { what: 'overlap', block: last, other: `block ${others}` });
}
