/** The header: bytes to a checked one, and back. */
import { MAX_SIZE } from '@blk/core-graph';
import { qedError } from './errors.js';

export const HEADER_BYTES = 64;
export const ENTRY_BYTES = 8;
const MAGIC = 0x0044_4551;
const Field = {
  ClusterSize: 4, TableSize: 8, HeaderSize: 12, Features: 16, Compatible: 24, Autoclear: 32, L1Offset: 40, ImageSize: 48, NameOffset: 56, NameSize: 60,
} as const;

export const Feature = { BackingFile: 1, NeedCheck: 2, BackingRaw: 4 } as const;
const KNOWN = BigInt(Feature.BackingFile | Feature.NeedCheck | Feature.BackingRaw);

export const CLUSTERS = { least: 4096, most: 64 * 1024 * 1024, usual: 65536 } as const;
export const TABLES = { least: 1, most: 16, usual: 4 } as const;
/** Longest name of a backing file. */
export const MAX_NAME = 1023;

/** A header that fits together; sizes and offsets in bytes. */
export interface QedHeader {
  readonly clusterSize: number;
  /** Bytes of each table. */
  readonly tableBytes: number;
  /** What the header and all besides it before the first cluster takes. */
  readonly headerBytes: number;
  /** Of `Feature`. */
  readonly features: number;
  readonly autoclear: bigint;
  readonly compatible: bigint;
  readonly l1Offset: number;
  readonly size: number;
  readonly nameOffset: number;
  readonly nameSize: number;
}

export function isQed(head: Uint8Array): boolean {
  return head.length >= HEADER_BYTES && viewOf(head).getUint32(0, true) === MAGIC;
}

export function isPowerBetween(value: number, { least, most }: { readonly least: number; readonly most: number }): boolean {
  return value >= least && value <= most && Number.isInteger(Math.log2(value));
}

/** Most bytes that a disk can have. */
export function mostBytes({ clusterSize, tableBytes }: { readonly clusterSize: number; readonly tableBytes: number }): number {
  return (tableBytes / ENTRY_BYTES) ** 2 * clusterSize;
}

/** Untrusted bytes, 64 of them where the file has as many. Throws a `BlockError` and nothing else. */
export function parseHeader(bytes: Uint8Array, fileSize: number): QedHeader {
  if (!isQed(bytes)) throw qedError({ what: 'no-header' });
  const view = viewOf(bytes);
  const u32 = (at: number): number => view.getUint32(at, true);
  const u64 = (at: number): bigint => view.getBigUint64(at, true);
  const features = u64(Field.Features);
  if ((features & ~KNOWN) !== 0n) throw qedError({ what: 'features', bits: features & ~KNOWN });
  const clusterSize = u32(Field.ClusterSize);
  if (!isPowerBetween(clusterSize, CLUSTERS)) throw qedError({ what: 'cluster-size', found: clusterSize });
  if (!isPowerBetween(u32(Field.TableSize), TABLES)) throw qedError({ what: 'table-size', found: u32(Field.TableSize) });
  const tableBytes = u32(Field.TableSize) * clusterSize;
  const size = u64(Field.ImageSize);
  const most = Math.min(MAX_SIZE, mostBytes({ clusterSize, tableBytes }));
  if (size % 512n !== 0n || size > BigInt(most)) throw qedError({ what: 'image-size', found: size });
  const headerBytes = Math.max(1, u32(Field.HeaderSize)) * clusterSize;
  const l1Offset = Number(u64(Field.L1Offset));
  if (l1Offset < headerBytes || l1Offset % clusterSize !== 0 || l1Offset + tableBytes > fileSize) throw qedError({ what: 'table-offset', offset: u64(Field.L1Offset) });
  const header = {
    clusterSize, tableBytes, headerBytes, features: Number(features), autoclear: u64(Field.Autoclear), compatible: u64(Field.Compatible), l1Offset,
    size: Number(size), nameOffset: u32(Field.NameOffset), nameSize: u32(Field.NameSize),
  };
  const { nameOffset, nameSize } = header;
  // A header of no clusters is taken for one of one, which has no room for a name.
  const room = u32(Field.HeaderSize) * clusterSize;
  if (hasName(header) && (nameOffset + nameSize > room || nameSize > MAX_NAME || nameOffset + nameSize > fileSize)) {
    throw qedError({ what: 'backing-name', offset: nameOffset, size: nameSize });
  }
  return header;
}

export function hasName({ features, nameSize }: Pick<QedHeader, 'features' | 'nameSize'>): boolean {
  return (features & Feature.BackingFile) !== 0 && nameSize > 0;
}

export function headerBytesOf(header: QedHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  const { clusterSize } = header;
  const words: [number, number][] = [
    [0, MAGIC], [Field.ClusterSize, clusterSize], [Field.TableSize, header.tableBytes / clusterSize], [Field.HeaderSize, header.headerBytes / clusterSize],
    [Field.NameOffset, header.nameOffset], [Field.NameSize, header.nameSize],
  ];
  for (const [at, value] of words) view.setUint32(at, value, true);
  const long: [number, bigint][] = [
    [Field.Features, BigInt(header.features)], [Field.Compatible, header.compatible], [Field.Autoclear, header.autoclear], [Field.L1Offset, BigInt(header.l1Offset)],
    [Field.ImageSize, BigInt(header.size)],
  ];
  for (const [at, value] of long) view.setBigUint64(at, value, true);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
