/** The header of a sparse extent of hosted products: bytes to a checked one, and back. Section "Hosted Sparse Extents" of the specification. */
import { MAX_SIZE } from '@blk/core-graph';
import { SECTOR } from './descriptor.js';
import { vmdkError } from './errors.js';

export const HEADER_BYTES = 512;
/** In place of the directory's offset: it is told by the footer. */
const AT_END = 0xffff_ffff_ffff_ffffn;
const MAGIC = 0x564d_444b;
const DEFLATE = 1;
const LINE_ENDS = [0x0a, 0x20, 0x0d, 0x0a];
/** Sectors; that is 1 GiB. */
const MAX_GRAIN = 0x20_0000;
/** Of a compressed grain, which has to be in memory, in sectors: 32 MiB. */
const MAX_PACKED_GRAIN = 65536;
const MAX_ENTRIES = 512;
const Field = {
  Version: 4, Flags: 8, Capacity: 12, GrainSize: 20, DescriptorOffset: 28, DescriptorSize: 36, Entries: 44, CopyOffset: 48, DirectoryOffset: 56,
  Overhead: 64, Unclean: 72, LineEnds: 73, Compression: 77,
} as const;
export const Flag = { LineEnds: 1, Copy: 2, ZeroGrains: 4, Compressed: 0x1_0000, Markers: 0x2_0000 } as const;

/** Sizes and offsets in bytes. */
export interface SparseHeader {
  readonly version: number;
  readonly flags: number;
  readonly capacity: number;
  readonly grainSize: number;
  readonly descriptorOffset: number;
  readonly descriptorSize: number;
  /** Entries of each grain table. */
  readonly entries: number;
  /** Of the redundant grain directory; 0 where there is none. */
  readonly copyOffset: number;
  /** Of the grain directory; undefined: the footer tells it. */
  readonly directoryOffset: number | undefined;
  /** What comes before the first grain. */
  readonly overhead: number;
  readonly unclean: boolean;
  readonly compressed: boolean;
}

export function isSparse(head: Uint8Array): boolean {
  return head.length >= 4 && viewOf(head).getUint32(0) === 0x4b44_4d56;
}

/** The other kind, of ESX: this one is no disk without its descriptor. */
export function isCowd(head: Uint8Array): boolean {
  return head.length >= 4 && viewOf(head).getUint32(0) === 0x434f_5744;
}

/** Untrusted bytes, 512 of them where the file has as many. Throws a `BlockError` and nothing else. */
export function parseSparseHeader(bytes: Uint8Array): SparseHeader {
  if (!isSparse(bytes) || bytes.length < HEADER_BYTES) throw vmdkError({ what: 'no-header' });
  const view = viewOf(bytes);
  const version = view.getUint32(Field.Version, true);
  if (version < 1 || version > 3) throw vmdkError({ what: 'version', found: version });
  const flags = view.getUint32(Field.Flags, true);
  const entries = view.getUint32(Field.Entries, true);
  if (entries > MAX_ENTRIES) throw vmdkError({ what: 'table-size' });
  if (view.getBigUint64(Field.Capacity, true) === 0n) throw vmdkError({ what: 'no-capacity' });
  const grain = view.getBigUint64(Field.GrainSize, true);
  if (grain === 0n || entries === 0) throw vmdkError({ what: 'directory-size' });
  const compressed = (flags & Flag.Compressed) !== 0;
  if (grain > BigInt(compressed ? MAX_PACKED_GRAIN : MAX_GRAIN)) throw vmdkError({ what: 'grain-size' });
  if ((flags & Flag.LineEnds) !== 0 && LINE_ENDS.some((byte, at) => bytes[Field.LineEnds + at] !== byte)) throw vmdkError({ what: 'line-ends' });
  const compression = view.getUint16(Field.Compression, true);
  if (compression !== (compressed ? DEFLATE : 0)) throw vmdkError({ what: 'compression', found: compression });
  const directory = view.getBigUint64(Field.DirectoryOffset, true);
  const inBytes = (field: number): number => bytesOf(view.getBigUint64(field, true));
  return {
    version, flags, entries, compressed,
    capacity: inBytes(Field.Capacity),
    grainSize: Number(grain) * SECTOR,
    descriptorOffset: inBytes(Field.DescriptorOffset),
    descriptorSize: inBytes(Field.DescriptorSize),
    copyOffset: (flags & Flag.Copy) === 0 ? 0 : inBytes(Field.CopyOffset),
    directoryOffset: directory === AT_END ? undefined : bytesOf(directory),
    overhead: inBytes(Field.Overhead),
    unclean: bytes[Field.Unclean] !== 0,
  };
}

export function encodeSparseHeader(header: SparseHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  const put = (field: number, value: number): void => {
    view.setBigUint64(field, BigInt(value / SECTOR), true);
  };
  view.setUint32(0, MAGIC, true);
  view.setUint32(Field.Version, header.version, true);
  view.setUint32(Field.Flags, header.flags, true);
  put(Field.Capacity, header.capacity);
  put(Field.GrainSize, header.grainSize);
  put(Field.DescriptorOffset, header.descriptorOffset);
  put(Field.DescriptorSize, header.descriptorSize);
  view.setUint32(Field.Entries, header.entries, true);
  put(Field.CopyOffset, header.copyOffset);
  if (header.directoryOffset === undefined) view.setBigUint64(Field.DirectoryOffset, AT_END, true);
  else put(Field.DirectoryOffset, header.directoryOffset);
  put(Field.Overhead, header.overhead);
  bytes[Field.Unclean] = header.unclean ? 1 : 0;
  bytes.set(LINE_ENDS, Field.LineEnds);
  view.setUint16(Field.Compression, header.compressed ? DEFLATE : 0, true);
  return bytes;
}

/** Tables that a disk of this capacity has. */
export function tablesOf({ capacity, grainSize, entries }: Pick<SparseHeader, 'capacity' | 'grainSize' | 'entries'>): number {
  return Math.ceil(capacity / (grainSize * entries));
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function bytesOf(sectors: bigint): number {
  if (sectors > BigInt(Math.floor(MAX_SIZE / SECTOR))) throw vmdkError({ what: 'capacity', sectors });
  return Number(sectors) * SECTOR;
}
