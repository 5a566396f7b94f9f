/** Finds the holes of a file. */
import { dataExtent, zeroExtent, type Extent, type MaybePromise } from '@blk/core-graph';
import { Errno, type Native } from './native/native.js';

/** A search that took longer, in nanoseconds, sends the next ones to a thread. */
const SLOW = 5e6;

export class HoleFinder {
  /** The data extent found last: whoever walks through a file asks in sequence, and finding its end can be dear. */
  #from = 0;
  #to = 0;
  /** Where the hole found last ended: data begins there, so that only its end is left to be found. */
  #data = -1;
  #slow = false;

  constructor(
    private readonly fd: number,
    private readonly native: Pick<Native, 'seek' | 'seekLater'>,
    private readonly now: () => number,
  ) {}

  /** To be called when data may have turned into a hole. Writes never do that, and holes are not remembered. */
  forget(): void {
    this.#to = 0;
    this.#data = -1;
  }

  /** The extent at `offset`, at most `length` long; the range lies inside the file. */
  at(offset: number, length: number): MaybePromise<Extent> {
    if (offset >= this.#from && offset < this.#to) return dataExtent(Math.min(length, this.#to - offset), offset);
    if (this.#slow) return this.#later(offset, length);
    const before = this.now();
    const data = offset === this.#data ? offset : this.native.seek(this.fd, offset, 'data');
    const hole = data === offset ? this.native.seek(this.fd, offset, 'hole') : 0;
    this.#slow = this.now() - before > SLOW;
    return this.#extent(offset, length, data, hole);
  }

  async #later(offset: number, length: number): Promise<Extent> {
    const before = this.now();
    const data = await this.native.seekLater(this.fd, offset, 'data');
    const hole = data === offset ? await this.native.seekLater(this.fd, offset, 'hole') : 0;
    // One slow search may have been another process's fault: threads are for those who stay slow.
    this.#slow = this.now() - before > SLOW;
    return this.#extent(offset, length, data, hole);
  }

  /** What follows from where the next data and the next hole begin. */
  #extent(offset: number, length: number, data: number, hole: number): Extent {
    if (data === Errno.ENXIO) return zeroExtent(length, offset);
    this.#data = data > offset ? data : -1;
    if (data > offset) return zeroExtent(Math.min(length, data - offset), offset);
    // An error of a file system that does not know holes; or one that changed between the two calls.
    if (data < 0 || hole <= offset) return dataExtent(length, offset);
    this.#from = offset;
    this.#to = hole;
    return dataExtent(Math.min(length, hole - offset), offset);
  }
}
