/** The footer: what kind of disk it is, how large, and by whom. At the end of every file; dynamic ones begin with a copy. */
import type { Edge } from '@blk/core-graph';
import { vpcError } from './errors.js';
import {
  checksum, FOOTER_BYTES, hasText, MAX_CHS_SECTORS, MAX_SECTORS, OLD_FOOTER_BYTES, putText, putU64, SECTOR, u64, viewOf,
} from './format.js';
import { sectorsOf, type Geometry } from './geometry.js';

export const FOOTER_MAGIC = 'conectix';
/** Two bits; this one is always set. */
const FEATURE_RESERVED = 2;
const VERSION = 0x0001_0000;
const CHECKSUM_AT = 64;

export const DiskType = { Fixed: 2, Dynamic: 3, Differencing: 4 } as const;
export type DiskKind = 'fixed' | 'dynamic' | 'differencing';

export interface Footer {
  readonly kind: DiskKind;
  /** Where the dynamic disk header lies; meaningless for fixed disks. */
  readonly headerOffset: number;
  /** Four characters. */
  readonly creator: string;
  /** Bytes. */
  readonly currentSize: number;
  readonly geometry: Geometry;
  readonly uniqueId: Uint8Array;
  /** The footer as it stands in the file, 512 bytes. */
  readonly bytes: Uint8Array;
}

/** Where the footers of a file were found. */
export interface FoundFooter {
  readonly footer: Footer;
  /** Byte offset of the footer at the end; -1: none that is whole. */
  readonly endOffset: number;
  /** The copy at the beginning, which dynamic disks have, is whole and the same. */
  readonly copyIntact: boolean;
}

/**
 * Finds the footer. The one at the end counts; where a crash or a shortened file took it, the copy at the beginning stands in. Throws
 * where neither is whole.
 */
export async function readFooter(file: Edge): Promise<FoundFooter> {
  const { size } = file;
  if (size < OLD_FOOTER_BYTES) throw vpcError({ what: 'too-small' });
  const start = new Uint8Array(FOOTER_BYTES);
  await file.read(0, start, 0, Math.min(FOOTER_BYTES, size));
  const end = new Uint8Array(FOOTER_BYTES);
  let endOffset = Math.max(0, size - FOOTER_BYTES);
  await file.read(endOffset, end, 0, size - endOffset);
  if (!hasText(end, 0, FOOTER_MAGIC) && hasText(end, 1, FOOTER_MAGIC)) {
    endOffset = size - OLD_FOOTER_BYTES;
    end.copyWithin(0, 1).fill(0, OLD_FOOTER_BYTES);
  }
  const endWhole = isWhole(end);
  const startWhole = isWhole(start);
  if (endWhole) {
    const footer = parseFooter(end);
    return { footer, endOffset, copyIntact: startWhole && end.every((byte, at) => byte === start[at]) };
  }
  if (!startWhole) throw vpcError({ what: hasText(end, 0, FOOTER_MAGIC) || hasText(start, 0, FOOTER_MAGIC) ? 'footer-checksum' : 'no-footer' });
  const footer = parseFooter(start);
  // Only disks with a copy begin with one; a fixed disk whose content looks like this has lost its own footer.
  if (footer.kind === 'fixed') throw vpcError({ what: 'no-footer' });
  return { footer, endOffset: -1, copyIntact: true };
}

function isWhole(bytes: Uint8Array): boolean {
  return hasText(bytes, 0, FOOTER_MAGIC) && viewOf(bytes).getUint32(CHECKSUM_AT) === checksum(bytes, CHECKSUM_AT);
}

/** 512 bytes with right magic and checksum to a checked footer. Throws a `BlockError` and nothing else. */
export function parseFooter(bytes: Uint8Array): Footer {
  const view = viewOf(bytes);
  const version = view.getUint32(12);
  if (version >>> 16 !== VERSION >>> 16) throw vpcError({ what: 'version', structure: 'footer', found: version });
  const type = view.getUint32(60);
  const kind = type === DiskType.Fixed ? 'fixed' : type === DiskType.Dynamic ? 'dynamic' : type === DiskType.Differencing ? 'differencing' : undefined;
  if (kind === undefined) throw vpcError({ what: 'disk-type', found: type });
  const currentSize = u64(view, 48);
  if (currentSize > MAX_SECTORS * SECTOR) throw vpcError({ what: 'size', found: currentSize });
  return {
    kind,
    headerOffset: u64(view, 16),
    creator: String.fromCharCode(...bytes.subarray(28, 32)),
    currentSize,
    geometry: { cylinders: view.getUint16(56), heads: view.getUint8(58), sectorsPerTrack: view.getUint8(59) },
    uniqueId: bytes.slice(68, 84),
    bytes: bytes.slice(),
  };
}

/** Those that let the guest see all of the current size, whatever the geometry says: Hyper-V, disk2vhd, XenServer, and QEMU when asked to. */
const BY_CURRENT_SIZE = ['win ', 'qem2', 'd2v ', 'tap\0', 'CTXS'];

export type SizeCalculation = 'chs' | 'current_size';

/** Whether the creator is one whose disks are known to be as large as their geometry says. */
export function knownToUseGeometry(creator: string): boolean {
  return creator === 'vpc ' || creator === 'vs  ' || creator === 'qemu';
}

/** Bytes of the disk. Virtual PC shows its guests what the geometry tells, which may be less than the current size. */
export function diskSize({ creator, currentSize, geometry }: Footer, calculation?: SizeCalculation): number {
  const byGeometry = sectorsOf(geometry);
  const how = calculation ?? (BY_CURRENT_SIZE.includes(creator) ? 'current_size' : 'chs');
  const useGeometry = how === 'chs' && byGeometry !== 0 && byGeometry !== MAX_CHS_SECTORS;
  return useGeometry ? byGeometry * SECTOR : Math.floor(currentSize / SECTOR) * SECTOR;
}

export interface NewFooter {
  readonly kind: 'fixed' | 'dynamic';
  readonly creator: 'qemu' | 'qem2';
  readonly size: number;
  readonly geometry: Geometry;
  /** Seconds since 2000. */
  readonly timestamp: number;
  readonly uniqueId: Uint8Array;
}

export function encodeFooter({ kind, creator, size, geometry, timestamp, uniqueId }: NewFooter): Uint8Array {
  const bytes = new Uint8Array(FOOTER_BYTES);
  const view = viewOf(bytes);
  putText(bytes, 0, FOOTER_MAGIC);
  view.setUint32(8, FEATURE_RESERVED);
  view.setUint32(12, VERSION);
  if (kind === 'fixed') bytes.fill(0xff, 16, 24);
  else putU64(view, 16, FOOTER_BYTES);
  view.setUint32(24, timestamp);
  putText(bytes, 28, creator);
  view.setUint32(32, 0x0005_0003);
  putText(bytes, 36, 'Wi2k');
  putU64(view, 40, size);
  putU64(view, 48, size);
  view.setUint16(56, geometry.cylinders);
  view.setUint8(58, geometry.heads);
  view.setUint8(59, geometry.sectorsPerTrack);
  view.setUint32(60, kind === 'fixed' ? DiskType.Fixed : DiskType.Dynamic);
  bytes.set(uniqueId, 68);
  view.setUint32(CHECKSUM_AT, checksum(bytes, CHECKSUM_AT));
  return bytes;
}
