/** From a file to an open image: header, tables, the map of metadata, and what has to be put right before writing. */
import { BlockError, MAX_SIZE, strerror, type Edge, type ImagePolicy, type MaybePromise, type OpenContext } from '@blk/core-graph';
import { checkLength } from './bitmap-data.js';
import { hasBitmaps, isUsable, LOST_WARNING, readBitmapDirectory } from './bitmap-directory.js';
import { encryptionHeaderOf, type Encryption } from './encryption.js';
import { qcow2Error } from './errors.js';
import { bitmapsOf } from './extensions.js';
import { Autoclear, Incompatible } from './feature-bits.js';
import { u64, viewOf } from './format.js';
import { HeaderFile } from './header-file.js';
import { FIRST_READ, parseClusterSize, parseHeader, type Header } from './header.js';
import { L1Table } from './l1-table.js';
import { resolveOptions, type RawOptions } from './options.js';
import { MetadataMap } from './overlap.js';
import { Qcow2Image } from './qcow2-image.js';
import { checkSnapshotL1, readSnapshotTable, type SnapshotTable } from './snapshot-table.js';

/** What opening needs of the graph. */
export type ImageContext = Pick<OpenContext, 'readOnly' | 'policy' | 'discard' | 'corrupted' | 'warn' | 'pool'>;

/** Opens what an image has besides its file. */
export interface OpenParts {
  /** What encrypts its data; undefined: nothing. */
  encryption(header: Header): MaybePromise<Encryption | undefined>;
  /** The external data file where the header asks for one; undefined: there is none, or nobody will ask for data. */
  data(header: Header): MaybePromise<Edge | undefined>;
}

/**
 * Opens the image in `file`. For writing, refcounts of an image that was not closed are rebuilt, and features that this
 * package does not keep up are marked as out of date.
 */
export async function openQcow2(file: Edge, raw: RawOptions, context: ImageContext, parts: OpenParts): Promise<Qcow2Image> {
  const { readOnly } = context;
  const found = parseHeader(await readFirstCluster(file));
  const encryption = await parts.encryption(found);
  const data = await parts.data(found);
  const header = await repairIfDirty(file, found, context);
  if (!readOnly && (header.incompatible & Incompatible.Corrupt) !== 0n) throw qcow2Error({ what: 'corrupt' });
  const options = resolveOptions(raw, header, context.policy, context.discard);
  checkMemory(header, context.policy, readOnly);
  const l1Bytes = await readTable(file, 'Active L1 table', header.l1Offset, header.l1Size * 8);
  const l1 = L1Table.decode(l1Bytes, header.l1Size, header.l1Offset);
  const metadata = new MetadataMap(header.geometry, options.guarded);
  const snapshots = await readSnapshotTable(file, header.snapshotsOffset, header.snapshotCount);
  const bitmaps = await readBitmapDirectory(file, header);
  if (bitmapsOf(header.extensions) !== undefined && !hasBitmaps(header)) context.warn(LOST_WARNING);
  if (readOnly) {
    const none = new Float64Array(0);
    const image = new Qcow2Image({ file, data, encryption, header, l1, refcountTable: none, snapshots, bitmaps, metadata, options, readOnly, context });
    if (header.geometry.external && data === undefined) image.corruption.fatal = new BlockError('not-found', 'The external data file is not open', { driver: 'qcow2' });
    return image;
  }

  const refcountTable = await readRefcountTable(file, header);
  snapshots.l1Tables.forEach((table, index) => {
    checkSnapshotL1(table, index, file, header.geometry);
  });
  await fillMap(metadata, file, header, l1, refcountTable, snapshots);
  const image = new Qcow2Image({ file, data, encryption, header, l1, refcountTable, snapshots, bitmaps, metadata, options, readOnly, context });
  await prepareForWriting(image);
  return image;
}

/** The header of an image that is opened to be checked. */
export async function readHeaderForCheck(file: Edge, { warn }: Pick<OpenContext, 'warn'>): Promise<Header> {
  const header = parseHeader(await readFirstCluster(file), { checking: true });
  // A directory that can't be read says nothing about what is in use.
  for (const entry of await readBitmapDirectory(file, header)) {
    if (isUsable(entry)) checkLength(entry, header.size, header.geometry.clusterSize);
  }
  if (bitmapsOf(header.extensions) !== undefined && !hasBitmaps(header)) warn(LOST_WARNING);
  return header;
}

/** An image that was not closed is repaired before it is written to: its refcounts are behind, or its marks. */
async function repairIfDirty(file: Edge, header: Header, { readOnly, policy, warn }: ImageContext): Promise<Header> {
  const { incompatible } = header;
  if (readOnly || (incompatible & Incompatible.Dirty) === 0n || (incompatible & Incompatible.Corrupt) !== 0n) return header;
  const headerFile = new HeaderFile(file, header);
  try {
    const { checkQcow2 } = await import('./check/check.js');
    const result = await checkQcow2({ file, header: headerFile, policy }, { repair: 'all', finding: warn });
    if (result.checkErrors > 0) throw qcow2Error({ what: 'dirty', text: 'Input/output error' });
  } catch (error) {
    if (!(error instanceof BlockError) || error.kind === 'no-space' || error.kind === 'policy') throw error;
    throw qcow2Error({ what: 'dirty', text: strerror(error.errno) });
  }
  return headerFile.current;
}

/** The first cluster, or what the file has of it. */
async function readFirstCluster(file: Edge): Promise<Uint8Array> {
  const head = new Uint8Array(Math.min(FIRST_READ, file.size));
  await file.read(0, head, 0, head.length);
  const cluster = new Uint8Array(Math.min(parseClusterSize(head), file.size));
  await file.read(0, cluster, 0, cluster.length);
  return cluster;
}

async function readTable(file: Edge, table: string, offset: number, length: number): Promise<Uint8Array> {
  if (length > 0 && offset + length > file.size) {
    throw qcow2Error({ what: 'table-truncated', table, end: offset + length, fileSize: file.size });
  }
  const bytes = new Uint8Array(length);
  if (length > 0) await file.read(offset, bytes, 0, length);
  return bytes;
}

async function readRefcountTable(file: Edge, header: Header): Promise<Float64Array> {
  const { refcountTableOffset, refcountTableClusters, geometry } = header;
  const length = refcountTableClusters * geometry.clusterSize;
  await file.event('reftable_load');
  const view = viewOf(await readTable(file, 'Reference count table', refcountTableOffset, length));
  const table = new Float64Array(length / 8);
  for (let index = 0; index < table.length; index++) table[index] = u64(view, index * 8) - (view.getUint32(index * 8 + 4) & 0x1ff);
  return table;
}

function checkMemory(header: Header, policy: ImagePolicy, readOnly: boolean): void {
  // In memory an L1 entry takes nine bytes, one of the refcount table eight.
  const refcountTable = readOnly ? 0 : header.refcountTableClusters * header.geometry.clusterSize;
  const bytes = header.l1Size * 9 + refcountTable;
  if (bytes > policy.maxMetadataBytes) throw qcow2Error({ what: 'table-memory', bytes, limit: policy.maxMetadataBytes });
}

async function fillMap(
  map: MetadataMap,
  file: Edge,
  header: Header,
  l1: L1Table,
  refcountTable: Float64Array,
  snapshots: SnapshotTable,
): Promise<void> {
  const { clusterSize } = header.geometry;
  const add = (offset: number): boolean => offset !== 0 && offset % clusterSize === 0 && offset < MAX_SIZE;
  map.add('main-header', 0, clusterSize);
  map.add('active-l1', header.l1Offset, header.l1Size * 8);
  map.add('refcount-table', header.refcountTableOffset, header.refcountTableClusters * clusterSize);
  map.add('snapshot-table', header.snapshotsOffset, snapshots.length);
  const keys = encryptionHeaderOf(header.extensions);
  if (keys !== undefined) map.add('main-header', keys.offset, Math.min(keys.length, Math.max(0, file.size - keys.offset)));
  const bitmaps = hasBitmaps(header) ? bitmapsOf(header.extensions) : undefined;
  if (bitmaps !== undefined) {
    map.add('bitmap-directory', Number(bitmaps.directoryOffset), Number(bitmaps.directorySize));
  }
  if (map.guards('refcount-block')) {
    for (const offset of refcountTable) if (add(offset)) map.add('refcount-block', offset, clusterSize);
  }
  if (map.guards('active-l2')) for (const offset of l1.offsets) if (add(offset)) map.add('active-l2', offset, clusterSize);
  for (const table of snapshots.l1Tables) {
    map.add('inactive-l1', table.offset, table.entries * 8);
    if (!map.guards('inactive-l2')) continue;
    const bytes = await readTable(file, 'Snapshot L1 table', table.offset, table.entries * 8);
    for (const offset of L1Table.decode(bytes, table.entries, table.offset).offsets) {
      if (add(offset)) map.add('inactive-l2', offset, clusterSize);
    }
  }
}

async function prepareForWriting(image: Qcow2Image): Promise<void> {
  const { header, file } = image;
  // What other bits vouch for is out of date with the first write; so they have to be gone before it.
  const kept = (hasBitmaps(header.current) ? Autoclear.Bitmaps : 0n) | (header.current.geometry.external ? Autoclear.RawData : 0n);
  if ((header.current.autoclear & ~kept) !== 0n) {
    await header.update({ autoclear: header.current.autoclear & kept });
    await file.flush();
  }
}

