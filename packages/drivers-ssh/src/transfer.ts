/** Moves long ranges in pieces, many under way at once and never more than the link can use: the image's share of memory is bounded. */

/** Bytes under way: two of the windows that servers usually grant. */
const IN_FLIGHT = 4 * 1024 * 1024;

/** Places for pieces that are under way; whoever finds none waits for one, in order. */
export class Places {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param piece - bytes of the longest piece */
  constructor(private readonly piece: number) {
    this.#free = Math.ceil(IN_FLIGHT / piece);
  }

  /**
   * Runs `move(offset, start, length)` for the pieces of a range. Settles when all have, so nothing touches the buffer
   * afterwards; rejects with what failed first.
   */
  async run(offset: number, start: number, length: number, move: (offset: number, start: number, length: number) => Promise<unknown>): Promise<void> {
    const pieces: Promise<void>[] = [];
    const failures: unknown[] = [];
    for (let done = 0; done < length && failures.length === 0; done += this.piece) {
      if (this.#free === 0) await new Promise<void>((resolve) => { this.#waiting.push(resolve); });
      else this.#free--;
      const piece = move(offset + done, start + done, Math.min(this.piece, length - done));
      pieces.push(piece.then(() => undefined, (error: unknown) => { failures.push(error); }).finally(() => { this.#leave(); }));
    }
    await Promise.all(pieces);
    if (failures.length > 0) throw failures[0] as Error;
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
