/** A byte array as long as any disk, of which only the written parts take memory. */

/** Bytes of one page. */
const PAGE = 16384;

export class SparseBytes {
  readonly #pages = new Map<number, Uint8Array>();
  #size: number;

  constructor(size = 0) {
    this.#size = size;
  }

  static from(bytes: Uint8Array): SparseBytes {
    const sparse = new SparseBytes(bytes.length);
    sparse.write(0, bytes, 0, bytes.length);
    return sparse;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes that are really held. */
  get allocated(): number {
    return this.#pages.size * PAGE;
  }

  /** Copies the range out; what was never written is zero, also beyond the end. */
  read(offset: number, into: Uint8Array, start: number, length: number): void {
    this.#eachPage(offset, length, (page, within, done, piece) => {
      const bytes = this.#pages.get(page);
      if (bytes === undefined) into.fill(0, start + done, start + done + piece);
      else into.set(bytes.subarray(within, within + piece), start + done);
    });
  }

  /** Stores the range; grows where it passes the end. */
  write(offset: number, from: Uint8Array, start: number, length: number): void {
    this.#eachPage(offset, length, (page, within, done, piece) => {
      let bytes = this.#pages.get(page);
      if (bytes === undefined) this.#pages.set(page, (bytes = new Uint8Array(PAGE)));
      bytes.set(from.subarray(start + done, start + done + piece), within);
    });
    this.#size = Math.max(this.#size, offset + length);
  }

  /** Makes the range zero; with `release`, pages inside it are let go. Grows where it passes the end. */
  zero(offset: number, length: number, release: boolean): void {
    this.#eachPage(offset, length, (page, within, _done, piece) => {
      const bytes = this.#pages.get(page);
      if (bytes === undefined) {
        if (!release) this.#pages.set(page, new Uint8Array(PAGE));
      } else if (release && piece === PAGE) this.#pages.delete(page);
      else bytes.fill(0, within, within + piece);
    });
    this.#size = Math.max(this.#size, offset + length);
  }

  /** Cuts or grows; what is new is zero. */
  resize(size: number): void {
    if (size < this.#size) {
      for (const [page, bytes] of this.#pages) {
        if (page * PAGE >= size) this.#pages.delete(page);
        else if ((page + 1) * PAGE > size) bytes.fill(0, size - page * PAGE);
      }
    }
    this.#size = size;
  }

  /** Length of the run from `offset` that is held, or not held; at most `length`. */
  run(offset: number, length: number): { readonly held: boolean; readonly length: number } {
    let page = Math.floor(offset / PAGE);
    const held = this.#pages.has(page);
    do page++;
    while (page * PAGE < offset + length && this.#pages.has(page) === held);
    return { held, length: Math.min(page * PAGE - offset, length) };
  }

  clone(): SparseBytes {
    const copy = new SparseBytes(this.#size);
    for (const [page, bytes] of this.#pages) copy.#pages.set(page, bytes.slice());
    return copy;
  }

  /** The whole content. Only for sizes that fit in memory. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.#size);
    this.read(0, bytes, 0, bytes.length);
    return bytes;
  }

  #eachPage(
    offset: number,
    length: number,
    visit: (page: number, within: number, done: number, piece: number) => void,
  ): void {
    for (let done = 0; done < length; ) {
      const page = Math.floor((offset + done) / PAGE);
      const within = offset + done - page * PAGE;
      const piece = Math.min(PAGE - within, length - done);
      visit(page, within, done, piece);
      done += piece;
    }
  }
}
