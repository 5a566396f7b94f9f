/** Sparse extents of ESX, `VMFSSPARSE`: header, grain directory, and tables and grains as they came. Section "ESXi Host Sparse Extents" of the specification. */
import { MappedImage, mappedNode, RootTable, settled, SpaceAtEnd, Tables, type Below } from '@blk/cluster-map';
import type { Edge } from '@blk/core-graph';
import { SECTOR } from './descriptor.js';
import { tableCodec } from './directory.js';
import { vmdkError } from './errors.js';
import type { OpenExtent } from './extent.js';
import { grainCodec } from './grain-entries.js';
import { EVENTS, type SparseContext } from './sparse-extent.js';
import { isCowd, viewOf } from './sparse-header.js';

const HEADER_BYTES = 4 * SECTOR;
/** Of each table; the header does not tell. */
const ENTRIES = 4096;
/** Sectors; that is 1 GiB. */
const MAX_GRAIN = 0x20_0000;
const Field = { Version: 4, Capacity: 12, GrainSize: 16, Directory: 20, Tables: 24, Free: 28 } as const;

/** Sizes and offsets in bytes. */
export interface CowdHeader {
  readonly capacity: number;
  readonly grainSize: number;
  readonly directoryOffset: number;
  readonly tables: number;
  /** From here on the file has nothing that is in use. */
  readonly free: number;
}

/** Untrusted bytes, 2048 of them where the file has as many. Throws a `BlockError` and nothing else. */
export function parseCowdHeader(bytes: Uint8Array): CowdHeader {
  if (!isCowd(bytes) || bytes.length < HEADER_BYTES) throw vmdkError({ what: 'no-header' });
  const view = viewOf(bytes);
  const word = (field: number): number => view.getUint32(field, true);
  const version = word(Field.Version);
  if (version !== 1) throw vmdkError({ what: 'version', found: version });
  const grain = word(Field.GrainSize);
  if (grain === 0 || grain > MAX_GRAIN) throw vmdkError({ what: 'grain-size' });
  const capacity = word(Field.Capacity) * SECTOR;
  const grainSize = grain * SECTOR;
  const tables = word(Field.Tables);
  // More of them are room that a disk of this size does not need.
  if (tables < tablesOf(capacity, grainSize)) throw vmdkError({ what: 'directory-size' });
  return { capacity, grainSize, directoryOffset: word(Field.Directory) * SECTOR, tables: tablesOf(capacity, grainSize), free: word(Field.Free) * SECTOR };
}

export async function readCowdHeader(file: Edge): Promise<CowdHeader> {
  const bytes = new Uint8Array(Math.min(HEADER_BYTES, file.size));
  await settled(file.read(0, bytes, 0, bytes.length));
  return parseCowdHeader(bytes);
}

export async function openCowd(file: Edge, header: CowdHeader, { readOnly, policy, cacheSize }: SparseContext): Promise<OpenExtent> {
  const { capacity, grainSize, directoryOffset, tables } = header;
  const end = directoryOffset + tables * 4;
  if (directoryOffset < HEADER_BYTES) throw vmdkError({ what: 'offset', thing: 'The grain directory', offset: directoryOffset });
  if (end > file.size) throw vmdkError({ what: 'beyond-end', thing: 'The grain directory', offset: directoryOffset, fileSize: file.size });
  const root = await RootTable.load(file, directoryOffset, tables, tableCodec(file, ENTRIES * 4), policy.maxMetadataBytes);
  // Each entry is looked at once, now.
  for (let table = 0; table < tables; table++) root.offsetOf(table);
  const space = new SpaceAtEnd(file, grainSize, end);
  const codec = grainCodec({ zeroGrains: false, compressed: false, first: end });
  const image = new MappedImage({
    driver: 'vmdk', file, size: capacity, clusterSize: grainSize, space, readOnly,
    tables: new Tables(file, { driver: 'vmdk', codec, entries: ENTRIES, root, budget: cacheSize, events: EVENTS }),
    beforeTables: freeSectorKeeper(file, header.free, space),
  });
  return {
    file, grainSize,
    node: mappedNode(image, {}),
    checked: {
      file, grainSize, codec, root: () => root, size: capacity, entries: ENTRIES, limit: policy.maxMetadataBytes,
      metadata: [{ start: 0, end: HEADER_BYTES }, { start: directoryOffset, end }],
    },
    setBelow: (below: Below | undefined) => {
      image.backing = below;
    },
  };
}

/** ESX puts what is new where its header tells: that has to lie behind all that the tables are about to refer to. */
function freeSectorKeeper(file: Edge, free: number, space: SpaceAtEnd): () => Promise<void> {
  let told = free;
  return async () => {
    const { end } = space;
    if (end <= told) return;
    const bytes = new Uint8Array(4);
    viewOf(bytes).setUint32(0, Math.min(Math.ceil(end / SECTOR), 0xffff_ffff), true);
    await settled(file.write(Field.Free, bytes, 0, bytes.length));
    told = end;
  };
}

function tablesOf(capacity: number, grainSize: number): number {
  return Math.ceil(capacity / (grainSize * ENTRIES));
}
