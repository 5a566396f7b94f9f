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

  /** `atOnce`: bytes of one read, unless a piece is longer. */
  constructor(
    private readonly file: Edge,
    private readonly atOnce: number,
  ) {}

  /** The `length` bytes at `offset`, which must lie within the file. They may be looked at for as long as one likes, and not be changed. */
  read(offset: number, length: number): MaybePromise<Uint8Array> {
    let stretch = this.#stretch;
    if (stretch === undefined || offset < stretch.offset || offset + length > stretch.offset + stretch.bytes.length) {
      stretch = this.#stretch = this.#start(offset, Math.min(Math.max(this.atOnce, length), this.file.size - offset));
    }
    const from = offset - stretch.offset;
    const bytes = stretch.bytes.subarray(from, from + length);
    const { reading } = stretch;
    return isPromise(reading) ? reading.then(() => bytes) : bytes;
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
}
