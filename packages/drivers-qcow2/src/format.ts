/** Numbers of the qcow2 format, and what follows from those that an image chooses. */
import { Incompatible } from './feature-bits.js';

/** `QFI\xfb`. */
export const MAGIC = 0x514649fb;
export const MIN_CLUSTER_BITS = 9;
export const MAX_CLUSTER_BITS = 21;
export const V2_HEADER_BYTES = 72;
export const V3_HEADER_BYTES = 104;
/** What this package writes: version 3 with the compression type and its padding. */
export const FULL_HEADER_BYTES = 112;
export const MAX_L1_BYTES = 32 * 1024 * 1024;
export const MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024;
export const MAX_SNAPSHOTS = 65536;
export const MAX_BACKING_NAME = 1023;
/** Two to the 32nd: weight of the upper half of a 64-bit word. */
export const HIGH = 0x1_0000_0000;

/** Smallest clusters that extended L2 entries may divide. */
export const MIN_EXTENDED_CLUSTER = 16384;

/** What cluster size, version, refcount width and features imply. */
export interface Geometry {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  /** Bytes; a power of two. */
  readonly clusterSize: number;
  /** L2 entries have bitmaps that divide a cluster into 32 subclusters. */
  readonly extended: boolean;
  /** Bytes of one L2 entry: 8, or 16 with its bitmaps. */
  readonly entryBytes: number;
  /** Entries of one L2 table. */
  readonly l2Entries: number;
  /** Units of a cluster that are allocated by themselves: 32, or the cluster is the only one. */
  readonly units: number;
  /** Bytes of a subcluster, or of a cluster where there are none. */
  readonly unitSize: number;
  /** Data lies in an external file, at the guest's own offsets and without refcounts. */
  readonly external: boolean;
  /** Guest bytes that one L2 table maps. */
  readonly l2Span: number;
  readonly refcountOrder: number;
  /** Refcounts in one refcount block. */
  readonly blockEntries: number;
  /** Bits of the host offset in a compressed cluster's entry (`x` in the specification). */
  readonly compressedOffsetBits: number;
}

/** `incompatible`: the feature bits of the header. */
export function geometryOf(version: 2 | 3, clusterBits: number, refcountOrder: number, incompatible: bigint): Geometry {
  const clusterSize = 2 ** clusterBits;
  const extended = (incompatible & Incompatible.ExtendedL2) !== 0n;
  const entryBytes = extended ? 16 : 8;
  const l2Entries = clusterSize / entryBytes;
  const units = extended ? 32 : 1;
  return {
    version,
    clusterBits,
    clusterSize,
    extended,
    entryBytes,
    l2Entries,
    units,
    unitSize: clusterSize / units,
    external: (incompatible & Incompatible.DataFile) !== 0n,
    l2Span: l2Entries * clusterSize,
    refcountOrder,
    blockEntries: (clusterSize * 8) / 2 ** refcountOrder,
    compressedOffsetBits: 62 - (clusterBits - 8),
  };
}

/** Entries that an L1 table needs for `size` bytes. */
export function l1EntriesFor(geometry: Geometry, size: number): number {
  return Math.ceil(size / geometry.l2Span);
}

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
