/** The header: bytes to a checked geometry. All numbers are little-endian. */
import { MAX_SIZE } from '@blk/core-graph';
import { bochsError, MAX_EXTENT, MIN_EXTENT } from './errors.js';

export const HEADER_BYTES = 512;
export const SECTOR = 512;
export const ENTRY_BYTES = 4;
const VERSION_1 = 0x1_0000;
const VERSION_2 = 0x2_0000;
/** The words of the header, and where they are; each ends with a zero. */
const WORDS: readonly (readonly [at: number, word: string])[] = [[0, 'Bochs Virtual HD Image\0'], [32, 'Redolog\0'], [48, 'Growing\0']];
/** The size of the disk lies behind a time stamp from version 2 on. */
const Field = { Version: 64, HeaderSize: 68, Entries: 72, BitmapSize: 76, ExtentSize: 80, Size1: 84, Size2: 88 } as const;
const FIELDS_END = { [VERSION_1]: 92, [VERSION_2]: 96 };
/** Of the largest disks that are described; the reference takes half of it. */
const MAX_ENTRIES = 0x20_0000;

/** A header that fits together; sizes in bytes. */
export interface BochsHeader {
  /** Of the disk: whole sectors. */
  readonly size: number;
  readonly extentSize: number;
  /** Bytes that the bitmap of an extent takes in the file: whole sectors. */
  readonly bitmapSpace: number;
  /** Of the catalog, which follows the header. */
  readonly catalogOffset: number;
  readonly entries: number;
}

export function isBochs(head: Uint8Array): boolean {
  if (head.length < HEADER_BYTES) return false;
  const version = viewOf(head).getUint32(Field.Version, true);
  return (version === VERSION_1 || version === VERSION_2) && WORDS.every(([at, word]) => [...word].every((letter, index) => head[at + index] === letter.charCodeAt(0)));
}

/** Untrusted bytes, 512 of them where the file has as many. Throws a `BlockError` and nothing else. */
export function parseHeader(bytes: Uint8Array): BochsHeader {
  if (!isBochs(bytes)) throw bochsError({ what: 'no-header' });
  const view = viewOf(bytes);
  const version = view.getUint32(Field.Version, true);
  const rawSize = view.getBigUint64(version === VERSION_1 ? Field.Size1 : Field.Size2, true);
  const entries = view.getUint32(Field.Entries, true);
  if (entries > MAX_ENTRIES) throw bochsError({ what: 'catalog-large' });
  const extentSize = view.getUint32(Field.ExtentSize, true);
  if (extentSize < MIN_EXTENT || extentSize > MAX_EXTENT || Math.log2(extentSize) % 1 !== 0) throw bochsError({ what: 'extent-size', found: extentSize });
  if (rawSize > BigInt(MAX_SIZE) || Math.ceil(Number(rawSize) / extentSize) > entries) throw bochsError({ what: 'catalog-small' });
  const catalogOffset = view.getUint32(Field.HeaderSize, true);
  if (catalogOffset < FIELDS_END[version as typeof VERSION_1]) throw bochsError({ what: 'header-size', found: catalogOffset });
  const bitmapSize = view.getUint32(Field.BitmapSize, true);
  const bitmapSpace = Math.ceil(bitmapSize / SECTOR) * SECTOR;
  if (bitmapSpace < bitmapBytes(extentSize)) throw bochsError({ what: 'bitmap-size', found: bitmapSize, needed: bitmapBytes(extentSize) });
  return { size: Math.floor(Number(rawSize) / SECTOR) * SECTOR, extentSize, bitmapSpace, catalogOffset, entries };
}

/** Bytes of the bits of an extent: one for each sector. */
export function bitmapBytes(extentSize: number): number {
  return Math.ceil(extentSize / SECTOR / 8);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
