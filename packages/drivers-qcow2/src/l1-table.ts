/** The active L1 table, whole in memory. */
import { HIGH, putU64, viewOf } from './format.js';

export class L1Table {
  /** Place of each L2 table in bytes; 0: none. A hostile image may hold places beyond 2^53, which are never read. */
  readonly offsets: Float64Array;
  /** 1 where the L2 table has one reference. */
  readonly copied: Uint8Array;
  #dirtyFrom = Infinity;
  #dirtyTo = 0;

  constructor(
    /** Entries, as in the header. */
    readonly length: number,
    /** Place of the table in the file, in bytes. */
    readonly offset: number,
  ) {
    this.offsets = new Float64Array(length);
    this.copied = new Uint8Array(length);
  }

  static decode(bytes: Uint8Array, length: number, offset: number): L1Table {
    const table = new L1Table(length, offset);
    const view = viewOf(bytes);
    for (let index = 0; index < length; index++) {
      const high = view.getUint32(index * 8);
      const low = view.getUint32(index * 8 + 4);
      table.offsets[index] = (high & 0x00ff_ffff) * HIGH + ((low & 0xffff_fe00) >>> 0);
      table.copied[index] = high >>> 31;
    }
    return table;
  }

  /** A longer (or shorter) table at another place, with the same content; its bytes are the caller's to write. */
  moved(length: number, offset: number): L1Table {
    const table = new L1Table(length, offset);
    const kept = Math.min(length, this.length);
    table.offsets.set(this.offsets.subarray(0, kept));
    table.copied.set(this.copied.subarray(0, kept));
    return table;
  }

  set(index: number, offset: number, copied: boolean): void {
    this.offsets[index] = offset;
    this.copied[index] = copied ? 1 : 0;
    this.touch(index, index + 1);
  }

  get dirty(): boolean {
    return this.#dirtyTo > this.#dirtyFrom;
  }

  touch(from: number, to: number): void {
    this.#dirtyFrom = Math.min(this.#dirtyFrom, from);
    this.#dirtyTo = Math.max(this.#dirtyTo, to);
  }

  /** The entries that are not written yet, which from now on count as written. */
  takeDirty(): { readonly from: number; readonly to: number; readonly bytes: Uint8Array } | undefined {
    if (!this.dirty) return undefined;
    const from = this.#dirtyFrom;
    const to = this.#dirtyTo;
    this.#dirtyFrom = Infinity;
    this.#dirtyTo = 0;
    return { from, to, bytes: this.encode(from, to) };
  }

  encode(from = 0, to = this.length): Uint8Array {
    const bytes = new Uint8Array((to - from) * 8);
    const view = viewOf(bytes);
    for (let index = from; index < to; index++) {
      const at = (index - from) * 8;
      putU64(view, at, this.offsets[index]);
      if (this.copied[index] === 1) view.setUint8(at, view.getUint8(at) | 0x80);
    }
    return bytes;
  }
}
