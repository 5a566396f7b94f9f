/** Reading pieces that mostly lie one behind the other in a file: one longer read has those of the next ones as well. */
import { isPromise, type Completion, type Edge, type MaybePromise } from '@blk/core-graph';

/** A stretch of the file; `reading` while it is still on its way. */
interface Stretch {
  readonly offset: number;
  readonly bytes: Uint8Array;
  reading: Completion;
}

export class ReadAhead {
  #stretch: Stretch | undefined;

  /** `atOnce`: bytes of one read, unless a piece is longer; up to `most` while one read follows the other. */
  constructor(
    private readonly file: Edge,
    private readonly atOnce: number,
    private readonly most = atOnce,
  ) {}

  /** The `length` bytes at `offset`, which must lie within the file. They may be looked at for as long as one likes, and not be changed. */
  read(offset: number, length: number): MaybePromise<Uint8Array> {
    const bytes = this.atLeast(offset, length);
    return isPromise(bytes) ? bytes.then((some) => some.subarray(0, length)) : bytes.subarray(0, length);
  }

  /** The same with as many bytes behind them as happen to be there. */
  atLeast(offset: number, length: number): MaybePromise<Uint8Array> {
    let stretch = this.#stretch;
    if (stretch === undefined || offset < stretch.offset || offset + length > stretch.offset + stretch.bytes.length) {
      stretch = this.#stretch = this.#start(offset, Math.min(Math.max(this.#next(offset), length), this.file.size - offset));
    }
    const bytes = stretch.bytes.subarray(offset - stretch.offset);
    const { reading } = stretch;
    return isPromise(reading) ? reading.then(() => bytes) : bytes;
  }

  /** The file changes somewhere. */
  forget(): void {
    this.#stretch = undefined;
  }

  #start(offset: number, length: number): Stretch {
    const bytes = new Uint8Array(length);
    const stretch: Stretch = { offset, bytes, reading: this.file.read(offset, bytes, 0, length) };
    stretch.reading?.then(
      () => { stretch.reading = undefined; },
      // Whoever waits is told; the next one tries again.
      () => { if (this.#stretch === stretch) this.#stretch = undefined; },
    );
    return stretch;
  }

  /** How much to read at `offset`: more and more while it lies a little behind what was read last. */
  #next(offset: number): number {
    const last = this.#stretch;
    if (last === undefined || offset <= last.offset || offset > last.offset + last.bytes.length + this.atOnce) return this.atOnce;
    return Math.min(this.most, Math.max(this.atOnce, last.bytes.length * 2));
  }
}
