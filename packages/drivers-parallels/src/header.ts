/** The header: bytes to a checked one, and the bytes of a new one. */
import { MAX_SIZE } from '@blk/core-graph';
import { parallelsError } from './errors.js';

export const HEADER_BYTES = 64;
export const ENTRY_BYTES = 4;
export const SECTOR = 512;
/** The reference's limits. */
export const MAX_CLUSTER_SECTORS = 4_186_127;
export const MAX_ENTRIES = 0x1fff_ffff;

/** Of the old kind, whose entries count sectors, and of the new, whose entries count clusters. */
const MAGIC = 'WithoutFreeSpace';
const MAGIC_EXTENDED = 'WithouFreSpacExt';
const VERSION = 2;
const Field = {
  Version: 16, Heads: 20, Cylinders: 24, Tracks: 28, Entries: 32, Sectors: 36, InUse: 44, DataOffset: 48, Flags: 52, Extension: 56,
} as const;
const EMPTY_BIT = 1;
/** Values of the state of use. */
export const IN_USE = 0x746f_6e59;
const CLOSED = 0x312e_3276;

/** A header that fits together; sizes and offsets in bytes. */
export interface ParallelsHeader {
  readonly size: number;
  readonly clusterSize: number;
  /** Clusters of the disk. */
  readonly clusters: number;
  /** Entries of the catalog, of which some may belong to no part of the disk. */
  readonly entries: number;
  /** Bytes for each count in an entry. */
  readonly unit: number;
  readonly dataOffset: number;
  /** Behind the catalog. */
  readonly leastDataOffset: number;
  /** Opened for writing, and never closed. */
  readonly inUse: boolean;
  /** Closed by a program that knows the format extension, which is out of date otherwise. */
  readonly extensionKept: boolean;
  readonly flags: number;
  /** Offset of the format extension; 0 where there is none. */
  readonly extension: number;
}

export function isParallels(head: Uint8Array): boolean {
  if (head.length < HEADER_BYTES) return false;
  const magic = String.fromCharCode(...head.subarray(0, 16));
  return (magic === MAGIC || magic === MAGIC_EXTENDED) && viewOf(head).getUint32(Field.Version, true) === VERSION;
}

/** Untrusted bytes, 64 of them where the file has as many. Throws a `BlockError` and nothing else. */
export function parseHeader(bytes: Uint8Array): ParallelsHeader {
  if (!isParallels(bytes)) throw parallelsError({ what: 'no-header' });
  const view = viewOf(bytes);
  const u32 = (at: number): number => view.getUint32(at, true);
  const extended = String.fromCharCode(...bytes.subarray(0, 16)) === MAGIC_EXTENDED;
  const tracks = u32(Field.Tracks);
  if (tracks === 0) throw parallelsError({ what: 'zero-cluster' });
  if (tracks > MAX_CLUSTER_SECTORS) throw parallelsError({ what: 'cluster-size', sectors: tracks });
  const entries = u32(Field.Entries);
  if (entries > MAX_ENTRIES) throw parallelsError({ what: 'catalog-size', entries });
  const sectors = extended ? view.getBigUint64(Field.Sectors, true) : BigInt(u32(Field.Sectors));
  if (sectors > BigInt(MAX_SIZE) / BigInt(SECTOR)) throw parallelsError({ what: 'size', sectors });
  const clusters = Math.ceil(Number(sectors) / tracks);
  if (clusters > entries) throw parallelsError({ what: 'catalog-short', entries, needed: clusters });
  const use = u32(Field.InUse);
  if (use !== 0 && use !== IN_USE && use !== CLOSED) throw parallelsError({ what: 'in-use', found: use });
  const least = Math.ceil((HEADER_BYTES + entries * ENTRY_BYTES) / SECTOR);
  const found = u32(Field.DataOffset);
  // Old images leave it to the reader.
  const dataOffset = found === 0 && !extended ? least : found;
  if (dataOffset < least || (extended && dataOffset % tracks !== 0)) throw parallelsError({ what: 'data-offset', found, least });
  const extension = view.getBigUint64(Field.Extension, true);
  if (extension > BigInt(MAX_SIZE) / BigInt(SECTOR)) throw parallelsError({ what: 'extension', why: 'Invalid image: Format Extension lies too far away' });
  return {
    size: Number(sectors) * SECTOR,
    clusterSize: tracks * SECTOR,
    clusters,
    entries,
    unit: extended ? tracks * SECTOR : SECTOR,
    dataOffset: dataOffset * SECTOR,
    leastDataOffset: least * SECTOR,
    inUse: use === IN_USE,
    extensionKept: use === CLOSED,
    flags: u32(Field.Flags),
    extension: Number(extension) * SECTOR,
  };
}

/** Entries of the catalog that are in the file. */
export function catalogEntries({ entries }: ParallelsHeader, fileSize: number): number {
  return Math.max(0, Math.min(entries, Math.floor((fileSize - HEADER_BYTES) / ENTRY_BYTES)));
}

/** The image has no content, whatever its catalog says. */
export function isMarkedEmpty({ flags }: ParallelsHeader): boolean {
  return (flags & EMPTY_BIT) !== 0;
}

/** What lies between the number of sectors and the extension's place, for an image that is in use or not; written at `USE_OFFSET`. */
export function usePatch(header: ParallelsHeader, inUse: boolean): Uint8Array {
  const bytes = new Uint8Array(Field.Extension - Field.InUse);
  const view = viewOf(bytes);
  view.setUint32(0, inUse ? IN_USE : 0, true);
  view.setUint32(Field.DataOffset - Field.InUse, header.dataOffset / SECTOR, true);
  view.setUint32(Field.Flags - Field.InUse, (header.flags & ~EMPTY_BIT) >>> 0, true);
  return bytes;
}

export const USE_OFFSET = Field.InUse;
/** Of the four bytes that tell where the data begins, in sectors. */
export const DATA_OFFSET_AT = Field.DataOffset;

/** The header of a new image, of the new kind. `clusterSize` is a multiple of 512. */
export function newHeader(size: number, clusterSize: number): { readonly bytes: Uint8Array; readonly dataOffset: number } {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  const sectors = Math.ceil(size / SECTOR);
  const entries = Math.ceil(size / clusterSize);
  const dataOffset = Math.ceil((HEADER_BYTES + entries * ENTRY_BYTES) / clusterSize) * clusterSize;
  const heads = 16;
  const perTrack = 32;
  bytes.set(new TextEncoder().encode(MAGIC_EXTENDED));
  const words: [number, number][] = [
    [Field.Version, VERSION], [Field.Heads, heads], [Field.Cylinders, Math.floor(sectors / (heads * perTrack)) % 2 ** 32],
    [Field.Tracks, clusterSize / SECTOR], [Field.Entries, entries], [Field.DataOffset, dataOffset / SECTOR],
  ];
  for (const [at, value] of words) view.setUint32(at, value, true);
  view.setBigUint64(Field.Sectors, BigInt(sectors), true);
  return { bytes, dataOffset };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
