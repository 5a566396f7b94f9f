/** The bitmap directory: the header extension that names it, bytes to checked entries, and back. */
import type { Edge } from '@blk/core-graph';
import { qcow2Error } from './errors.js';
import { bitmapsOf } from './extensions.js';
import { Autoclear } from './feature-bits.js';
import { putU64, u64, viewOf, type Geometry } from './format.js';
import type { Header } from './header.js';

export const BitmapFlag = {
  /** Not stored since the image was last open for writing. */
  InUse: 1,
  /** Writes are recorded. */
  Auto: 2,
  /** Whoever does not know the extra data may use the bitmap all the same. */
  ExtraCompatible: 4,
} as const;

/** One bitmap as the directory lists it. */
export interface BitmapEntry {
  readonly name: string;
  /** The name as it is stored: not everything there need be text. */
  readonly rawName: Uint8Array;
  readonly flags: number;
  readonly granularityBits: number;
  /** Place of the bitmap's table in bytes. */
  readonly tableOffset: number;
  readonly tableEntries: number;
  /** Data of a kind that nobody knows so far; kept as it is. */
  readonly extra: Uint8Array;
}

const FIXED_BYTES = 24;
const TRACKING = 1;
/** QEMU's limits. */
export const MAX_BITMAPS = 65535;
export const MAX_DIRECTORY_BYTES = MAX_BITMAPS * 1024;
/** Clusters of one bitmap, in bytes. */
export const MAX_BITMAP_BYTES = 512 * 1024 * 1024;
export const MAX_NAME_BYTES = 1023;
const MIN_GRANULARITY_BITS = 9;
const MAX_GRANULARITY_BITS = 31;

/** What a program that does not keep bitmaps up leaves behind. */
export const LOST_WARNING =
  'warning: a program lacking bitmap support modified this file, so all bitmaps are now considered inconsistent\n' +
  "Some clusters may be leaked, run 'qemu-img check -r' on the image file to fix.";

/** Whether the directory that the header names can be believed. */
export function hasBitmaps(header: Header): boolean {
  return (header.autoclear & Autoclear.Bitmaps) !== 0n && bitmapsOf(header.extensions) !== undefined;
}

/** The entries; none where the header names no directory, or one that is out of date. Throws where it is damaged. */
export async function readBitmapDirectory(file: Edge, header: Header): Promise<readonly BitmapEntry[]> {
  const extension = bitmapsOf(header.extensions);
  if (extension === undefined || !hasBitmaps(header)) return [];
  const { count, reserved, directorySize, directoryOffset } = extension;
  const { clusterSize } = header.geometry;
  if (count === 0) throw bad('found bitmaps extension with zero bitmaps');
  if (reserved !== 0) throw bad('bitmaps_ext: Reserved field is not zero');
  if (count > MAX_BITMAPS) throw bad(`bitmaps_ext: Image has ${count} bitmaps, exceeding the QEMU supported maximum of ${MAX_BITMAPS}`);
  if (directoryOffset % BigInt(clusterSize) !== 0n) throw bad('bitmaps_ext: invalid bitmap directory offset');
  if (directorySize > BigInt(MAX_DIRECTORY_BYTES)) {
    throw bad(`bitmaps_ext: bitmap directory size (${directorySize}) exceeds the maximum supported size (${MAX_DIRECTORY_BYTES})`);
  }
  if (directorySize === 0n) throw bad('Requested bitmap directory size is zero');
  if (directoryOffset + directorySize > BigInt(file.size)) throw bad('Bitmap directory lies beyond the end of the file');
  const bytes = new Uint8Array(Number(directorySize));
  const done = file.read(Number(directoryOffset), bytes, 0, bytes.length);
  if (done !== undefined) await done;
  return parseDirectory(bytes, count, header.geometry);
}

function parseDirectory(bytes: Uint8Array, count: number, geometry: Geometry): BitmapEntry[] {
  const view = viewOf(bytes);
  const entries: BitmapEntry[] = [];
  const names = new Set<string>();
  for (let at = 0; at < bytes.length; ) {
    if (entries.length === count) throw bad('More bitmaps found than specified in header extension');
    if (at + FIXED_BYTES > bytes.length) throw bad('Broken bitmap directory');
    const nameBytes = view.getUint16(at + 18);
    const extraBytes = view.getUint32(at + 20);
    const nameAt = at + FIXED_BYTES + extraBytes;
    const end = Math.ceil((nameAt + nameBytes) / 8) * 8;
    if (end > bytes.length) throw bad('Broken bitmap directory');
    const entry: BitmapEntry = {
      name: new TextDecoder().decode(bytes.subarray(nameAt, nameAt + nameBytes)),
      rawName: bytes.slice(nameAt, nameAt + nameBytes),
      flags: view.getUint32(at + 12),
      granularityBits: view.getUint8(at + 17),
      tableOffset: u64(view, at),
      tableEntries: view.getUint32(at + 8),
      extra: bytes.slice(at + FIXED_BYTES, nameAt),
    };
    const known = view.getUint8(at + 16) === TRACKING && nameBytes > 0 && nameBytes <= MAX_NAME_BYTES;
    if (!known || !isSound(entry, geometry)) throw bad(`Bitmap '${entry.name}' doesn't satisfy the constraints`);
    if (names.has(entry.name)) throw bad(`Bitmap already exists: ${entry.name}`);
    names.add(entry.name);
    entries.push(entry);
    at = end;
  }
  if (entries.length < count) throw bad('Less bitmaps found than specified in header extension');
  return entries;
}

function isSound({ flags, granularityBits, tableOffset, tableEntries }: BitmapEntry, { clusterSize }: Geometry): boolean {
  if ((flags & ~(BitmapFlag.InUse | BitmapFlag.Auto | BitmapFlag.ExtraCompatible)) !== 0) return false;
  if (granularityBits < MIN_GRANULARITY_BITS || granularityBits > MAX_GRANULARITY_BITS) return false;
  if (tableOffset === 0 || tableOffset % clusterSize !== 0 || !Number.isSafeInteger(tableOffset)) return false;
  return tableEntries > 0 && tableEntries * clusterSize <= MAX_BITMAP_BYTES;
}

/** Up to date, and with no extra data that forbids the use. */
export function isUsable({ flags, extra }: BitmapEntry): boolean {
  return (flags & BitmapFlag.InUse) === 0 && (extra.length === 0 || (flags & BitmapFlag.ExtraCompatible) !== 0);
}

/** The bytes of a directory. */
export function encodeDirectory(entries: readonly BitmapEntry[]): Uint8Array {
  const lengths = entries.map(({ extra, rawName }) => Math.ceil((FIXED_BYTES + extra.length + rawName.length) / 8) * 8);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  const view = viewOf(bytes);
  let at = 0;
  entries.forEach((entry, index) => {
    putU64(view, at, entry.tableOffset);
    view.setUint32(at + 8, entry.tableEntries);
    view.setUint32(at + 12, entry.flags);
    view.setUint8(at + 16, TRACKING);
    view.setUint8(at + 17, entry.granularityBits);
    view.setUint16(at + 18, entry.rawName.length);
    view.setUint32(at + 20, entry.extra.length);
    bytes.set(entry.extra, at + FIXED_BYTES);
    bytes.set(entry.rawName, at + FIXED_BYTES + entry.extra.length);
    at += lengths[index];
  });
  return bytes;
}

function bad(text: string): Error {
  return qcow2Error({ what: 'bitmaps', text });
}
