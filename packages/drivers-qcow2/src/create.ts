/** New images: the few clusters of an empty one, then space ahead of time where it is wanted. */
import { TRUSTED, type BlockError, type CreateContext, type Edge, type Preallocation } from '@blk/core-graph';
import { encryptionExtension, NO_ENCRYPTION, planEncryption, writeEncryption } from './create-encryption.js';
import { encryptionHeaderOf, type EncryptionHeader } from './encryption.js';
import { argumentError } from './errors.js';
import { encodeExtensions, encodeFeatureNames, ExtensionType, type Extension } from './extensions.js';
import { COMPRESSION_TYPES } from './compression.js';
import { Autoclear, Compatible, Incompatible } from './feature-bits.js';
import { FEATURE_NAMES } from './features.js';
import {
  FULL_HEADER_BYTES, geometryOf, l1EntriesFor, MAX_BACKING_NAME, MAX_CLUSTER_BITS, MAX_L1_BYTES, MIN_CLUSTER_BITS, MIN_EXTENDED_CLUSTER,
  putU64,
  V2_HEADER_BYTES, viewOf, type Geometry,
} from './format.js';
import { encodeHeader, type Header } from './header.js';
import { closeImage } from './close-image.js';
import { DEFAULT_CLUSTER_SIZE, type CreateOptions } from './create-options.js';
import { openQcow2, type ImageContext } from './open-image.js';
import { preallocate } from './preallocate.js';
import { setRefcount } from './refcount-codec.js';

/** Writes an empty image into `file`, which is empty. Throws before anything is written where the options do not fit. */
export async function createQcow2(file: Edge, options: CreateOptions, context: CreateContext): Promise<void> {
  const keys = await planEncryption(options, context);
  const plan = planImage(options, keys);
  const { header } = plan;
  const keysBytes = plan.keyClusters * header.geometry.clusterSize;
  const encryption = await writeEncryption(file, keys, encryptionHeaderOf(header.extensions), keysBytes, context);
  const data = plan.header.dataFile === undefined ? undefined : await makeDataFile(plan, context);
  await writeEmpty(file, plan);
  if (plan.preallocation === 'off') return;
  const opened: ImageContext = {
    readOnly: false,
    policy: TRUSTED,
    discard: false,
    pool: context.pool,
    corrupted: () => undefined,
    warn: (message) => {
      context.host.warn(message);
    },
  };
  const image = await openQcow2(file, {}, opened, { encryption: () => encryption, data: () => data });
  try {
    await preallocate(image, 0, image.size, plan.preallocation, context.work);
  } catch (error) {
    await closeImage(image).catch(() => undefined);
    throw error;
  }
  await closeImage(image);
}

/** The data file is as long as the disk, and holds nothing but zeroes. */
async function makeDataFile({ header, preallocation }: Plan, context: CreateContext): Promise<Edge> {
  const data = await context.file(header.dataFile as string);
  const { signal } = context;
  await data.node.truncate(header.size, { preallocation: preallocation === 'metadata' ? 'off' : preallocation, work: { signal } });
  return data;
}

/** Throws where `createQcow2` would, before there is a file. */
export function checkCreation(options: CreateOptions): void {
  planImage(options);
}

interface Plan {
  readonly header: Header;
  readonly preallocation: Preallocation;
  readonly blocks: number;
  readonly l1Clusters: number;
  /** Of the encryption's header, behind the L1 table. */
  readonly keyClusters: number;
}

/** Checks the options and lays the image out: header, refcount table, refcount blocks, L1 table. */
export function planImage(options: CreateOptions, keys = NO_ENCRYPTION): Plan {
  const geometry = chooseGeometry(options);
  const preallocation = options.preallocation ?? 'off';
  if (!['off', 'metadata', 'falloc', 'full'].includes(preallocation)) throw wrongValue('preallocation', preallocation);
  const backingFile = options.backing_file === '' ? undefined : options.backing_file;
  if (backingFile === undefined && options.backing_fmt !== undefined) {
    throw argumentError('Backing format cannot be used without backing file');
  }
  const { extended, external } = geometry;
  const raw = options.data_file_raw === true;
  if (backingFile !== undefined && raw) throw argumentError('Backing file and data-file-raw cannot be used at the same time');
  if (backingFile !== undefined && preallocation !== 'off' && !extended) {
    throw argumentError('Backing file and preallocation can only be used at the same time if extended_l2 is on');
  }
  if (options.lazy_refcounts === true && geometry.version === 2) {
    throw argumentError('Lazy refcounts only supported with compatibility level 1.1 and above (use version=v3 or greater)');
  }
  if (geometry.version === 2 && geometry.refcountOrder !== 4) {
    throw argumentError(
      'Different refcount widths than 16 bits require compatibility level 1.1 or above (use version=v3 or greater)',
    );
  }
  refuseNewer(options, geometry);
  const zstd = options.compression_type === 'zstd';
  const size = Math.ceil(options.size / 512) * 512;
  const l1Size = l1EntriesFor(geometry, size);
  if (l1Size * 8 > MAX_L1_BYTES || !Number.isSafeInteger(size)) {
    throw argumentError("The image size is too large for file format 'qcow2' (try using a larger cluster size)", 'too-large');
  }
  const l1Clusters = Math.ceil((l1Size * 8) / geometry.clusterSize);
  const keyClusters = Math.ceil(keys.headerBytes / geometry.clusterSize);
  let blocks = 1;
  while (blocks < Math.ceil((2 + blocks + l1Clusters + keyClusters) / geometry.blockEntries)) blocks++;
  const tableClusters = Math.ceil((blocks * 8) / geometry.clusterSize);
  while (blocks < Math.ceil((1 + tableClusters + blocks + l1Clusters + keyClusters) / geometry.blockEntries)) blocks++;
  const keysOffset = (1 + tableClusters + blocks + l1Clusters) * geometry.clusterSize;
  const header: Header = {
    geometry,
    size,
    l1Size,
    l1Offset: l1Size === 0 ? 0 : (1 + tableClusters + blocks) * geometry.clusterSize,
    refcountTableOffset: geometry.clusterSize,
    refcountTableClusters: tableClusters,
    snapshotCount: 0,
    snapshotsOffset: 0,
    incompatible: (zstd ? Incompatible.CompressionType : 0n) | (extended ? Incompatible.ExtendedL2 : 0n) | (external ? Incompatible.DataFile : 0n),
    compatible: options.lazy_refcounts === true ? Compatible.LazyRefcounts : 0n,
    autoclear: raw ? Autoclear.RawData : 0n,
    headerLength: geometry.version === 2 ? V2_HEADER_BYTES : FULL_HEADER_BYTES,
    additional: Uint8Array.from(geometry.version === 2 ? [] : [COMPRESSION_TYPES.indexOf(zstd ? 'zstd' : 'zlib'), 0, 0, 0, 0, 0, 0, 0]),
    extensions: extensionsFor(geometry, backingFile, options, keyClusters === 0 ? undefined : { offset: keysOffset, length: keys.headerBytes }),
    encryption: keys.method,
    backingOffset: 0,
    backingLength: 0,
    backingFile,
    backingFormat: options.backing_fmt,
    dataFile: options.data_file,
  };
  // Guests of a raw data file see it as it is: every cluster is mapped.
  const wanted = raw && preallocation === 'off' ? 'metadata' : preallocation;
  return { header: placeBacking(header), preallocation: wanted, blocks, l1Clusters, keyClusters };
}

function chooseGeometry(options: CreateOptions): Geometry {
  const version = versionOf(options.compat);
  const clusterSize = options.cluster_size ?? DEFAULT_CLUSTER_SIZE;
  const bits = Math.log2(clusterSize);
  if (!Number.isInteger(bits) || bits < MIN_CLUSTER_BITS || bits > MAX_CLUSTER_BITS) {
    throw argumentError('Cluster size must be a power of two between 512 and 2048k');
  }
  const refcountBits = options.refcount_bits ?? 16;
  const order = Math.log2(refcountBits);
  if (!Number.isInteger(order) || order < 0 || order > 6) {
    throw argumentError('Refcount width must be a power of two and may not exceed 64 bits');
  }
  if (options.data_file_raw === true && options.data_file === undefined) throw argumentError('data-file-raw requires data-file');
  if (options.data_file !== undefined && version === 2) {
    throw argumentError('External data files are only supported with compatibility level 1.1 and above (use version=v3 or greater)');
  }
  const extended = options.extended_l2 === true;
  if (extended && version === 2) {
    throw argumentError('Extended L2 entries are only supported with compatibility level 1.1 and above (use version=v3 or greater)');
  }
  if (extended && clusterSize < MIN_EXTENDED_CLUSTER) {
    throw argumentError(`Extended L2 entries are only supported with cluster sizes of at least ${MIN_EXTENDED_CLUSTER} bytes`);
  }
  const features = (extended ? Incompatible.ExtendedL2 : 0n) | (options.data_file === undefined ? 0n : Incompatible.DataFile);
  return geometryOf(version, bits, order, features);
}

function versionOf(compat: string | undefined): 2 | 3 {
  switch (compat) {
    case undefined:
    case '1.1':
    case 'v3':
      return 3;
    case '0.10':
    case 'v2':
      return 2;
    default:
      throw wrongValue('version', compat);
  }
}

/** Features of the format that this package does not write. */
function refuseNewer(options: CreateOptions, geometry: Geometry): void {
  const compression = options.compression_type ?? 'zlib';
  if (compression !== 'zlib' && compression !== 'zstd') throw wrongValue('compression-type', compression);
  if (compression === 'zstd') {
    if (geometry.version === 2) {
      throw argumentError(
        'Non-zlib compression type is only supported with compatibility level 1.1 and above (use version=v3 or greater)',
      );
    }
  }
}

function extensionsFor(
  geometry: Geometry,
  backingFile: string | undefined,
  options: CreateOptions,
  keys: EncryptionHeader | undefined,
): Extension[] {
  const extensions: Extension[] = [];
  const { backing_fmt: format, data_file: dataFile } = options;
  if (backingFile !== undefined && format !== undefined) {
    const data = new TextEncoder().encode(format);
    if (data.length >= 16) throw wrongValue('backing-fmt', format);
    extensions.push({ type: ExtensionType.BackingFormat, data });
  }
  if (keys !== undefined) extensions.push(encryptionExtension(keys));
  if (dataFile !== undefined) extensions.push({ type: ExtensionType.DataFile, data: new TextEncoder().encode(dataFile) });
  if (geometry.version === 3) extensions.push(encodeFeatureNames(FEATURE_NAMES));
  return extensions;
}

/**
 * Puts the backing name behind the extensions, and not before `from`; the table of feature names, which is for people, goes
 * where all do not fit.
 */
export function placeBacking(header: Header, from = 0): Header {
  const { backingFile } = header;
  const { length } = new TextEncoder().encode(backingFile ?? '');
  if (length > MAX_BACKING_NAME) throw argumentError('Backing file name too long');
  const fit = (extensions: readonly Extension[]): Header | undefined => {
    const end = header.headerLength + encodeExtensions(extensions).length;
    const backingOffset = Math.max(from, end);
    if ((length === 0 ? end : backingOffset + length) > header.geometry.clusterSize) return undefined;
    return { ...header, extensions, backingOffset: backingFile === undefined ? 0 : backingOffset, backingLength: length };
  };
  const placed =
    fit(header.extensions) ?? fit(header.extensions.filter(({ type }) => type !== ExtensionType.FeatureNames));
  if (placed === undefined) throw argumentError(`${header.backingFile === undefined ? 'Data' : 'Backing'} file name too long`);
  return placed;
}

/** The used part of the first cluster. */
export function encodeFirstCluster(header: Header): Uint8Array {
  const extensions = encodeExtensions(header.extensions);
  const name = new TextEncoder().encode(header.backingFile ?? '');
  const bytes = new Uint8Array(Math.max(header.headerLength + extensions.length, header.backingOffset) + name.length);
  bytes.set(encodeHeader(header));
  bytes.set(extensions, header.headerLength);
  if (name.length > 0) bytes.set(name, header.backingOffset);
  return bytes;
}

async function writeEmpty(file: Edge, { header, blocks, l1Clusters, keyClusters }: Plan): Promise<void> {
  const { geometry, refcountTableClusters } = header;
  const { clusterSize, blockEntries, refcountOrder } = geometry;
  const firstBlock = 1 + refcountTableClusters;
  const used = firstBlock + blocks + l1Clusters + keyClusters;
  // Up to the L1 table; of that, as much as the header says.
  const bytes = new Uint8Array((firstBlock + blocks) * clusterSize);
  const view = viewOf(bytes);
  bytes.set(encodeFirstCluster(header));
  for (let block = 0; block < blocks; block++) {
    putU64(view, clusterSize + block * 8, (firstBlock + block) * clusterSize);
    const counts = viewOf(bytes.subarray((firstBlock + block) * clusterSize, (firstBlock + block + 1) * clusterSize));
    for (let at = 0; at < blockEntries && block * blockEntries + at < used; at++) setRefcount(counts, refcountOrder, at, 1);
  }
  // The header last: a file that is cut short on the way is no image.
  await file.write(clusterSize, bytes, clusterSize, bytes.length - clusterSize);
  if (header.l1Size > 0) await file.write(header.l1Offset, new Uint8Array(header.l1Size * 8), 0, header.l1Size * 8);
  await file.flush();
  await file.write(0, bytes, 0, clusterSize);
  await file.flush();
}

function wrongValue(name: string, value: string): BlockError {
  return argumentError(`Parameter '${name}' does not accept value '${value}'`);
}
