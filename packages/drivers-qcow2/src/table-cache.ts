/**
 * A cache of metadata tables of one cluster each: L2 tables by L1 index, refcount blocks by table index.
 *
 * A table is kept as its bytes on disk, with the range of them that is not written yet. Tables with such a range are never
 * dropped; a cache full of them grows over its limit until its owner has written them.
 */
import { andThen, type DebugEvent, type Edge, type MaybePromise } from '@blk/core-graph';
import { viewOf } from './format.js';

/** Writes are whole pieces of this many bytes: a sector is not written half. */
const SECTOR = 512;

export class Table {
  readonly view: DataView;
  /** Unwritten bytes are `[dirtyFrom, dirtyTo)`. */
  dirtyFrom = Infinity;
  dirtyTo = 0;
  /** Touched since the cache last looked for a table to drop. */
  used = true;
  /** Nobody has taken it from the cache yet: whoever had it loaded is still on the way. */
  fresh = true;
  /** L2 tables: the table has one reference, so its entries may change. */
  writable = false;

  constructor(
    readonly index: number,
    /** Place in the file, in bytes. */
    public offset: number,
    readonly bytes: Uint8Array,
  ) {
    this.view = viewOf(bytes);
  }

  get dirty(): boolean {
    return this.dirtyTo > this.dirtyFrom;
  }
}

/** Bytes of a table to be written, as they were at one moment. */
export interface Snapshot {
  readonly table: Table;
  readonly offset: number;
  readonly from: number;
  readonly bytes: Uint8Array;
}

export class TableCache {
  /** By index, for the fastest paths; mark the table as used when reading from here. */
  readonly slots: (Table | undefined)[] = [];
  readonly #ring: Table[] = [];
  readonly #dirty = new Set<Table>();
  /** On their way to disk. */
  readonly #held = new Set<Table>();
  readonly #loading = new Map<number, Promise<Table>>();
  #hand = 0;

  constructor(
    private readonly file: Edge,
    readonly tableBytes: number,
    /** Number of tables. */
    readonly limit: number,
    /** What is told when a table is read. */
    private readonly loads: DebugEvent,
  ) {}

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  /** Whether unwritten tables crowd out all others. */
  get isFull(): boolean {
    return this.#dirty.size * 4 >= this.limit * 3;
  }

  peek(index: number): Table | undefined {
    const table = this.slots[index];
    if (table !== undefined) {
      table.used = true;
      table.fresh = false;
    }
    return table;
  }

  /** The table, read from `offset` where it is not there yet. */
  load(index: number, offset: number): MaybePromise<Table> {
    const cached = this.peek(index) ?? this.#loading.get(index);
    if (cached !== undefined) return cached;
    const bytes = new Uint8Array(this.tableBytes);
    const told = this.file.event(this.loads);
    const done = andThen(told, () => this.file.read(offset, bytes, 0, this.tableBytes));
    if (done === undefined) return this.#insert(new Table(index, offset, bytes));
    const loading = this.#finishLoad(done, new Table(index, offset, bytes));
    this.#loading.set(index, loading);
    return loading;
  }

  /** A new table of zeroes that is to be written at `offset`. */
  create(index: number, offset: number): Table {
    const table = this.#insert(new Table(index, offset, new Uint8Array(this.tableBytes)));
    this.mark(table, 0, this.tableBytes);
    return table;
  }

  /** Notes that `[from, to)` of a table changed. */
  mark(table: Table, from: number, to: number): void {
    const first = from - (from % SECTOR);
    const end = Math.min(Math.ceil(to / SECTOR) * SECTOR, this.tableBytes);
    if (first < table.dirtyFrom) table.dirtyFrom = first;
    if (end > table.dirtyTo) table.dirtyTo = end;
    this.#dirty.add(table);
  }

  /**
   * Copies of all that is unwritten, which from now on counts as written. The tables stay in the cache until `settle` says
   * how the writing went: what is on disk is older than they are.
   */
  takeDirty(): Snapshot[] {
    const snapshots: Snapshot[] = [];
    for (const table of this.#dirty) {
      const { offset, dirtyFrom: from, dirtyTo } = table;
      snapshots.push({ table, offset, from, bytes: table.bytes.slice(from, dirtyTo) });
      table.dirtyFrom = Infinity;
      table.dirtyTo = 0;
      this.#held.add(table);
    }
    this.#dirty.clear();
    return snapshots.sort((a, b) => a.offset - b.offset);
  }

  /** Ends what `takeDirty` began; what was not written becomes unwritten again. */
  settle(snapshots: readonly Snapshot[], written: boolean): void {
    for (const { table, from, bytes } of snapshots) {
      this.#held.delete(table);
      if (!written) this.mark(table, from, from + bytes.length);
    }
  }

  /** Forgets one table, written or not. */
  drop(index: number): void {
    const table = this.slots[index];
    if (table === undefined) return;
    this.slots[index] = undefined;
    this.#ring.splice(this.#ring.indexOf(table), 1);
    this.#dirty.delete(table);
  }

  /** Forgets everything, written or not. */
  clear(): void {
    this.slots.length = 0;
    this.#ring.length = 0;
    this.#dirty.clear();
    this.#held.clear();
  }

  async #finishLoad(done: Promise<void>, table: Table): Promise<Table> {
    try {
      await done;
      return this.slots[table.index] ?? this.#insert(table);
    } finally {
      this.#loading.delete(table.index);
    }
  }

  #insert(table: Table): Table {
    while (this.#ring.length >= this.limit && this.#dropOne());
    this.slots[table.index] = table;
    this.#ring.push(table);
    return table;
  }

  /**
   * Second chance: the first written table that was not touched since the hand last passed. Fresh ones stay: else requests
   * that need different tables of a small cache could take them from each other for ever.
   */
  #dropOne(): boolean {
    const ring = this.#ring;
    const keepFresh = ring.length < this.limit * 2 + 64;
    for (let steps = ring.length * 2; steps > 0; steps--) {
      if (this.#hand >= ring.length) this.#hand = 0;
      const table = ring[this.#hand];
      if (!table.dirty && !this.#held.has(table) && !(table.fresh && keepFresh)) {
        if (!table.used) {
          this.slots[table.index] = undefined;
          const last = ring.pop() as Table;
          if (last !== table) ring[this.#hand] = last;
          return true;
        }
        table.used = false;
      }
      this.#hand++;
    }
    return false;
  }
}
