/** The region tables: where block table and metadata lie. */
import { vhdxError } from './errors.js';
import { crc32c, FIRST_REGION, hasText, MAX_TABLE_ENTRIES, MIB, putId, putText, putU64, readId, REGION_TABLE_OFFSETS, RegionId, TABLE_BYTES, u64, viewOf } from './format.js';
import type { Header } from './header.js';
import type { ByteReader } from './logged-file.js';

const MAGIC = 'regi';

export interface Region {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

export interface Regions {
  readonly bat: Region;
  readonly metadata: Region;
  /** All of them, with headers and log: where no block may lie. */
  readonly all: readonly Region[];
}

/** Reads the first whole table of the two. Refuses regions that lie over each other or beyond the end, and unknown ones that are needed. */
export async function readRegions(reader: ByteReader, { logOffset, logLength }: Header, fileSize: number): Promise<Regions> {
  const bytes = await firstWhole(reader);
  const view = viewOf(bytes);
  const count = view.getUint32(8, true);
  if (count > MAX_TABLE_ENTRIES) throw vhdxError({ what: 'regions' });
  const all: Region[] = [
    { name: 'header section', offset: 0, length: FIRST_REGION },
    { name: 'log', offset: logOffset, length: logLength },
  ];
  const found: { bat?: Region; metadata?: Region } = {};
  for (let at = 16; at < 16 + count * 32; at += 32) {
    const id = readId(bytes, at);
    const part = id === RegionId.bat ? 'bat' : id === RegionId.metadata ? 'metadata' : undefined;
    if (part === undefined && (view.getUint32(at + 28, true) & 1) !== 0) throw vhdxError({ what: 'unknown-region', id });
    const name = part === 'bat' ? 'block table' : part === 'metadata' ? 'metadata region' : `region ${id}`;
    const region = { name, offset: u64(view, at + 16), length: view.getUint32(at + 24, true) };
    if (part !== undefined) {
      if (found[part] !== undefined) throw vhdxError({ what: 'regions' });
      found[part] = region;
    }
    all.push(region);
  }
  const sorted = [...all].sort((a, b) => a.offset - b.offset);
  sorted.forEach(({ name: part, offset, length }, index) => {
    const misplaced = index > 0 && (offset < FIRST_REGION || offset % MIB !== 0 || length % MIB !== 0 || length === 0);
    if (misplaced || !Number.isSafeInteger(offset + length) || offset + length > Math.ceil(fileSize / MIB) * MIB) throw vhdxError({ what: 'range', part, offset, length });
    const before = index === 0 ? undefined : sorted[index - 1];
    if (before !== undefined && offset < before.offset + before.length) throw vhdxError({ what: 'overlap', part, other: before.name });
  });
  if (found.bat === undefined) throw vhdxError({ what: 'missing', part: 'block table' });
  if (found.metadata === undefined) throw vhdxError({ what: 'missing', part: 'metadata region' });
  return { bat: found.bat, metadata: found.metadata, all: sorted };
}

async function firstWhole(reader: ByteReader): Promise<Uint8Array> {
  for (const offset of REGION_TABLE_OFFSETS) {
    const bytes = new Uint8Array(TABLE_BYTES);
    const done = reader.read(offset, bytes, 0, TABLE_BYTES);
    if (done !== undefined) await done;
    if (hasText(bytes, 0, MAGIC) && viewOf(bytes).getUint32(4, true) === crc32c(bytes, 4)) return bytes;
  }
  throw vhdxError({ what: 'regions' });
}

export function encodeRegions(bat: Omit<Region, 'name'>, metadata: Omit<Region, 'name'>): Uint8Array {
  const bytes = new Uint8Array(TABLE_BYTES);
  const view = viewOf(bytes);
  putText(bytes, 0, MAGIC);
  view.setUint32(8, 2, true);
  [{ id: RegionId.bat, ...bat }, { id: RegionId.metadata, ...metadata }].forEach(({ id, offset, length }, index) => {
    const at = 16 + index * 32;
    putId(bytes, at, id);
    putU64(view, at + 16, offset);
    view.setUint32(at + 24, length, true);
    view.setUint32(at + 28, 1, true);
  });
  view.setUint32(4, crc32c(bytes, 4), true);
  return bytes;
}
