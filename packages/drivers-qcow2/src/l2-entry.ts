/** Entries of L2 tables: what they mean, as two halves of 32 bits, without a 64-bit number on the way. */
import { HIGH, type Geometry } from './format.js';

/** What an entry says about its guest cluster. */
export const EntryKind = {
  /** Left to the backing file. */
  Unallocated: 0,
  /** Reads as zeroes. */
  Zero: 1,
  /** Reads as zeroes, with a host cluster kept for it. */
  ZeroAllocated: 2,
  Data: 3,
  Compressed: 4,
} as const;

/** In the upper half: the host cluster has this one reference. */
export const COPIED = 0x8000_0000;
export const COMPRESSED = 0x4000_0000;
/** In the lower half. */
export const ZERO = 1;
const OFFSET_HIGH = 0x00ff_ffff;
const OFFSET_LOW = 0xffff_fe00;

/**
 * What the first word of an entry says about its cluster. With extended entries, `Data` means that there is a host cluster;
 * what its subclusters hold is in the bitmaps (`subclusterKind`). Reserved bits are ignored, as the specification leaves
 * them without a meaning.
 */
export function kindOf(high: number, low: number, geometry: Geometry): number {
  if ((high & COMPRESSED) !== 0) return EntryKind.Compressed;
  const hasHost = hasHostCluster(high, low, geometry);
  if ((low & ZERO) !== 0 && !geometry.extended) return hasHost ? EntryKind.ZeroAllocated : EntryKind.Zero;
  return hasHost ? EntryKind.Data : EntryKind.Unallocated;
}

/** The kind of subcluster `unit` of an extended entry; its bitmaps must not contradict each other. */
export function subclusterKind(high: number, low: number, zeroes: number, allocated: number, unit: number, geometry: Geometry): number {
  if ((high & COMPRESSED) !== 0) return EntryKind.Compressed;
  if (((allocated >>> unit) & 1) !== 0) return EntryKind.Data;
  if (((zeroes >>> unit) & 1) === 0) return EntryKind.Unallocated;
  return hasHostCluster(high, low, geometry) ? EntryKind.ZeroAllocated : EntryKind.Zero;
}

/** For entries that are not compressed. An external data file has a cluster at offset 0 as well, told by the mark. */
function hasHostCluster(high: number, low: number, { external }: Geometry): boolean {
  return ((high & OFFSET_HIGH) | (low & OFFSET_LOW)) !== 0 || (external && high >>> 31 === 1);
}

/** Host offset of a standard cluster in bytes; may lie beyond 2^53 in a hostile image. */
export function hostOf(high: number, low: number): number {
  return (high & OFFSET_HIGH) * HIGH + ((low & OFFSET_LOW) >>> 0);
}

/** Where the bytes of a compressed cluster lie, at most. */
export interface CompressedRange {
  readonly offset: number;
  readonly length: number;
}

export function compressedRange(high: number, low: number, geometry: Geometry): CompressedRange {
  const highBits = geometry.compressedOffsetBits - 32;
  const offset = (high & (2 ** highBits - 1)) * HIGH + (low >>> 0);
  const sectors = (high & 0x3fff_ffff) >>> highBits;
  return { offset, length: (sectors + 1) * 512 - (low & 511) };
}

/** The two halves of the entry of a compressed cluster of `length` bytes at `offset`. */
export function compressedEntry(offset: number, length: number, geometry: Geometry): { readonly high: number; readonly low: number } {
  const highBits = geometry.compressedOffsetBits - 32;
  const sectors = Math.floor((offset + length - 1) / 512) - Math.floor(offset / 512);
  return { high: (COMPRESSED | (sectors << highBits) | Math.floor(offset / HIGH)) >>> 0, low: offset >>> 0 };
}
