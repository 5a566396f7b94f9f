/** How large a new image gets: its clusters counted, metadata included, without making one. */
import type { DataRange, MeasuredSize, SecretLookup } from '@blk/core-graph';
import { measureEncryption } from './create-encryption.js';
import type { CreateOptions } from './create-options.js';
import { argumentError } from './errors.js';
import { MAX_CLUSTER_BITS, MAX_L1_BYTES, MIN_CLUSTER_BITS } from './format.js';

const DEFAULT_CLUSTER_SIZE = 65536;
const SECTOR = 512;
/** Extended L2 entries want subclusters of at least 512 bytes, of which a cluster has 32. */
const MIN_EXTENDED_CLUSTER = 16384;

interface Layout {
  readonly clusterSize: number;
  readonly l2EntryBytes: number;
  readonly refcountBits: number;
  readonly version: 2 | 3;
}

/** Bytes of the file with the content that `data` tells, and when full; as the reference tools count them. */
export async function measureQcow2(
  options: CreateOptions & { size: number },
  data: AsyncIterable<DataRange> | undefined,
  secret: SecretLookup,
): Promise<MeasuredSize> {
  const layout = layoutOf(options);
  const { clusterSize } = layout;
  const preallocation = options.preallocation ?? 'off';
  if (!['off', 'metadata', 'falloc', 'full'].includes(preallocation)) throw argumentError(`invalid parameter value: ${String(preallocation)}`);
  const size = Math.ceil(options.size / SECTOR) * SECTOR;
  const disk = Math.ceil(size / clusterSize) * clusterSize;
  const keys = Math.ceil((await measureEncryption(options, secret)) / clusterSize) * clusterSize;
  const metadata = metadataBytes(layout, disk) + keys;
  const full = preallocation === 'falloc' || preallocation === 'full';
  // What a backing file will hold is not known: all of the disk may differ from it.
  const wholeDisk = full || (data !== undefined && typeof options.backing_file === 'string' && options.backing_file !== '');
  const held = wholeDisk ? disk : data === undefined ? 0 : (await clustersOf(data, clusterSize)) * clusterSize;
  return {
    required: metadata + held,
    fullyAllocated: metadata + disk,
    ...(layout.version === 3 ? { bitmapClusterSize: clusterSize } : {}),
  };
}

/** Clusters that ranges in ascending order touch. */
async function clustersOf(data: AsyncIterable<DataRange>, clusterSize: number): Promise<number> {
  let clusters = 0;
  let counted = 0;
  for await (const { offset, length } of data) {
    const from = Math.max(counted, Math.floor(offset / clusterSize));
    const to = Math.ceil((offset + length) / clusterSize);
    if (to <= from) continue;
    clusters += to - from;
    counted = to;
  }
  return clusters;
}

function layoutOf(options: CreateOptions): Layout {
  const clusterSize = options.cluster_size ?? DEFAULT_CLUSTER_SIZE;
  const bits = Math.log2(clusterSize);
  if (!Number.isInteger(bits) || bits < MIN_CLUSTER_BITS || bits > MAX_CLUSTER_BITS) {
    throw argumentError('Cluster size must be a power of two between 512 and 2048k');
  }
  const version = versionOf(options.compat);
  const refcountBits = options.refcount_bits ?? 16;
  const order = Math.log2(refcountBits);
  if (!Number.isInteger(order) || order < 0 || order > 6) {
    throw argumentError('Refcount width must be a power of two and may not exceed 64 bits');
  }
  if (version === 2 && refcountBits !== 16) {
    throw argumentError('Different refcount widths than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)');
  }
  const extended = options.extended_l2 === true;
  if (extended && clusterSize < MIN_EXTENDED_CLUSTER) {
    throw argumentError(`Extended L2 entries are only supported with cluster sizes of at least ${MIN_EXTENDED_CLUSTER} bytes`);
  }
  return { clusterSize, version, refcountBits, l2EntryBytes: extended ? 16 : 8 };
}

function versionOf(compat: string | undefined): 2 | 3 {
  if (compat === undefined || compat === '1.1' || compat === 'v3') return 3;
  if (compat === '0.10' || compat === 'v2') return 2;
  throw argumentError(`Invalid compatibility level: '${compat}'`);
}

/** Header, L1 and L2 tables for the whole disk, and the refcounts of all of them and of the disk's clusters. */
function metadataBytes({ clusterSize, l2EntryBytes, refcountBits }: Layout, disk: number): number {
  const dataClusters = disk / clusterSize;
  const l2Tables = Math.ceil(dataClusters / (clusterSize / l2EntryBytes));
  if (l2Tables * 8 > MAX_L1_BYTES) throw argumentError('The image size is too large (try using a larger cluster size)', 'too-large');
  const counted = dataClusters + 1 + Math.ceil((l2Tables * 8) / clusterSize) + l2Tables;
  const perBlock = (clusterSize * 8) / refcountBits;
  let refcounts = 0;
  for (let before = -1; before !== refcounts; ) {
    before = refcounts;
    const blocks = Math.ceil((counted + refcounts) / perBlock);
    refcounts = blocks + Math.ceil((blocks * 8) / clusterSize);
  }
  return (counted - dataClusters + refcounts) * clusterSize;
}
