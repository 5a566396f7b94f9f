/** The metadata region: size of disk, blocks and sectors, and the parent. */
import { vhdxError } from './errors.js';
import { hasText, ItemId, MAX_BLOCK, MAX_DISK, MAX_TABLE_ENTRIES, MIB, putId, putText, putU64, readId, TABLE_BYTES, u64, viewOf } from './format.js';
import type { ByteReader } from './logged-file.js';
import type { Region } from './regions.js';

const MAGIC = 'metadata';
const REQUIRED = 4;
const VIRTUAL_DISK = 2;
const LEAVE_ALLOCATED = 1;
const HAS_PARENT = 2;
/** Longest item: a parent locator with several paths stays far below. */
const MAX_ITEM = MIB;

export interface Metadata {
  readonly diskSize: number;
  readonly blockSize: number;
  readonly sectorSize: number;
  /** The parent locator's bytes; undefined where the disk has no parent. */
  readonly parentLocator: Uint8Array | undefined;
}

interface Item {
  readonly offset: number;
  readonly length: number;
}

/** Refuses what is missing or makes no sense, and unknown items that are needed. */
export async function readMetadata(reader: ByteReader, region: Region): Promise<Metadata> {
  const items = await readTable(reader, region);
  const read = async (id: string, part: string, length?: number): Promise<DataView> => {
    const item = items.get(id);
    if (item === undefined) throw vhdxError({ what: 'missing', part });
    if (length !== undefined && item.length < length) throw vhdxError({ what: 'range', part, ...item });
    const bytes = new Uint8Array(item.length);
    const done = reader.read(region.offset + item.offset, bytes, 0, item.length);
    if (done !== undefined) await done;
    return viewOf(bytes);
  };
  const parameters = await read(ItemId.fileParameters, 'file parameters', 8);
  const blockSize = parameters.getUint32(0, true);
  const isPower = blockSize !== 0 && (blockSize & (blockSize - 1)) === 0;
  if (!isPower || blockSize < MIB || blockSize > MAX_BLOCK) throw vhdxError({ what: 'metadata', text: `Invalid block size ${blockSize}` });
  const sectorSize = (await read(ItemId.logicalSectorSize, 'logical sector size', 4)).getUint32(0, true);
  if (sectorSize !== 512 && sectorSize !== 4096) throw vhdxError({ what: 'metadata', text: `Invalid logical sector size ${sectorSize}` });
  const diskSize = u64(await read(ItemId.diskSize, 'virtual disk size', 8), 0);
  if (diskSize > MAX_DISK) throw vhdxError({ what: 'size', found: diskSize });
  if (diskSize % sectorSize !== 0) throw vhdxError({ what: 'metadata', text: `A disk of ${diskSize} bytes has no whole sectors of ${sectorSize}` });
  const hasParent = (parameters.getUint32(4, true) & HAS_PARENT) !== 0;
  const locator = hasParent ? await read(ItemId.parentLocator, 'parent locator') : undefined;
  return { diskSize, blockSize, sectorSize, parentLocator: locator === undefined ? undefined : new Uint8Array(locator.buffer) };
}

async function readTable(reader: ByteReader, region: Region): Promise<ReadonlyMap<string, Item>> {
  const bytes = new Uint8Array(TABLE_BYTES);
  const done = reader.read(region.offset, bytes, 0, TABLE_BYTES);
  if (done !== undefined) await done;
  const view = viewOf(bytes);
  const count = view.getUint16(10, true);
  if (!hasText(bytes, 0, MAGIC) || count > MAX_TABLE_ENTRIES) throw vhdxError({ what: 'metadata', text: 'Invalid metadata table' });
  const known = new Set<string>(Object.values(ItemId));
  const items = new Map<string, Item>();
  for (let at = 32; at < 32 + count * 32; at += 32) {
    const id = readId(bytes, at);
    if (!known.has(id)) {
      if ((view.getUint32(at + 24, true) & REQUIRED) !== 0) throw vhdxError({ what: 'unknown-item', id });
      continue;
    }
    const item = { offset: view.getUint32(at + 16, true), length: view.getUint32(at + 20, true) };
    const outside = item.offset < TABLE_BYTES || item.offset + item.length > region.length;
    if (outside || item.length > MAX_ITEM) throw vhdxError({ what: 'range', part: `metadata item ${id}`, ...item });
    if (items.has(id)) throw vhdxError({ what: 'metadata', text: `The metadata item ${id} is there twice` });
    items.set(id, item);
  }
  return items;
}

export interface NewMetadata {
  readonly diskSize: number;
  readonly blockSize: number;
  readonly fixed: boolean;
  readonly diskId: string;
}

/** Table and items of a disk with sectors of 512 bytes and without a parent: the beginning of the region. */
export function encodeMetadata({ diskSize, blockSize, fixed, diskId }: NewMetadata): Uint8Array {
  const bytes = new Uint8Array(TABLE_BYTES + 40);
  const view = viewOf(bytes);
  putText(bytes, 0, MAGIC);
  const items: [string, number, number, number][] = [
    [ItemId.fileParameters, 0, 8, REQUIRED],
    [ItemId.diskSize, 8, 8, REQUIRED | VIRTUAL_DISK],
    [ItemId.diskId, 16, 16, REQUIRED | VIRTUAL_DISK],
    [ItemId.logicalSectorSize, 32, 4, REQUIRED | VIRTUAL_DISK],
    [ItemId.physicalSectorSize, 36, 4, REQUIRED | VIRTUAL_DISK],
  ];
  view.setUint16(10, items.length, true);
  items.forEach(([id, offset, length, flags], index) => {
    const at = 32 + index * 32;
    putId(bytes, at, id);
    view.setUint32(at + 16, TABLE_BYTES + offset, true);
    view.setUint32(at + 20, length, true);
    view.setUint32(at + 24, flags, true);
  });
  view.setUint32(TABLE_BYTES, blockSize, true);
  view.setUint32(TABLE_BYTES + 4, fixed ? LEAVE_ALLOCATED : 0, true);
  putU64(view, TABLE_BYTES + 8, diskSize);
  putId(bytes, TABLE_BYTES + 16, diskId);
  view.setUint32(TABLE_BYTES + 32, 512, true);
  view.setUint32(TABLE_BYTES + 36, 512, true);
  return bytes;
}
