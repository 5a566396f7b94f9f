/** Grain directories: where the grain tables of a sparse extent are, and where their copies. */
import { FixedRoot, Place, RootTable, type EntryCodec, type Root } from '@blk/cluster-map';
import { BlockError, type Edge } from '@blk/core-graph';
import type { Range } from './claims.js';
import { SECTOR } from './descriptor.js';
import { vmdkError } from './errors.js';
import { sectorOf } from './grain-entries.js';

export const ENTRY_BYTES = 4;

export interface DirectoryLayout {
  /** Of the directory, in the file. */
  readonly offset: number;
  /** Of the redundant one; 0: there is none. */
  readonly copyOffset: number;
  /** Grain tables of the extent, and entries of each. */
  readonly tables: number;
  readonly entries: number;
  /** Most bytes that a directory may take. */
  readonly limit: number;
}

export interface Directory {
  readonly root: Root;
  /** Entries of one table of `root`. */
  readonly entries: number;
}

export interface DirectoryUse {
  /** What no table may lie over, and from where on grains are, by the header. */
  readonly metadata: readonly Range[];
  readonly overhead: number;
  /** Tables will be written: both directories have to be whole, and to fit together. */
  readonly write: boolean;
  /** Told where the first directory is damaged, and the redundant one serves. */
  readonly onDamage: () => void;
}

/**
 * Reads the directories. Mostly all tables lie one behind the other, and their copies as well: then they are one large table. Where the
 * first directory is damaged and the other is not, that one counts, and nothing may be written.
 */
export async function readDirectory(file: Edge, layout: DirectoryLayout, { write, metadata, overhead, onDamage }: DirectoryUse): Promise<Directory> {
  const { offset, copyOffset, tables, entries } = layout;
  let first: RootTable;
  try {
    first = await loadDirectory(file, layout, offset);
  } catch (error) {
    if (copyOffset === 0 || !(error instanceof BlockError) || error.kind !== 'invalid-image') throw error;
    first = await loadDirectory(file, layout, copyOffset);
    onDamage();
    return plain(first, undefined, tables, entries);
  }
  if (!write || copyOffset === 0) return plain(first, undefined, tables, entries);
  const copy = await loadDirectory(file, layout, copyOffset);
  for (let table = 0; table < tables; table++) {
    // The copy of a table that has none would be written over the header.
    if ((first.offsetOf(table) === 0) !== (copy.offsetOf(table) === 0)) throw vmdkError({ what: 'one-directory', table });
    if (first.offsetOf(table) < overhead && copy.offsetOf(table) >= overhead) throw vmdkError({ what: 'tables-overlap', offset: copy.offsetOf(table) });
  }
  checkApart([first, copy], layout, metadata);
  return plain(first, copy, tables, entries);
}

/** One of the directories, at `at`: each of its entries is looked at. */
export async function loadDirectory(file: Edge, { tables, entries, limit }: DirectoryLayout, at: number): Promise<RootTable> {
  const length = tables * ENTRY_BYTES;
  if (at === 0) throw vmdkError({ what: 'offset', thing: 'The grain directory', offset: at });
  if (at + length > file.size) throw vmdkError({ what: 'beyond-end', thing: 'The grain directory', offset: at, fileSize: file.size });
  const table = await RootTable.load(file, at, tables, tableCodec(file, entries * ENTRY_BYTES), limit);
  for (let index = 0; index < tables; index++) table.offsetOf(index);
  return table;
}

/** Throws where writing a table would write over another one, or over what is no table. */
function checkApart([first, copy]: readonly [RootTable, RootTable], { tables, entries }: DirectoryLayout, metadata: readonly Range[]): void {
  const length = entries * ENTRY_BYTES;
  const starts = new Float64Array(tables * 2).fill(Infinity);
  for (let table = 0; table < tables; table++) {
    const [place, other] = [first.offsetOf(table), copy.offsetOf(table)];
    if (place === 0) continue;
    starts[table * 2] = place;
    // One table that both name is written twice, and that is all.
    if (other !== place) starts[table * 2 + 1] = other;
  }
  starts.sort();
  for (const [index, start] of starts.entries()) {
    if (start === Infinity) return;
    const last = index === 0 ? -Infinity : starts[index - 1];
    if (start - last < length || metadata.some((range) => start < range.end && start + length > range.start)) throw vmdkError({ what: 'tables-overlap', offset: start });
  }
}

function plain(first: RootTable, copy: RootTable | undefined, tables: number, entries: number): Directory {
  if (inOneRow(first, tables, entries) && (copy === undefined || inOneRow(copy, tables, entries))) {
    const fixed = copy === undefined ? undefined : new FixedRoot(copy.offsetOf(0));
    return { root: new FixedRoot(first.offsetOf(0), fixed), entries: tables * entries };
  }
  return { root: new RootTable(first.page, copy), entries };
}

function inOneRow(root: RootTable, tables: number, entries: number): boolean {
  const length = entries * ENTRY_BYTES;
  const start = tables === 0 ? 0 : root.offsetOf(0);
  if (start === 0) return false;
  for (let table = 1; table < tables; table++) if (root.offsetOf(table) !== start + table * length) return false;
  return true;
}

/** Entries of a directory: sectors of tables of `tableBytes` each. */
export function tableCodec(file: Edge, tableBytes: number): EntryCodec {
  return {
    bytes: ENTRY_BYTES,
    littleEndian: true,
    decode: (sector) => {
      if (sector === 0) return Place.Hole;
      const offset = sector * SECTOR;
      // What lies beyond the end of the file is zeroes to whoever reads it, and must not be taken for an empty table.
      if (offset + tableBytes > file.size) throw vmdkError({ what: 'beyond-end', thing: 'A grain table', offset, fileSize: file.size });
      return offset;
    },
    encode: sectorOf,
  };
}
