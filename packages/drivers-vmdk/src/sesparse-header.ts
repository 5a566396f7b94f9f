/** The headers of a space-efficient sparse extent of ESX: bytes to checked ones. Its maker has not published the format; this is version 2.1 as it is in use. */
import { MAX_SIZE } from '@blk/core-graph';
import { SECTOR } from './descriptor.js';
import { vmdkError } from './errors.js';
import { viewOf } from './sparse-header.js';

export const SE_HEADER_BYTES = 512;
/** Bytes of a grain, and of a table; other sizes do not occur. */
export const SE_GRAIN = 4096;
export const SE_TABLE = 32768;
const MAGIC = 0xcafe_babe;
const VOLATILE_MAGIC = 0xcafe_cafe;
const VERSION = 0x2_0000_0001;
/** Words of 64 bits. */
const Field = {
  Magic: 0, Version: 1, Capacity: 2, GrainSize: 3, TableSize: 4, Flags: 5, Reserved: 6, Volatile: 10, Directory: 16, DirectorySize: 17,
  Tables: 18, TablesSize: 19, Grains: 24,
} as const;
const Volatile = { Magic: 0, ReplayJournal: 3 } as const;

/** Sizes and offsets in bytes. */
export interface SeSparseHeader {
  readonly capacity: number;
  readonly volatileOffset: number;
  readonly directoryOffset: number;
  readonly directorySize: number;
  /** All tables lie here, one behind the other. */
  readonly tablesOffset: number;
  readonly tablesSize: number;
  readonly grainsOffset: number;
}

/** Untrusted bytes, 512 of them where the file has as many. Throws a `BlockError` and nothing else. */
export function parseSeSparseHeader(bytes: Uint8Array): SeSparseHeader {
  if (bytes.length < SE_HEADER_BYTES || wordAt(bytes, Field.Magic) !== BigInt(MAGIC)) throw vmdkError({ what: 'no-header' });
  const version = wordAt(bytes, Field.Version);
  if (version !== BigInt(VERSION)) throw vmdkError({ what: 'se-version', found: version });
  const [grain, table, flags] = [Field.GrainSize, Field.TableSize, Field.Flags].map((field) => wordAt(bytes, field));
  if (grain !== BigInt(SE_GRAIN / SECTOR)) throw vmdkError({ what: 'se-grain-size', found: grain });
  if (table !== BigInt(SE_TABLE / SECTOR)) throw vmdkError({ what: 'se-table-size', found: table });
  if (flags !== 0n) throw vmdkError({ what: 'se-flags', found: flags });
  const reserved = [0, 1, 2, 3].map((index) => wordAt(bytes, Field.Reserved + index));
  if (reserved.some((word) => word !== 0n)) throw vmdkError({ what: 'se-reserved', found: reserved });
  const inBytes = (field: number): number => {
    const sectors = wordAt(bytes, field);
    if (sectors > BigInt(Math.floor(MAX_SIZE / SECTOR))) throw vmdkError({ what: 'capacity', sectors });
    return Number(sectors) * SECTOR;
  };
  return {
    capacity: inBytes(Field.Capacity),
    volatileOffset: inBytes(Field.Volatile),
    directoryOffset: inBytes(Field.Directory),
    directorySize: inBytes(Field.DirectorySize),
    tablesOffset: inBytes(Field.Tables),
    tablesSize: inBytes(Field.TablesSize),
    grainsOffset: inBytes(Field.Grains),
  };
}

/** Throws where the extent was not closed. */
export function checkVolatileHeader(bytes: Uint8Array): void {
  if (bytes.length < SE_HEADER_BYTES || wordAt(bytes, Volatile.Magic) !== BigInt(VOLATILE_MAGIC)) throw vmdkError({ what: 'se-volatile' });
  if ((wordAt(bytes, Volatile.ReplayJournal) & 0xffn) !== 0n) throw vmdkError({ what: 'se-journal' });
}

function wordAt(bytes: Uint8Array, field: number): bigint {
  return viewOf(bytes).getBigUint64(field * 8, true);
}
