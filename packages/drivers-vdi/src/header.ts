/** The header: bytes to a checked one, and the bytes of a new one. */
import { MAX_BLOCKS, MAX_DISK, vdiError } from './errors.js';

/** The header, and the text before it. */
export const HEADER_BYTES = 512;
export const SIGNATURE = 0xbeda_107f;
/** What new images have, and VirtualBox writes. */
export const NEW_BLOCK_SIZE = 1024 * 1024;
const SECTOR = 512;
const VERSION = 0x0001_0001;
/** From the field that says it on; later programs have more behind. */
const MIN_HEADER_SIZE = 0x180;
const MAX_BLOCK_SIZE = 1024 * 1024 * 1024;
const TEXT = '<<< QEMU VM Virtual Disk Image >>>\n';

/** Offsets of the fields in the file. */
const Field = {
  Signature: 0x40, Version: 0x44, HeaderSize: 0x48, Type: 0x4c, MapOffset: 0x154, DataOffset: 0x158, SectorSize: 0x168, DiskSize: 0x170,
  BlockSize: 0x178, BlockExtra: 0x17c, Blocks: 0x180, Allocated: 0x184, Image: 0x188, Modified: 0x198, Link: 0x1a8, ParentModified: 0x1b8,
} as const;
const UUID_BYTES = 16;

const Type = { Dynamic: 1, Static: 2, Undo: 3, Differencing: 4 } as const;

/** A header that fits together; sizes and offsets in bytes. */
export interface VdiHeader {
  /** The first 512 bytes of the file as they are; what is unknown in them stays. */
  readonly bytes: Uint8Array;
  readonly isStatic: boolean;
  readonly size: number;
  readonly blockSize: number;
  /** Entries of the block map. */
  readonly blocks: number;
  /** Blocks in the file, as recorded. */
  readonly allocated: number;
  readonly mapOffset: number;
  readonly dataOffset: number;
}

export function isVdi(head: Uint8Array): boolean {
  return head.length >= Field.Signature + 4 && viewOf(head).getUint32(Field.Signature, true) === SIGNATURE;
}

/** Untrusted bytes, 512 of them where the file has as many. Throws a `BlockError` and nothing else. */
export function parseHeader(bytes: Uint8Array): VdiHeader {
  if (bytes.length < HEADER_BYTES) throw vdiError({ what: 'truncated', got: bytes.length });
  const view = viewOf(bytes);
  const u32 = (at: number): number => view.getUint32(at, true);
  if (u32(Field.Signature) !== SIGNATURE) throw vdiError({ what: 'bad-signature', found: u32(Field.Signature) });
  const version = u32(Field.Version);
  if (version !== VERSION) throw vdiError({ what: 'version', major: version >>> 16, minor: version & 0xffff });
  if (u32(Field.HeaderSize) < MIN_HEADER_SIZE) throw vdiError({ what: 'header-size', found: u32(Field.HeaderSize) });
  checkKind(bytes, u32(Field.Type));
  if (u32(Field.SectorSize) !== SECTOR) throw vdiError({ what: 'sector-size', found: u32(Field.SectorSize) });
  const blockSize = u32(Field.BlockSize);
  if (blockSize === 0 || blockSize % SECTOR !== 0 || blockSize > MAX_BLOCK_SIZE) throw vdiError({ what: 'block-size', found: blockSize });
  if (u32(Field.BlockExtra) !== 0) throw vdiError({ what: 'block-extra', found: u32(Field.BlockExtra) });
  const blocks = u32(Field.Blocks);
  if (blocks > MAX_BLOCKS) throw vdiError({ what: 'too-many-blocks', found: blocks });
  const found = view.getBigUint64(Field.DiskSize, true);
  if (found > BigInt(MAX_DISK)) throw vdiError({ what: 'size', found });
  const size = Math.ceil(Number(found) / SECTOR) * SECTOR;
  if (size > blocks * blockSize) throw vdiError({ what: 'no-room', size, room: blocks * blockSize });
  const places = checkPlaces(u32(Field.MapOffset), u32(Field.DataOffset), blocks);
  return { bytes, isStatic: u32(Field.Type) === Type.Static, size, blockSize, blocks, allocated: u32(Field.Allocated), ...places };
}

/** Only images that stand alone. */
function checkKind(bytes: Uint8Array, type: number): void {
  if (type === Type.Undo || type === Type.Differencing) {
    throw vdiError({ what: 'differencing', type: type === Type.Undo ? 'undo image' : 'differencing image' });
  }
  if (type !== Type.Dynamic && type !== Type.Static) throw vdiError({ what: 'type', found: type });
  const isNull = (at: number): boolean => bytes.subarray(at, at + UUID_BYTES).every((byte) => byte === 0);
  if (!isNull(Field.Link)) throw vdiError({ what: 'differencing', type: 'non-NULL link UUID' });
  if (!isNull(Field.ParentModified)) throw vdiError({ what: 'differencing', type: 'non-NULL parent UUID' });
}

/** The header, then the map, then the blocks; else writing one would destroy another. */
function checkPlaces(mapOffset: number, dataOffset: number, blocks: number): { readonly mapOffset: number; readonly dataOffset: number } {
  if (mapOffset % SECTOR !== 0) throw vdiError({ what: 'unaligned', thing: 'block map', offset: mapOffset });
  if (dataOffset % SECTOR !== 0) throw vdiError({ what: 'unaligned', thing: 'data', offset: dataOffset });
  if (mapOffset < HEADER_BYTES) throw vdiError({ what: 'overlap', thing: 'block map', offset: mapOffset, end: HEADER_BYTES });
  const mapEnd = mapOffset + blocks * 4;
  if (dataOffset < mapEnd) throw vdiError({ what: 'overlap', thing: 'data', offset: dataOffset, end: mapEnd });
  return { mapOffset, dataOffset };
}

/** The header of a new image, with blocks of 1 MiB. `size` is a multiple of 512. `random` fills with random bytes. */
export function newHeader(
  wish: { readonly size: number; readonly isStatic: boolean },
  random: (into: Uint8Array<ArrayBuffer>) => void,
): VdiHeader {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  const blocks = Math.ceil(wish.size / NEW_BLOCK_SIZE);
  const mapOffset = HEADER_BYTES;
  const dataOffset = mapOffset + Math.ceil((blocks * 4) / SECTOR) * SECTOR;
  const allocated = wish.isStatic ? blocks : 0;
  bytes.set(new TextEncoder().encode(TEXT));
  const words: [number, number][] = [
    [Field.Signature, SIGNATURE], [Field.Version, VERSION], [Field.HeaderSize, MIN_HEADER_SIZE],
    [Field.Type, wish.isStatic ? Type.Static : Type.Dynamic], [Field.MapOffset, mapOffset], [Field.DataOffset, dataOffset],
    [Field.SectorSize, SECTOR], [Field.BlockSize, NEW_BLOCK_SIZE], [Field.Blocks, blocks], [Field.Allocated, allocated],
  ];
  for (const [at, value] of words) view.setUint32(at, value, true);
  view.setBigUint64(Field.DiskSize, BigInt(wish.size), true);
  bytes.set(newUuid(random), Field.Image);
  bytes.set(newUuid(random), Field.Modified);
  return { bytes, isStatic: wish.isStatic, size: wish.size, blockSize: NEW_BLOCK_SIZE, blocks, allocated, mapOffset, dataOffset };
}

/** A header that records another number of blocks in the file. */
export function withAllocated(header: VdiHeader, allocated: number): VdiHeader {
  const bytes = header.bytes.slice();
  viewOf(bytes).setUint32(Field.Allocated, allocated, true);
  return { ...header, bytes, allocated };
}

/** A random UUID (version 4); its first three parts are little-endian, as everything in the file. */
function newUuid(random: (into: Uint8Array<ArrayBuffer>) => void): Uint8Array {
  const uuid = new Uint8Array(UUID_BYTES);
  random(uuid);
  uuid[7] = (uuid[7] & 0x0f) | 0x40;
  uuid[8] = (uuid[8] & 0x3f) | 0x80;
  return uuid;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
