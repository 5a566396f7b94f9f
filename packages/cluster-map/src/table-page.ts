/** A piece of a table in memory: its entries, and which of them the file does not have yet. */
import type { EntryCodec } from './place.js';

/** Bytes of entries that are written together, and never torn. */
const SECTOR = 512;

/** Bytes of a table as they were at one moment. */
export interface TablePiece {
  readonly page: TablePage;
  /** From the start of the page. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export class TablePage {
  /** When it was used last, on the clock of the tables. */
  used = 0;
  /** Loaded for somebody who has not looked at it yet: two who load in turns must not take each other's pages. */
  awaited = true;
  /** Flushes that write it just now. */
  writing = 0;
  /** The cluster behind that of the last entry. */
  readonly end: number;
  readonly #dirty = new Set<number>();
  readonly #view: DataView;

  /**
   * `hostOffset`: where the bytes lie in the file; they belong to the page from now on. `copyOffset`: where they lie once more, or -1.
   * `first`: the cluster of the first entry.
   */
  constructor(
    readonly hostOffset: number,
    private readonly bytes: Uint8Array,
    private readonly codec: EntryCodec,
    readonly copyOffset = -1,
    readonly first = 0,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = first + bytes.length / codec.bytes;
  }

  get dirty(): boolean {
    return this.#dirty.size > 0;
  }

  get(entry: number): number {
    return this.codec.decode(this.low(entry), this.high(entry));
  }

  set(entry: number, place: number): void {
    const value = this.codec.encode(place);
    this.setHalves(entry, value % 2 ** 32, Math.floor(value / 2 ** 32));
  }

  /** The entry itself, by its halves; the higher one counts only where entries have 8 bytes. */
  setHalves(entry: number, low: number, high: number): void {
    const { bytes, littleEndian } = this.codec;
    const at = entry * bytes;
    this.#view.setUint32(bytes === 8 && !littleEndian ? at + 4 : at, low, littleEndian);
    if (bytes === 8) this.#view.setUint32(littleEndian ? at + 4 : at, high, littleEndian);
    this.#dirty.add(Math.floor(at / SECTOR));
  }

  /** The entry itself, its lower 32 bits. */
  low(entry: number): number {
    const { bytes, littleEndian } = this.codec;
    return this.#view.getUint32(bytes === 8 && !littleEndian ? entry * 8 + 4 : entry * bytes, littleEndian);
  }

  high(entry: number): number {
    const { bytes, littleEndian } = this.codec;
    return bytes === 4 ? 0 : this.#view.getUint32(littleEndian ? entry * 8 + 4 : entry * 8, littleEndian);
  }

  /** What is to be written, as it is now; counts as written until `restore`. */
  takeDirty(): readonly TablePiece[] {
    const sectors = [...this.#dirty].sort((a, b) => a - b);
    this.#dirty.clear();
    const pieces: TablePiece[] = [];
    for (let at = 0; at < sectors.length; ) {
      let next = at + 1;
      while (next < sectors.length && sectors[next] === sectors[next - 1] + 1) next++;
      const offset = sectors[at] * SECTOR;
      pieces.push({ page: this, offset, bytes: this.bytes.slice(offset, (sectors[next - 1] + 1) * SECTOR) });
      at = next;
    }
    return pieces;
  }

  /** Writing this piece failed. */
  restore({ offset, bytes }: TablePiece): void {
    for (let at = offset; at < offset + bytes.length; at += SECTOR) this.#dirty.add(at / SECTOR);
  }
}
