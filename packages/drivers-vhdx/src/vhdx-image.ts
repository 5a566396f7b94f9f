/** The parts of one open image, and how blocks come to be: at the end of the file; the next flush puts them into the table. */
import { BlockError, type Completion, type Edge, type Host } from '@blk/core-graph';
import type { BlockTable } from './block-table.js';
import { BlockState, newId } from './format.js';
import type { HeaderFile } from './header.js';
import { LogWriter } from './log-writer.js';
import type { ByteReader } from './logged-file.js';
import type { Metadata } from './metadata.js';

export interface ImageParts {
  readonly file: Edge;
  readonly reader: ByteReader;
  readonly header: HeaderFile;
  readonly metadata: Metadata;
  readonly table: BlockTable;
  readonly readOnly: boolean;
  readonly host: Host;
  /** Opening put changes of the log into their places. */
  readonly replayed: boolean;
}

export class VhdxImage {
  readonly file: Edge;
  readonly reader: ByteReader;
  readonly header: HeaderFile;
  readonly metadata: Metadata;
  readonly table: BlockTable;
  readonly readOnly: boolean;
  readonly replayed: boolean;
  readonly log: LogWriter;
  readonly #random: (into: Uint8Array<ArrayBuffer>) => void;
  /** New blocks whose space held something else and is made zero now. */
  readonly #preparing = new Map<number, Promise<void>>();
  /** Those where that failed: tried again for whoever needs the block next. */
  readonly #unprepared = new Map<number, { readonly offset: number; readonly length: number }>();
  #begun: Completion | false = false;

  constructor({ file, reader, header, metadata, table, readOnly, host, replayed }: ImageParts) {
    this.file = file;
    this.reader = reader;
    this.header = header;
    this.metadata = metadata;
    this.table = table;
    this.readOnly = readOnly;
    this.replayed = replayed;
    this.#random = (into) => {
      host.random(into);
    };
    this.log = new LogWriter(file, header, this.#random);
  }

  /** Before the first change the header says that there are changes: others know by that that they have seen another file, and another disk. */
  begin(): Completion {
    if (this.#begun !== false) return this.#begun;
    const begun = this.header.update({ fileWriteId: newId(this.#random), dataWriteId: newId(this.#random) }).then(
      () => {
        this.#begun = undefined;
      },
      (error: unknown) => {
        this.#begun = false;
        throw error;
      },
    );
    this.#begun = begun;
    return begun;
  }

  isThere(block: number): boolean {
    return this.table.stateOf(block) === BlockState.Present;
  }

  /** What has to be waited for before the block is read or written. */
  prepared(block: number): Completion {
    const stale = this.#unprepared.size === 0 ? undefined : this.#unprepared.get(block);
    if (stale !== undefined) this.#prepare(block, stale.offset, stale.length);
    return this.#preparing.size === 0 ? undefined : this.#preparing.get(block);
  }

  /** What has to be waited for before all new blocks may be referred to. */
  async allPrepared(): Promise<void> {
    for (const [block, { offset, length }] of [...this.#unprepared]) this.#prepare(block, offset, length);
    await Promise.all(this.#preparing.values());
  }

  /** Gives the block a place; its piece of the table is in memory. */
  allocate(block: number): void {
    const { file, table } = this;
    const { end } = table;
    const after = end + this.metadata.blockSize;
    if (file.node.driver.growable !== true && after > file.size) throw new BlockError('no-space', 'No space left in the file for another block', { driver: 'vhdx', reason: 'vhdx/full' });
    table.append(block);
    const stale = Math.min(file.size, after) - end;
    if (stale > 0) this.#prepare(block, end, stale);
  }

  #prepare(block: number, offset: number, length: number): void {
    this.#unprepared.delete(block);
    const preparing = this.#zero(offset, length).then(
      () => {
        this.#preparing.delete(block);
      },
      (error: unknown) => {
        this.#unprepared.set(block, { offset, length });
        this.#preparing.delete(block);
        throw error;
      },
    );
    this.#preparing.set(block, preparing);
    // Whoever needs the block hears of it.
    preparing.catch(() => undefined);
  }

  async #zero(offset: number, length: number): Promise<void> {
    const done = this.file.writeZeroes(offset, length);
    if (done !== undefined) await done;
  }
}
