/** The parts of one open image, put together: tables, room for new clusters, the backing file, and the order of writing. */
import type { Completion, Edge } from '@blk/core-graph';
import { FlushQueue } from './flush-queue.js';
import { settled } from './pending.js';
import type { Space } from './space.js';
import type { TablePiece } from './table-page.js';
import type { Tables } from './tables.js';

/** What a format says about its image. Sizes and offsets in bytes. */
export interface MappedFormat {
  readonly driver: string;
  readonly file: Edge;
  /** May change. */
  size: number;
  readonly clusterSize: number;
  readonly tables: Tables;
  readonly space: Space;
  readonly readOnly: boolean;
  /** Entries can say that a cluster reads as zeroes. */
  readonly zeroEntries?: boolean;
  /** Data is stored in another form of the same length; whole sectors of 512 bytes. */
  readonly cipher?: SectorCipher;
  /** Puts a packed cluster, whose entry is given in halves, into `into` from `start` on; all of a cluster, which is at `offset` of the disk. */
  readonly unpack?: (low: number, high: number, into: Uint8Array, start: number, offset: number) => Completion;
  /** Before tables are written: what has to be on stable storage before them. A flush of the file follows. */
  readonly beforeTables?: () => Promise<void>;
}

export interface SectorCipher {
  /** In place; `offset` is that of the disk. */
  encrypt(offset: number, buffer: Uint8Array, start: number, length: number): void;
  decrypt(offset: number, buffer: Uint8Array, start: number, length: number): void;
}

/** What of a backing file is of use here. */
export type Below = Pick<Edge, 'read' | 'size'>;

export class MappedImage {
  /** Clusters that are getting their place in the file, and when that is over. */
  readonly busy = new Map<number, Promise<void>>();
  /** Supplies what the image does not hold. */
  backing: Below | undefined;
  readonly #queue: FlushQueue;

  constructor(readonly format: MappedFormat) {
    const { tables, file } = format;
    this.#queue = new FlushQueue({ dirty: () => tables.dirty, plain: () => file.flush(), write: () => this.#write() });
  }

  flush(): Completion {
    return this.format.readOnly ? undefined : this.#queue.flush();
  }

  /** Writes tables where too many wait. */
  relieve(): Completion {
    return this.format.tables.crowded ? this.flush() : undefined;
  }

  /** Resolves when none of the clusters from `first` to `last` is getting its place; undefined where none is. */
  idle(first: number, last: number): Promise<void> | undefined {
    if (this.busy.size === 0) return;
    for (let cluster = first; cluster <= last; cluster++) {
      const waiting = this.busy.get(cluster);
      if (waiting !== undefined) return waiting;
    }
  }

  /**
   * The data first, then the tables, then the root that refers to new ones; a flush between each and the next. So nothing on disk ever
   * refers to what is not there, and a power cut at worst leaves clusters that nothing refers to.
   */
  async #write(): Promise<void> {
    const { tables, file, beforeTables } = this.format;
    const { page: root, copy } = tables.root;
    const rootPieces = [...(root?.takeDirty() ?? []), ...(copy?.page?.takeDirty() ?? [])];
    const pieces = tables.takeDirty();
    let written = false;
    try {
      if (pieces.length + rootPieces.length > 0) await beforeTables?.();
      await settled(file.flush());
      if (pieces.length > 0) await settled(tables.tell('l2_update'));
      await this.#writePieces(pieces);
      if (rootPieces.length > 0) {
        // What the root refers to was written whole when it was made.
        await settled(file.flush());
        await settled(tables.tell('l1_update'));
        await this.#writePieces(rootPieces);
      }
      if (pieces.length + rootPieces.length > 0) await settled(file.flush());
      written = true;
    } finally {
      tables.settle(pieces, written);
      if (!written) for (const piece of rootPieces) piece.page.restore(piece);
    }
  }

  async #writePieces(pieces: readonly TablePiece[]): Promise<void> {
    const { file } = this.format;
    for (const { page, offset, bytes } of pieces) {
      await settled(file.write(page.hostOffset + offset, bytes, 0, bytes.length));
      if (page.copyOffset >= 0) await settled(file.write(page.copyOffset + offset, bytes, 0, bytes.length));
    }
  }
}
