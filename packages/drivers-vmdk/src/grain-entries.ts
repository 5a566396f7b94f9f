/** Entries of grain tables: a sector of the file, or what stands for zeroes. */
import { Place, type EntryCodec } from '@blk/cluster-map';
import { BlockError } from '@blk/core-graph';
import type { Range } from './claims.js';
import { SECTOR } from './descriptor.js';
import { vmdkError } from './errors.js';

const ZERO_GRAIN = 1;

export interface GrainEntries {
  /** An entry can say that a grain reads as zeroes. */
  readonly zeroGrains: boolean;
  readonly compressed: boolean;
  /** No grain lies before it. */
  readonly first: number;
  /** What no grain lies over, where grains of this length are as long in the file. */
  readonly apart?: { readonly grainSize: number; readonly metadata: readonly Range[] };
}

export function grainCodec({ zeroGrains, compressed, first, apart }: GrainEntries): EntryCodec {
  const { grainSize = 0, metadata = [] } = apart ?? {};
  const end = Math.max(first, ...metadata.map((range) => range.end));
  const isOver = (offset: number): boolean => offset < first || metadata.some((range) => offset < range.end && offset + grainSize > range.start);
  return {
    bytes: 4,
    littleEndian: true,
    decode: (sector) => {
      if (sector === 0) return Place.Hole;
      if (zeroGrains && sector === ZERO_GRAIN) return Place.Zero;
      const offset = sector * SECTOR;
      if (offset < end && isOver(offset)) throw vmdkError({ what: 'offset', thing: 'A grain', offset });
      return compressed ? Place.Packed : offset;
    },
    encode: (place) => {
      if (place === Place.Zero) return ZERO_GRAIN;
      return sectorOf(place);
    },
  };
}

/** The entry for a place in the file. */
export function sectorOf(place: number): number {
  const sector = place / SECTOR;
  if (sector >= 2 ** 32) throw new BlockError('no-space', 'An extent can not be larger than 2 TiB: No space left on device', { driver: 'vmdk' });
  return sector;
}
