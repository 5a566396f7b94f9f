/** The block map: where in the file each block of the disk lies. Read in pieces, as far as they fit into the memory for it. */
import { Bits, FixedRoot, Place, Tables, type EntryCodec } from '@blk/cluster-map';
import type { Edge } from '@blk/core-graph';
import { vdiError } from './errors.js';
import type { VdiHeader } from './header.js';

/** Entry of a block that was never written. */
export const FREE = 0xffff_ffff;
/** Entry of a block that reads as zeroes: VirtualBox gave its space back. */
export const ZERO = 0xffff_fffe;
const ENTRY_BYTES = 4;
/** Most bytes to tell used blocks of the file from others. Only those take any that have both around them. */
const MOST_USED_BYTES = 24 * 1024 * 1024;

export function isStored(entry: number): boolean {
  return entry < ZERO;
}

/** `budget`: most bytes of the map in memory. */
export function blockMap(file: Edge, { blocks, blockSize, mapOffset, dataOffset }: VdiHeader, budget: number | undefined): Tables {
  const codec: EntryCodec = {
    bytes: ENTRY_BYTES,
    littleEndian: true,
    decode: (entry) => (isStored(entry) ? dataOffset + entry * blockSize : Place.Zero),
    encode: (place) => (place - dataOffset) / blockSize,
  };
  const end = mapOffset + blocks * ENTRY_BYTES;
  if (end > file.size) throw vdiError({ what: 'map-truncated', end, fileSize: file.size });
  return new Tables(file, { driver: 'vdi', codec, entries: Math.max(1, blocks), root: new FixedRoot(mapOffset), budget });
}

/** The blocks of the file that entries refer to. */
export class UsedBlocks {
  readonly bits: Bits;
  /** Behind the last of them. */
  end = 0;

  constructor(
    private readonly header: VdiHeader,
    private readonly limit: number,
  ) {
    this.bits = new Bits(header.blocks);
  }

  /** False where another entry refers to the same block. Throws kind `policy` where so many holes are between them that they take too much memory. */
  add(entry: number): boolean {
    const { bits } = this;
    if (bits.has(entry)) return false;
    bits.add(entry);
    this.end = Math.max(this.end, entry + 1);
    const limit = Math.min(this.limit, MOST_USED_BYTES);
    if (bits.bytes > limit) throw vdiError({ what: 'used-memory', blocks: this.header.blocks, limit });
    return true;
  }
}

/** Where the part of a block that belongs to the disk ends in the file; what lies behind the end of the disk need not be there. */
export function hostEnd({ blockSize, dataOffset, size }: VdiHeader, block: number, entry: number): number {
  return dataOffset + entry * blockSize + Math.max(0, Math.min(blockSize, size - block * blockSize));
}
