/**
 * The tables of an image, a page at a time in memory: those used last, and those with changes that the file does not have. All tables
 * together are one list of entries, one for each cluster of the disk.
 */
import { BlockError, type Completion, type DebugEvent, type Edge } from '@blk/core-graph';
import { settled } from './pending.js';
import type { EntryCodec } from './place.js';
import type { Root } from './root.js';
import { TablePage, type TablePiece } from './table-page.js';

export interface TableLayout {
  readonly driver: string;
  readonly codec: EntryCodec;
  /** Entries of one table. */
  readonly entries: number;
  readonly root: Root;
  /** What is told to a driver below that listens: of all that happens here, what the format is known to tell. */
  readonly events?: readonly DebugEvent[];
  /** Most bytes of tables to keep in memory; 32 MiB unless given. */
  readonly budget?: number | undefined;
  /** What the tables are read from, where that is not the file as it is. */
  readonly reader?: Pick<Edge, 'read' | 'size'> | undefined;
}

const PAGE_BYTES = 65536;
/** What a page in memory takes beside its entries. */
const PAGE_COST = 1024;
const BUDGET = 32 * 1024 * 1024;
const ZEROES = new Uint8Array(512);

export class Tables {
  /** Entries of a page; the last page of a table may have fewer. */
  readonly pageEntries: number;
  #root: Root;
  readonly #pages = new Map<number, TablePage>();
  readonly #loading = new Map<number, Promise<void>>();
  /** Tables that are getting their place. */
  readonly #making = new Map<number, Promise<void>>();
  readonly #pagesOfTable: number;
  readonly #most: number;
  #clock = 0;
  #last: TablePage | undefined;

  constructor(
    private readonly file: Edge,
    private readonly layout: TableLayout,
  ) {
    this.#root = layout.root;
    this.pageEntries = Math.max(1, Math.min(layout.entries, PAGE_BYTES / layout.codec.bytes));
    this.#pagesOfTable = Math.ceil(layout.entries / this.pageEntries);
    this.#most = Math.max(4, Math.floor((layout.budget ?? BUDGET) / (this.pageEntries * layout.codec.bytes + PAGE_COST)));
  }

  get root(): Root {
    return this.#root;
  }

  /** Another root, of a disk that grew; what the old one had is on disk. */
  replaceRoot(root: Root): void {
    this.#root = root;
  }

  get entries(): number {
    return this.layout.entries;
  }

  /** Number of the page with a cluster's entry. */
  pageOf(cluster: number): number {
    const table = Math.floor(cluster / this.layout.entries);
    return table * this.#pagesOfTable + Math.floor((cluster - table * this.layout.entries) / this.pageEntries);
  }

  /** First cluster of a page. */
  firstOf(page: number): number {
    const table = this.tableOf(page);
    return table * this.layout.entries + (page - table * this.#pagesOfTable) * this.pageEntries;
  }

  /** First cluster behind a page. */
  endOf(page: number): number {
    return Math.min(this.firstOf(page) + this.pageEntries, (this.tableOf(page) + 1) * this.layout.entries);
  }

  tableOf(page: number): number {
    return Math.floor(page / this.#pagesOfTable);
  }

  /** The page with a cluster's entry, as `peek` has it. Most requests go to where the last one went, and pay no division for it. */
  at(cluster: number): TablePage | null | undefined {
    const last = this.#last;
    return last !== undefined && cluster >= last.first && cluster < last.end ? last : this.peek(this.pageOf(cluster));
  }

  /** A page in memory; null where the image has no such table, undefined where it has to be loaded. */
  peek(page: number): TablePage | null | undefined {
    const found = this.#pages.get(page);
    if (found === undefined) return this.root.page !== undefined && this.root.offsetOf(this.tableOf(page)) === 0 ? null : undefined;
    found.used = ++this.#clock;
    found.awaited = false;
    this.#last = found;
    return found;
  }

  load(page: number): Promise<void> {
    let loading = this.#loading.get(page);
    if (loading === undefined) {
      loading = this.#load(page).finally(() => this.#loading.delete(page));
      this.#loading.set(page, loading);
    }
    return loading;
  }

  /**
   * Calls `visit` with the pages of the first `count` entries in turn, and with the first entry of each and the one behind its last. Pages that the
   * memory has no room for are only looked at: a walk does not crowd out others. They are not to be changed, nor kept.
   */
  async walk(count: number, visit: (page: TablePage, first: number, end: number) => Completion): Promise<void> {
    let spare: Uint8Array | undefined;
    for (let first = 0; first < count; ) {
      const number = this.pageOf(first);
      let page = this.peek(number);
      const end = Math.min(count, this.endOf(number));
      if (page === undefined && this.#pages.size < this.#most) {
        await this.load(number);
        continue;
      }
      if (page === undefined) {
        spare ??= new Uint8Array(this.pageEntries * this.layout.codec.bytes);
        const read = await this.#read(number, spare);
        // Somebody may have loaded it meanwhile, and changed it.
        page = this.peek(number) ?? read;
      }
      const done = page === null ? undefined : visit(page, first, end);
      if (done !== undefined) await done;
      first = end;
    }
  }

  /** A new table for `page`, without entries, at a place that `take` gives; `virgin`: the file has nothing there. */
  make(page: number, take: (bytes: number) => { readonly host: number; readonly virgin: boolean }): Promise<void> {
    const table = this.tableOf(page);
    let making = this.#making.get(table);
    if (making === undefined) {
      making = this.#make(table, take).finally(() => this.#making.delete(table));
      this.#making.set(table, making);
    }
    return making;
  }

  /** Tells a driver below that listens what is about to be done; whoever tells waits for this before doing it. */
  tell(event: DebugEvent): Completion {
    const { file, layout } = this;
    return file.node.listens && layout.events?.includes(event) === true ? file.event(event) : undefined;
  }

  get dirty(): boolean {
    if (this.root.page?.dirty === true) return true;
    for (const page of this.#pages.values()) if (page.dirty) return true;
    return false;
  }

  /** So many pages wait to be written that it is time to. */
  get crowded(): boolean {
    return this.#pages.size > this.#most && this.dirty;
  }

  /** What is to be written, as it is now. Each has to come back to `settle`. */
  takeDirty(): readonly TablePiece[] {
    const pieces: TablePiece[] = [];
    for (const page of this.#pages.values()) if (page.dirty) pieces.push(...page.takeDirty());
    for (const { page } of pieces) page.writing++;
    return pieces;
  }

  settle(pieces: readonly TablePiece[], written: boolean): void {
    for (const piece of pieces) {
      piece.page.writing--;
      if (!written) piece.page.restore(piece);
    }
    this.#makeRoom();
  }

  async #load(page: number): Promise<void> {
    const loaded = await this.#read(page);
    loaded.used = ++this.#clock;
    this.#makeRoom();
    this.#pages.set(page, loaded);
  }

  /** A page as the file has it; in `spare`, where that is given. */
  async #read(page: number, spare?: Uint8Array): Promise<TablePage> {
    const { driver, codec, entries, reader = this.file } = this.layout;
    const table = this.tableOf(page);
    const first = this.firstOf(page) - table * entries;
    const { root } = this;
    const offset = root.offsetOf(table) + first * codec.bytes;
    const copyOffset = root.copy === undefined ? -1 : root.copy.offsetOf(table) + first * codec.bytes;
    const length = Math.min(this.pageEntries, entries - first) * codec.bytes;
    const bytes = spare?.subarray(0, length) ?? new Uint8Array(length);
    const last = Math.max(offset, copyOffset);
    if (last + length > reader.size) {
      const message = `Table at 0x${last.toString(16)} reaches beyond the end of the file at ${reader.size}`;
      throw new BlockError('invalid-image', message, { driver, reason: `${driver}/table-beyond-end`, offset: last });
    }
    await settled(this.tell('l2_load'));
    await settled(reader.read(offset, bytes, 0, length));
    return new TablePage(offset, bytes, codec, copyOffset, table * entries + first);
  }

  async #make(table: number, take: (bytes: number) => { readonly host: number; readonly virgin: boolean }): Promise<void> {
    const { page, copy } = this.root;
    if (page === undefined) throw new Error('a table at a fixed place is always there');
    const length = this.layout.entries * this.layout.codec.bytes;
    // No table is without its copy: both get their place, or neither.
    const hosts: number[] = [];
    for (const place of [page, copy?.page]) {
      if (place === undefined) continue;
      const { host, virgin } = take(length);
      const last = Math.min(length, ZEROES.length);
      const done: Completion = virgin ? this.file.write(host + length - last, ZEROES, 0, last) : this.file.writeZeroes(host, length);
      if (done !== undefined) await done;
      hosts.push(host);
    }
    page.set(table, hosts[0]);
    copy?.page?.set(table, hosts[1]);
  }

  /** Drops the pages that were used longest ago, as far as the file has them; some more than it has to, since small ones are many to look through. */
  #makeRoom(): void {
    const many = this.#pages.size - this.#most + 1;
    if (many <= 0) return;
    const clean = [...this.#pages].filter(([, page]) => !page.dirty && !page.awaited && page.writing === 0).sort(([, a], [, b]) => a.used - b.used);
    for (const [number, page] of clean.slice(0, many + Math.floor(this.#most / 8))) {
      this.#pages.delete(number);
      if (page === this.#last) this.#last = undefined;
    }
  }
}
