/** A set of small numbers, a bit for each: in pieces, of which those that are empty or full take nothing. */

const PIECE_BYTES = 8192;
const PIECE_BITS = PIECE_BYTES * 8;
const FULL = new Uint8Array(PIECE_BYTES).fill(0xff);

export class Bits {
  /** Absent: empty. `FULL` is not to be changed. */
  readonly #pieces: (Uint8Array | undefined)[];
  /** How many of each piece are in the set. */
  readonly #counts: number[];
  #inMemory = 0;

  /** `count`: numbers below it are expected. */
  constructor(count: number) {
    const pieces = Math.ceil(count / PIECE_BITS);
    this.#pieces = new Array<Uint8Array | undefined>(pieces).fill(undefined);
    this.#counts = new Array<number>(pieces).fill(0);
  }

  /** What the pieces in memory take. */
  get bytes(): number {
    return this.#inMemory * PIECE_BYTES;
  }

  has(at: number): boolean {
    const piece = this.#pieces[Math.floor(at / PIECE_BITS)];
    return piece !== undefined && (piece[(at >>> 3) % PIECE_BYTES] & (1 << (at & 7))) !== 0;
  }

  add(at: number): void {
    if (this.has(at)) return;
    const index = Math.floor(at / PIECE_BITS);
    let piece = this.#pieces[index];
    if (piece === undefined) {
      piece = this.#pieces[index] = new Uint8Array(PIECE_BYTES);
      this.#inMemory++;
    }
    piece[(at >>> 3) % PIECE_BYTES] |= 1 << (at & 7);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    if (this.#counts[index] < PIECE_BITS) return;
    this.#pieces[index] = FULL;
    this.#inMemory--;
  }

  delete(at: number): void {
    if (!this.has(at)) return;
    const index = Math.floor(at / PIECE_BITS);
    let piece = this.#pieces[index] as Uint8Array;
    if (piece === FULL) {
      piece = this.#pieces[index] = FULL.slice();
      this.#inMemory++;
    }
    piece[(at >>> 3) % PIECE_BYTES] &= ~(1 << (at & 7));
    if (--this.#counts[index] > 0) return;
    this.#pieces[index] = undefined;
    this.#inMemory--;
  }
}
