/** Numbers of the VHDX format, identifiers, checksums and 64-bit words. All words are little-endian. */

export const MIB = 1024 * 1024;
export const TIB = MIB * MIB;
/** The unit in which the log records changes. */
export const PAGE = 4096;
export const HEADER_OFFSETS = [64 * 1024, 128 * 1024] as const;
export const HEADER_BYTES = 4096;
export const REGION_TABLE_OFFSETS = [192 * 1024, 256 * 1024] as const;
/** Bytes of a region table, and of the table in front of the metadata items. */
export const TABLE_BYTES = 64 * 1024;
/** Where regions and blocks may begin. */
export const FIRST_REGION = 1 * MIB;
export const MAX_TABLE_ENTRIES = 2047;
export const MAX_DISK = 64 * TIB;
export const MAX_BLOCK = 256 * MIB;

export const RegionId = {
  bat: '2dc27766-f623-4200-9d64-115e9bfd4a08',
  metadata: '8b7ca206-4790-4b9a-b8fe-575f050f886e',
} as const;

export const ItemId = {
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  diskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  diskId: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  logicalSectorSize: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  physicalSectorSize: 'cda348c7-445d-4471-9cc9-e9885251c556',
  parentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
} as const;

export const ZERO_ID = '00000000-0000-0000-0000-000000000000';

/** What the table says of a block of the disk. */
export const BlockState = { NotPresent: 0, Undefined: 1, Zero: 2, Unmapped: 3, Present: 6, Partial: 7 } as const;

const HIGH = 0x1_0000_0000;

/** A 64-bit word as a number; beyond 2^53 it is rounded, which every caller refuses by range. */
export function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * HIGH + view.getUint32(at, true);
}

/** Stores a safe integer as a 64-bit word. */
export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / HIGH), true);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether ASCII `text` stands at `at`. */
export function hasText(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

export function putText(bytes: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}

/** The first three parts of an identifier are little-endian words. */
const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/** An identifier as text, in lower case. */
export function readId(bytes: Uint8Array, at: number): string {
  const hex = ORDER.map((place) => bytes[at + place].toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

export function putId(bytes: Uint8Array, at: number, id: string): void {
  const hex = id.replaceAll('-', '');
  ORDER.forEach((place, index) => (bytes[at + place] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16)));
}

/** A new random identifier, as RFC 4122 marks it. */
export function newId(random: (into: Uint8Array<ArrayBuffer>) => void): string {
  const bytes = new Uint8Array(16);
  random(bytes);
  bytes[7] = (bytes[7] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return readId(bytes, 0);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C of the bytes, the four of the checksum itself at `field` counting as zeroes. */
export function crc32c(bytes: Uint8Array, field: number): number {
  let crc = 0xffff_ffff;
  for (let at = 0; at < bytes.length; at++) {
    const byte = at >= field && at < field + 4 ? 0 : bytes[at];
    crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
