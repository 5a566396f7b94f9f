/** Numbers of the VHD format, its checksum, and 64-bit words. All words are big-endian. */

export const SECTOR = 512;
export const FOOTER_BYTES = 512;
/** Virtual PC before 2004 wrote footers without their last, reserved byte. */
export const OLD_FOOTER_BYTES = 511;
export const HEADER_BYTES = 1024;
/** Entry of the block table where there is no block. */
export const UNALLOCATED = 0xffff_ffff;
/** Most sectors of a disk: 2040 GiB. */
export const MAX_SECTORS = 0xff00_0000;
/** Sectors that cylinders, heads and sectors per track can tell at most. */
export const MAX_CHS_SECTORS = 65535 * 16 * 255;
/** Seconds from 1970 to the beginning of the format's clock, 2000-01-01. */
export const EPOCH = 946_684_800;

const HIGH = 0x1_0000_0000;

/** A 64-bit word as a number; beyond 2^53 it is rounded, which every caller refuses by range. */
export function u64(view: DataView, at: number): number {
  return view.getUint32(at) * HIGH + view.getUint32(at + 4);
}

/** Stores a safe integer as a 64-bit word. */
export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / HIGH));
  view.setUint32(at + 4, value >>> 0);
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

/** The one's complement of the sum of all bytes but the four of the checksum itself, at `field`. */
export function checksum(bytes: Uint8Array, field: number): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) if (at < field || at >= field + 4) sum += bytes[at];
  return ~sum >>> 0;
}
