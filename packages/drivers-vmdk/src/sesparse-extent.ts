/** Space-efficient sparse extents of ESX, `SESPARSE`: all tables at the start, grains behind them, each by its number there. Only read. */
import { MappedImage, mappedNode, Place, RootTable, settled, SpaceAtEnd, Tables, type Below, type EntryCodec } from '@blk/cluster-map';
import type { Edge } from '@blk/core-graph';
import { vmdkError } from './errors.js';
import type { OpenExtent } from './extent.js';
import { EVENTS, type SparseContext } from './sparse-extent.js';
import { checkVolatileHeader, parseSeSparseHeader, SE_GRAIN, SE_HEADER_BYTES, SE_TABLE, type SeSparseHeader } from './sesparse-header.js';

const ENTRY_BYTES = 8;
const ENTRIES = SE_TABLE / ENTRY_BYTES;
/** The upper half of a directory's entry that tells of a table. */
const HAS_TABLE = 0x1000_0000;
/** Upper four bits of an entry for a grain. */
const State = { Hole: 0, Unmapped: 1, Zero: 2, Stored: 3 } as const;

export async function readSeSparseHeader(file: Edge): Promise<SeSparseHeader> {
  const header = parseSeSparseHeader(await bytesAt(file, 0, Math.min(SE_HEADER_BYTES, file.size)));
  const { volatileOffset } = header;
  checkInside(file, 'The volatile header', volatileOffset, SE_HEADER_BYTES);
  checkVolatileHeader(await bytesAt(file, volatileOffset, SE_HEADER_BYTES));
  return header;
}

export async function openSeSparse(file: Edge, header: SeSparseHeader, { readOnly, policy, cacheSize }: SparseContext): Promise<OpenExtent> {
  if (!readOnly) throw vmdkError({ what: 'se-read-only' });
  const { capacity, directoryOffset, directorySize, tablesOffset, grainsOffset } = header;
  const tables = Math.ceil(capacity / (SE_GRAIN * ENTRIES));
  if (tables * ENTRY_BYTES > directorySize) throw vmdkError({ what: 'directory-size' });
  checkInside(file, 'The grain directory', directoryOffset, tables * ENTRY_BYTES);
  const root = await RootTable.load(file, directoryOffset, tables, directoryCodec(file, header), policy.maxMetadataBytes);
  // Each entry is looked at once, now.
  for (let table = 0; table < tables; table++) root.offsetOf(table);
  const codec = grainCodec(grainsOffset);
  const image = new MappedImage({
    driver: 'vmdk', file, size: capacity, clusterSize: SE_GRAIN, readOnly,
    tables: new Tables(file, { driver: 'vmdk', codec, entries: ENTRIES, root, budget: cacheSize, events: EVENTS }),
    space: new SpaceAtEnd(file, SE_GRAIN, tablesOffset),
  });
  return {
    file,
    grainSize: SE_GRAIN,
    node: mappedNode(image, {}),
    checked: {
      file, codec, root: () => root, size: capacity, grainSize: SE_GRAIN, entries: ENTRIES, limit: policy.maxMetadataBytes,
      metadata: [{ start: 0, end: SE_HEADER_BYTES }, { start: directoryOffset, end: directoryOffset + directorySize }],
    },
    setBelow: (below: Below | undefined) => {
      image.backing = below;
    },
  };
}

/** Tables by their numbers. */
function directoryCodec(file: Edge, { tablesOffset, tablesSize }: SeSparseHeader): EntryCodec {
  return {
    bytes: ENTRY_BYTES,
    littleEndian: true,
    decode: (low, high) => {
      if (low === 0 && high === 0) return Place.Hole;
      if (high !== HAS_TABLE) throw vmdkError({ what: 'se-entry', thing: 'grain directory', low, high });
      const from = low * SE_TABLE;
      if (from + SE_TABLE > tablesSize) throw vmdkError({ what: 'se-entry', thing: 'grain directory', low, high });
      checkInside(file, 'A grain table', tablesOffset + from, SE_TABLE);
      return tablesOffset + from;
    },
    encode: onlyRead,
  };
}

/** Grains by their numbers, whose lower twelve bits are above the others. */
function grainCodec(grainsOffset: number): EntryCodec {
  return {
    bytes: ENTRY_BYTES,
    littleEndian: true,
    decode: (low, high) => {
      switch (high >>> 28) {
        case State.Hole:
          if (low === 0 && high === 0) return Place.Hole;
          break;
        case State.Unmapped:
        case State.Zero:
          return Place.Zero;
        case State.Stored: {
          const number = ((high >>> 16) & 0xfff) + ((high & 0xffff) * 2 ** 32 + low) * 4096;
          const place = grainsOffset + number * SE_GRAIN;
          if (place <= Number.MAX_SAFE_INTEGER - SE_GRAIN) return place;
        }
      }
      throw vmdkError({ what: 'se-entry', thing: 'grain table', low, high });
    },
    encode: onlyRead,
  };
}

function onlyRead(): never {
  throw vmdkError({ what: 'se-read-only' });
}

function checkInside(file: Edge, thing: string, offset: number, length: number): void {
  if (offset + length > file.size) throw vmdkError({ what: 'beyond-end', thing, offset, fileSize: file.size });
}

async function bytesAt(file: Edge, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await settled(file.read(offset, bytes, 0, length));
  return bytes;
}
