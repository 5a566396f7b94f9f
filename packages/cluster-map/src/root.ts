/** Where the tables are: in one place fixed from the start, or wherever a root table says. */
import { BlockError, type Edge } from '@blk/core-graph';
import { settled } from './pending.js';
import type { EntryCodec } from './place.js';
import { TablePage } from './table-page.js';

export interface Root {
  /** Offset of a table in the file; 0 where there is none. Throws a `BlockError` where the root says what can't be. */
  offsetOf(table: number): number;
  /** The root's own entries; absent where places are fixed. */
  readonly page?: TablePage;
  /** Where each table has a copy that is kept the same; of the same kind. */
  readonly copy?: Root | undefined;
}

/** One table at one place. */
export class FixedRoot implements Root {
  constructor(
    private readonly offset: number,
    readonly copy?: Root,
  ) {}

  offsetOf(): number {
    return this.offset;
  }
}

/** A table of tables, all of it in memory. */
export class RootTable implements Root {
  constructor(
    readonly page: TablePage,
    readonly copy?: Root,
  ) {}

  /** Reads `count` entries at `offset`, which the caller knows to be inside the file; refuses more than `limit` bytes. */
  static async load(file: Edge, offset: number, count: number, codec: EntryCodec, limit: number): Promise<RootTable> {
    const length = count * codec.bytes;
    if (length > limit) throw new BlockError('policy', `The image's first table takes ${length} bytes, beyond the limit of ${limit}`);
    const bytes = new Uint8Array(length);
    if (length > 0) await settled(file.read(offset, bytes, 0, length));
    return new RootTable(new TablePage(offset, bytes, codec));
  }

  offsetOf(table: number): number {
    return Math.max(0, this.page.get(table));
  }
}
