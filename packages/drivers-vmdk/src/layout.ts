/** Where the parts of a new sparse extent are: header, descriptor, the redundant directory with its tables, then the others, then the grains. */
import { SECTOR } from './descriptor.js';
import { Flag, tablesOf, type SparseHeader } from './sparse-header.js';

const GRAIN = 65536;
const ENTRIES = 512;
const TABLE_BYTES = ENTRIES * 4;
const DESCRIPTOR_OFFSET = SECTOR;
const DESCRIPTOR_SIZE = 20 * SECTOR;

export interface SparseWish {
  /** Bytes, whole sectors. */
  readonly capacity: number;
  readonly zeroGrains: boolean;
  readonly compressed: boolean;
}

export function layOut({ capacity, zeroGrains, compressed }: SparseWish): SparseHeader {
  const tables = tablesOf({ capacity, grainSize: GRAIN, entries: ENTRIES });
  const directoryBytes = sectors(tables * 4);
  const copyOffset = DESCRIPTOR_OFFSET + DESCRIPTOR_SIZE;
  const directoryOffset = copyOffset + directoryBytes + tables * TABLE_BYTES;
  const end = directoryOffset + directoryBytes + tables * TABLE_BYTES;
  return {
    version: compressed ? 3 : zeroGrains ? 2 : 1,
    flags: Flag.LineEnds | Flag.Copy | (zeroGrains ? Flag.ZeroGrains : 0) | (compressed ? Flag.Compressed | Flag.Markers : 0),
    capacity, compressed, copyOffset, directoryOffset,
    grainSize: GRAIN,
    entries: ENTRIES,
    descriptorOffset: DESCRIPTOR_OFFSET,
    descriptorSize: DESCRIPTOR_SIZE,
    overhead: Math.ceil(end / GRAIN) * GRAIN,
    unclean: false,
  };
}

/** A directory at `offset` whose tables follow it, one behind the other. */
export function directoryBytes(header: SparseHeader, offset: number): Uint8Array {
  const tables = tablesOf(header);
  const bytes = new Uint8Array(sectors(tables * 4));
  const view = new DataView(bytes.buffer);
  for (let table = 0; table < tables; table++) view.setUint32(table * 4, (offset + bytes.length + table * TABLE_BYTES) / SECTOR, true);
  return bytes;
}

function sectors(bytes: number): number {
  return Math.ceil(bytes / SECTOR) * SECTOR;
}
