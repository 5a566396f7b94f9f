/** From a file to an open image. */
import { settled } from '@blk/cluster-map';
import type { DriverNode, Edge, OpenContext } from '@blk/core-graph';
import { parseBlockTable, type BlockTable } from './block-table.js';
import { checkDmg } from './check.js';
import { ChunkMap } from './chunk-map.js';
import { dmgError } from './errors.js';
import { DmgNode } from './node.js';
import { tablesOfFork, tablesOfList } from './tables.js';
import { readTrailer, SECTOR, type FileRange, type Trailer } from './trailer.js';
import { Unpacker } from './unpack.js';

/** Bytes of memory for each byte of the tables in the file: the text, what it decodes to, and the chunks. */
const WEIGHT = 6;

export async function openDmg(file: Edge, cacheSize: number, context: OpenContext): Promise<DriverNode> {
  const trailer = await readTrailer(file);
  const tables = await readTables(file, trailer, context);
  const map = new ChunkMap(tables.flatMap(({ chunks }) => chunks));
  warnOfUnknown(map, context);
  const unpacker = new Unpacker(file);
  return new DmgNode({
    size: trailer.sectors * SECTOR, map, unpacker, cacheSize,
    check: (options) => checkDmg({ file, trailer, tables, unpacker }, options),
  });
}

/** There may be as many types as chunks. */
const MAX_WARNINGS = 8;

async function readTables(file: Edge, trailer: Trailer, { policy }: OpenContext): Promise<readonly BlockTable[]> {
  const { list, fork, data } = trailer;
  const bytes = async ({ offset, length }: FileRange): Promise<Uint8Array> => {
    if (length * WEIGHT > policy.maxMetadataBytes) throw dmgError({ what: 'table-memory', bytes: length * WEIGHT, allowed: policy.maxMetadataBytes });
    const buffer = new Uint8Array(length);
    await settled(file.read(offset, buffer, 0, length));
    return buffer;
  };
  if (list.length === 0 && fork.length === 0) return [plainTable(trailer)];
  const tables = fork.length > 0 ? tablesOfFork(await bytes(fork)) : tablesOfList(await bytes(list));
  return tables.map((table, index) => parseBlockTable(table, index, data.offset));
}

/** The disk as it is, with nothing but a trailer behind it. */
function plainTable({ data, sectors }: Trailer): BlockTable {
  if (data.length !== sectors * SECTOR) throw dmgError({ what: 'no-tables' });
  return { chunks: sectors === 0 ? [] : [{ kind: 'raw', type: 1, start: 0, sectors, ...data }], sum: { type: 0, value: 0 } };
}

function warnOfUnknown({ chunks }: ChunkMap, context: OpenContext): void {
  const types = new Set(chunks.filter(({ kind }) => kind === 'unknown').map((chunk) => chunk.type));
  for (const type of [...types].slice(0, MAX_WARNINGS)) {
    context.warn(`warning: Image contains chunks of unknown type ${type.toString(16)}, accessing them will result in I/O errors`);
  }
}
