/** Sparse extents of hosted products, compressed ones included: from a header to an open extent. */
import { MappedImage, mappedNode, settled, SpaceAtEnd, Tables, type Below } from '@blk/cluster-map';
import { WriteFlag, type DriverNode, type Edge, type OpenContext } from '@blk/core-graph';
import type { Range } from './claims.js';
import { ENTRY_BYTES, loadDirectory, readDirectory, type Directory, type DirectoryLayout } from './directory.js';
import { SECTOR } from './descriptor.js';
import { vmdkError } from './errors.js';
import type { OpenExtent } from './extent.js';
import { grainCodec } from './grain-entries.js';
import { PackedReader } from './packed-reader.js';
import { PackedWriter } from './packed-writer.js';
import { Flag, HEADER_BYTES, parseSparseHeader, tablesOf, type SparseHeader } from './sparse-header.js';

export interface SparseContext extends Pick<OpenContext, 'readOnly' | 'checking' | 'policy' | 'warn'> {
  /** Most bytes of the extent's tables in memory. */
  readonly cacheSize: number;
}

/** What QEMU's driver tells. */
export const EVENTS = [
  'l2_load', 'l2_update', 'read_aio', 'read_backing_aio', 'read_compressed', 'write_aio', 'write_compressed', 'cow_read', 'cow_write',
] as const;

export interface SparseExtent extends OpenExtent {
  readonly header: SparseHeader;
  /** What grains may be read, written and placed by. */
  readonly image: MappedImage;
}

export async function readSparseHeader(file: Edge): Promise<SparseHeader> {
  const bytes = new Uint8Array(Math.min(HEADER_BYTES, file.size));
  await settled(file.read(0, bytes, 0, bytes.length));
  const header = parseSparseHeader(bytes);
  if (header.overhead > file.size) throw vmdkError({ what: 'truncated', need: header.overhead });
  return header;
}

export async function openSparse(file: Edge, header: SparseHeader, context: SparseContext): Promise<SparseExtent> {
  const { flags, capacity, grainSize, entries, compressed, overhead } = header;
  if (header.version === 3 && !compressed && !context.readOnly) throw vmdkError({ what: 'read-only-version' });
  // What is written goes to the end, where the footer has to be found the next time.
  if (header.directoryOffset === undefined && !context.readOnly) throw vmdkError({ what: 'footer-in-place' });
  const placed = header.directoryOffset === undefined ? await readFooter(file, header) : header;
  const { directoryOffset, copyOffset } = placed;
  const layout = { offset: directoryOffset ?? 0, copyOffset, tables: tablesOf(header), entries, limit: context.policy.maxMetadataBytes };
  const directory = await readDirectory(file, layout, {
    // A check writes to redundant tables alone, and looks at them itself.
    write: !context.readOnly && !context.checking,
    metadata: metadataOf(header, layout),
    overhead: header.overhead,
    onDamage: () => {
      if (!context.readOnly) throw vmdkError({ what: 'beyond-end', thing: 'The grain directory', offset: layout.offset, fileSize: file.size });
      context.warn('warning: The grain directory is damaged; the redundant one is used in its place');
    },
  });
  const zeroGrains = (flags & Flag.ZeroGrains) !== 0;
  const codec = grainCodec({ zeroGrains, compressed, first: HEADER_BYTES });
  // Who writes to such a grain would write over the tables; a check tells of them all.
  const strict = compressed ? codec : grainCodec({ zeroGrains, compressed, first: HEADER_BYTES, apart: { grainSize, metadata: [...metadataOf(header, layout), ...rowsOf(directory)] } });
  const tables = new Tables(file, { driver: 'vmdk', codec: strict, entries: directory.entries, root: directory.root, budget: context.cacheSize, events: EVENTS });
  const space = new SpaceAtEnd(file, compressed ? SECTOR : grainSize, overhead);
  const reader = compressed ? new PackedReader(file, { grainSize, size: capacity, markers: (flags & Flag.Markers) !== 0 }) : undefined;
  const image = new MappedImage({
    driver: 'vmdk', file, size: capacity, clusterSize: grainSize, tables, space, readOnly: context.readOnly, zeroEntries: zeroGrains,
    ...(reader === undefined ? {} : { unpack: (low, _high, into, start, offset) => reader.read(low, into, start, offset) }),
  });
  return {
    header, image, file, grainSize, compressed,
    node: mappedNode(image, reader === undefined ? {} : packedWriting(new PackedWriter(image, space, reader))),
    checked: {
      file, grainSize, codec, size: capacity, limit: context.policy.maxMetadataBytes, entries,
      metadata: metadataOf(header, layout),
      root: () => loadDirectory(file, layout, layout.offset),
      ...(reader === undefined ? {} : { checkPacked: (sector, offset) => reader.check(sector, offset) }),
      ...(copyOffset === 0 ? {} : { copy: () => loadDirectory(file, layout, copyOffset) }),
    },
    setBelow: (below: Below | undefined) => {
      image.backing = below;
    },
  };
}

/** What no grain may lie over: the header, the descriptor and the directories. */
function metadataOf({ descriptorOffset, descriptorSize }: SparseHeader, { offset, copyOffset, tables }: DirectoryLayout): Range[] {
  const ranges = [[0, HEADER_BYTES], [descriptorOffset, descriptorSize], [offset, tables * 4], [copyOffset, tables * 4]] as const;
  return ranges.filter(([start, length]) => length > 0 && (start > 0 || length === HEADER_BYTES)).map(([start, length]) => ({ start, end: start + length }));
}

/** Tables that lie in one row, and those of the redundant directory. */
function rowsOf({ root, entries }: Directory): Range[] {
  const rows = root.page === undefined ? [root, ...(root.copy === undefined ? [] : [root.copy])] : [];
  return rows.map((row) => ({ start: row.offsetOf(0), end: row.offsetOf(0) + entries * ENTRY_BYTES }));
}

/** Whatever is written is stored compressed. */
function packedWriting(writer: PackedWriter): Pick<DriverNode, 'write' | 'writeFlags'> {
  return {
    writeFlags: WriteFlag.Compressed,
    write: (offset, buffer, start, length) => writer.write(offset, buffer, start, length),
  };
}

/** The last but one sector of the file is a header that tells where the directory is. */
async function readFooter(file: Edge, header: SparseHeader): Promise<SparseHeader> {
  const [marker, at, end] = [3, 2, 1].map((sectors) => file.size - sectors * SECTOR);
  if (marker < HEADER_BYTES) throw vmdkError({ what: 'footer' });
  const bytes = new Uint8Array(3 * SECTOR);
  await settled(file.read(marker, bytes, 0, bytes.length));
  if (markerType(bytes, 0) !== Marker.Footer || markerType(bytes, end - marker) !== Marker.EndOfStream) throw vmdkError({ what: 'footer' });
  const footer = parseSparseHeader(bytes.subarray(at - marker, end - marker));
  const same = footer.capacity === header.capacity && footer.grainSize === header.grainSize && footer.entries === header.entries;
  if (!same || footer.flags !== header.flags || footer.directoryOffset === undefined) throw vmdkError({ what: 'footer' });
  return footer;
}

/** What follows, by the number in its marker. */
export const Marker = { EndOfStream: 0, Table: 1, Directory: 2, Footer: 3 } as const;

/** Undefined where there is none. */
function markerType(bytes: Uint8Array, at: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  return view.getUint32(8, true) === 0 ? view.getUint32(12, true) : undefined;
}
