/** The header: bytes to a checked one, and the bytes of a new one. */
import { MAX_SIZE } from '@blk/core-graph';
import { qcowError } from './errors.js';

export const HEADER_BYTES = 48;
export const ENTRY_BYTES = 8;
export const SECTOR = 512;
const MAGIC = 0x5146_49fb;
const VERSION = 1;
const Field = { NameOffset: 8, NameSize: 16, Size: 24, ClusterBits: 32, L2Bits: 33, Encryption: 36, L1Offset: 40 } as const;
export const MAX_NAME = 1023;

/** A header that fits together; sizes and offsets in bytes. */
export interface QcowHeader {
  readonly size: number;
  readonly clusterBits: number;
  /** Entries of each second table. */
  readonly l2Entries: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly encrypted: boolean;
  /** Of the name of the backing file; its size is 0 where there is none. */
  readonly nameOffset: number;
  readonly nameSize: number;
}

export function isQcow(head: Uint8Array): boolean {
  return head.length >= HEADER_BYTES && viewOf(head).getUint32(0) === MAGIC && viewOf(head).getUint32(4) === VERSION;
}

/** Untrusted bytes, 48 of them where the file has as many. Throws a `BlockError` and nothing else. */
export function parseHeader(bytes: Uint8Array, fileSize: number): QcowHeader {
  const view = viewOf(bytes);
  if (bytes.length < HEADER_BYTES || view.getUint32(0) !== MAGIC) throw qcowError({ what: 'no-header' });
  if (view.getUint32(4) !== VERSION) throw qcowError({ what: 'version', found: view.getUint32(4) });
  const size = view.getBigUint64(Field.Size);
  if (size <= 1n) throw qcowError({ what: 'too-small' });
  const clusterBits = bytes[Field.ClusterBits];
  const l2Bits = bytes[Field.L2Bits];
  if (clusterBits < 9 || clusterBits > 16) throw qcowError({ what: 'cluster-size' });
  if (l2Bits < 6 || l2Bits > 13) throw qcowError({ what: 'table-size' });
  const encryption = view.getUint32(Field.Encryption);
  if (encryption > 1) throw qcowError({ what: 'encryption', found: encryption });
  if (size > BigInt(MAX_SIZE)) throw qcowError({ what: 'too-large', size });
  const l2Entries = 2 ** l2Bits;
  const l1Entries = Math.ceil(Number(size) / (2 ** clusterBits * l2Entries));
  const inside = (thing: string, offset: bigint, length: number): number => {
    if (offset + BigInt(length) > BigInt(fileSize)) throw qcowError({ what: 'beyond-end', thing, offset, fileSize });
    return Number(offset);
  };
  const l1Offset = inside('The L1 table', view.getBigUint64(Field.L1Offset), l1Entries * ENTRY_BYTES);
  if (l1Offset < HEADER_BYTES) throw qcowError({ what: 'offset', thing: 'The L1 table', offset: BigInt(l1Offset) });
  const nameOffset = view.getBigUint64(Field.NameOffset);
  const nameSize = nameOffset === 0n ? 0 : view.getUint32(Field.NameSize);
  if (nameSize > MAX_NAME) throw qcowError({ what: 'name-size', found: nameSize });
  return {
    size: Math.floor(Number(size) / SECTOR) * SECTOR,
    clusterBits, l2Entries, l1Entries, l1Offset,
    encrypted: encryption === 1,
    nameOffset: nameSize === 0 ? 0 : inside('The name of the backing file', nameOffset, nameSize),
    nameSize,
  };
}

/** The header of a new image, with what follows it up to the first table, and where that ends. */
export function newHeader({ size, name, encrypted }: { readonly size: number; readonly name: Uint8Array; readonly encrypted: boolean }): {
  readonly bytes: Uint8Array;
  readonly end: number;
} {
  // Small clusters over a backing file, so that little of it has to be copied.
  const [clusterBits, l2Bits] = name.length > 0 ? [9, 12] : [12, 9];
  const l1Offset = Math.ceil((HEADER_BYTES + name.length) / 8) * 8;
  const l1Bytes = Math.ceil(size / 2 ** (clusterBits + l2Bits)) * ENTRY_BYTES;
  const bytes = new Uint8Array(l1Offset);
  const view = viewOf(bytes);
  view.setUint32(0, MAGIC);
  view.setUint32(4, VERSION);
  if (name.length > 0) view.setBigUint64(Field.NameOffset, BigInt(HEADER_BYTES));
  view.setUint32(Field.NameSize, name.length);
  view.setBigUint64(Field.Size, BigInt(size));
  bytes[Field.ClusterBits] = clusterBits;
  bytes[Field.L2Bits] = l2Bits;
  view.setUint32(Field.Encryption, encrypted ? 1 : 0);
  view.setBigUint64(Field.L1Offset, BigInt(l1Offset));
  bytes.set(name, HEADER_BYTES);
  return { bytes, end: l1Offset + Math.ceil(l1Bytes / SECTOR) * SECTOR };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
