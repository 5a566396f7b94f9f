/** The header: bytes to a checked value, and back. */
import { MAX_SIZE } from '@blk/core-graph';
import { qcow2Error } from './errors.js';
import { ENCRYPTION_METHODS, parseEncryption, type EncryptionMethod } from './encryption.js';
import { Autoclear } from './feature-bits.js';
import { checkFeatures } from './features.js';
import { dataOf, decodeFeatureNames, ExtensionType, parseExtensions, text, type Extension } from './extensions.js';
import {
  FULL_HEADER_BYTES, geometryOf, l1EntriesFor, MAGIC, MAX_BACKING_NAME, MAX_CLUSTER_BITS, MAX_L1_BYTES,
  MAX_REFCOUNT_TABLE_BYTES, MAX_SNAPSHOTS, MIN_CLUSTER_BITS, MIN_EXTENDED_CLUSTER, putU64, u64, V2_HEADER_BYTES, V3_HEADER_BYTES, viewOf,
  type Geometry,
} from './format.js';

/** A header whose every number was checked. */
export interface Header {
  readonly geometry: Geometry;
  /** Bytes of the virtual disk. */
  readonly size: number;
  readonly l1Size: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly snapshotCount: number;
  readonly snapshotsOffset: number;
  readonly encryption: EncryptionMethod;
  readonly incompatible: bigint;
  readonly compatible: bigint;
  readonly autoclear: bigint;
  /** Bytes; extensions begin here. */
  readonly headerLength: number;
  /** Header bytes from 104 on, to be kept when the header is written again. */
  readonly additional: Uint8Array;
  readonly extensions: readonly Extension[];
  /** Where the backing file's name lies, and how many bytes it has; 0 where there is none. */
  readonly backingOffset: number;
  readonly backingLength: number;
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
  /** Recorded name of the external data file. */
  readonly dataFile: string | undefined;
}

/** Offsets are signed. */
const MAX_OFFSET = 2 ** 63;
/** The last number below that. */
const LAST_OFFSET = MAX_OFFSET - 1024;

/** Bytes that are enough to find out how long the header's cluster is. */
export const FIRST_READ = FULL_HEADER_BYTES;

/** Size of the first cluster, which holds header, extensions and backing name. Throws where this is no qcow2 image. */
export function parseClusterSize(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  if (bytes.length < 4 || view.getUint32(0) !== MAGIC) throw qcow2Error({ what: 'bad-magic' });
  if (bytes.length < V2_HEADER_BYTES) throw qcow2Error({ what: 'header-short' });
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) throw qcow2Error({ what: 'version', found: version });
  const bits = view.getUint32(20);
  if (bits < MIN_CLUSTER_BITS || bits > MAX_CLUSTER_BITS) throw qcow2Error({ what: 'cluster-size', bits });
  return 2 ** bits;
}

/**
 * Checks the first cluster of an image (or what the file has of it). Throws a `BlockError` and nothing else. `checking`: what a check
 * can report or repair is let through.
 */
export function parseHeader(bytes: Uint8Array, { checking = false } = {}): Header {
  const clusterSize = parseClusterSize(bytes);
  const view = viewOf(bytes);
  const version = view.getUint32(4) as 2 | 3;
  if (version === 3 && bytes.length < V3_HEADER_BYTES) throw qcow2Error({ what: 'header-short' });
  const headerLength = version === 2 ? V2_HEADER_BYTES : view.getUint32(100);
  if (version === 3 && headerLength < V3_HEADER_BYTES) throw qcow2Error({ what: 'header-short' });
  if (headerLength > clusterSize) throw qcow2Error({ what: 'header-long' });
  const backingOffset = u64(view, 8);
  if (backingOffset > clusterSize) throw qcow2Error({ what: 'backing-offset' });

  const extensionsEnd = backingOffset === 0 ? clusterSize : backingOffset;
  const extensions = parseExtensions(bytes, headerLength, extensionsEnd);
  const incompatible = version === 2 ? 0n : view.getBigUint64(72);
  const compressionType = version === 3 && headerLength > 104 ? (bytes[104] ?? 0) : 0;
  const names = dataOf(extensions, ExtensionType.FeatureNames);
  checkFeatures(incompatible, names === undefined ? [] : decodeFeatureNames(names), compressionType);
  const refcountOrder = version === 2 ? 4 : view.getUint32(96);
  if (refcountOrder > 6) throw qcow2Error({ what: 'refcount-width' });
  const encryption = parseEncryption(view.getUint32(32), extensions, clusterSize);

  const autoclear = version === 2 ? 0n : view.getBigUint64(88);
  const geometry = geometryOf(version, view.getUint32(20), refcountOrder, incompatible);
  if (!geometry.external && (autoclear & Autoclear.RawData) !== 0n) throw qcow2Error({ what: 'extension', text: 'data-file-raw requires a data file' });
  if (geometry.extended && geometry.clusterSize < MIN_EXTENDED_CLUSTER) throw qcow2Error({ what: 'subcluster-size', bytes: geometry.unitSize });
  const format = dataOf(extensions, ExtensionType.BackingFormat);
  const dataFile = dataOf(extensions, ExtensionType.DataFile);
  const backingFile = backingOffset === 0 ? undefined : backingName(bytes, backingOffset, view.getUint32(16), clusterSize);
  return {
    geometry,
    ...checkTables(view, geometry, checking),
    encryption,
    incompatible,
    compatible: version === 2 ? 0n : view.getBigUint64(80),
    autoclear,
    headerLength,
    additional: version === 2 ? new Uint8Array(0) : bytes.slice(104, Math.max(104, Math.min(headerLength, bytes.length))),
    extensions,
    backingOffset,
    backingLength: backingFile === undefined ? 0 : view.getUint32(16),
    backingFile,
    backingFormat: format === undefined || format.length === 0 ? undefined : text(format),
    dataFile: dataFile === undefined ? undefined : text(dataFile),
  };
}

/** Bytes of the fixed part of a header; extensions and the backing name follow it. */
export function encodeHeader(header: Header): Uint8Array {
  const { geometry } = header;
  const bytes = new Uint8Array(header.headerLength);
  const view = viewOf(bytes);
  view.setUint32(0, MAGIC);
  view.setUint32(4, geometry.version);
  putU64(view, 8, header.backingOffset);
  view.setUint32(16, header.backingLength);
  view.setUint32(20, geometry.clusterBits);
  putU64(view, 24, header.size);
  view.setUint32(32, ENCRYPTION_METHODS.indexOf(header.encryption));
  view.setUint32(36, header.l1Size);
  putU64(view, 40, header.l1Offset);
  putU64(view, 48, header.refcountTableOffset);
  view.setUint32(56, header.refcountTableClusters);
  view.setUint32(60, header.snapshotCount);
  putU64(view, 64, header.snapshotsOffset);
  if (geometry.version === 2) return bytes;
  view.setBigUint64(72, header.incompatible);
  view.setBigUint64(80, header.compatible);
  view.setBigUint64(88, header.autoclear);
  view.setUint32(96, geometry.refcountOrder);
  view.setUint32(100, header.headerLength);
  bytes.set(header.additional, 104);
  return bytes;
}

function backingName(bytes: Uint8Array, offset: number, length: number, clusterSize: number): string {
  if (length > MAX_BACKING_NAME || length > clusterSize - offset) throw qcow2Error({ what: 'backing-name-long' });
  if (offset + length > bytes.length) throw qcow2Error({ what: 'backing-offset' });
  return text(bytes.subarray(offset, offset + length));
}

type Tables = Pick<
  Header,
  'size' | 'l1Size' | 'l1Offset' | 'refcountTableOffset' | 'refcountTableClusters' | 'snapshotCount' | 'snapshotsOffset'
>;

/** Places and sizes of the tables, before anything is allocated for them. */
function checkTables(view: DataView, geometry: Geometry, checking: boolean): Tables {
  const { clusterSize } = geometry;
  const refcountTableClusters = view.getUint32(56);
  if (refcountTableClusters === 0 && !checking) throw qcow2Error({ what: 'table-missing' });
  const refcountTableBytes = refcountTableClusters * clusterSize;
  checkSize('Reference count table', refcountTableBytes, MAX_REFCOUNT_TABLE_BYTES);
  // Where no file can be that long the table is lost, and a check can make a new one.
  const reach = checking ? MAX_OFFSET : MAX_SIZE;
  const refcountTableOffset = aligned('Reference count table', u64(view, 48), refcountTableBytes, clusterSize, reach);

  const snapshotCount = view.getUint32(60);
  const tableOffset = u64(view, 64);
  if (snapshotCount > MAX_SNAPSHOTS && !checking) throw qcow2Error({ what: 'snapshot-table', text: 'Snapshot table too large' });
  // Without snapshots there is no table, wherever it is said to be: as long as the place is one of 63 bits, as for the reference.
  if (!checking) aligned('Snapshot table', tableOffset, snapshotCount * 40, clusterSize, snapshotCount === 0 ? LAST_OFFSET : MAX_SIZE);
  const snapshotsOffset = snapshotCount === 0 && !checking ? 0 : tableOffset;

  const l1Size = view.getUint32(36);
  checkSize('Active L1 table', l1Size * 8, MAX_L1_BYTES);
  const l1Offset = aligned('Active L1 table', u64(view, 40), l1Size * 8, clusterSize);
  const size = u64(view, 24);
  if (size > MAX_SIZE || l1EntriesFor(geometry, size) * 8 > MAX_L1_BYTES) throw qcow2Error({ what: 'size' });
  const needed = l1EntriesFor(geometry, size);
  if (l1Size < needed) throw qcow2Error({ what: 'l1-small', needed, found: l1Size });
  return { size, l1Size, l1Offset, refcountTableOffset, refcountTableClusters, snapshotCount, snapshotsOffset };
}

function checkSize(table: string, bytes: number, limit: number): void {
  if (bytes > limit) throw qcow2Error({ what: 'table-size', table, bytes, limit });
}

function aligned(table: string, offset: number, bytes: number, clusterSize: number, reach = MAX_SIZE): number {
  if (offset % clusterSize !== 0 || offset > reach - bytes) throw qcow2Error({ what: 'table-offset', table });
  return offset;
}
