/** Which places of a file are taken: grains of one length, mostly at multiples of it from some place on, and what is not for grains. */
import { Bits } from '@blk/cluster-map';

/** In bytes of the file, the end not included. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Grains that lie elsewhere than at multiples of their length from the first one; of more of them nothing is said. */
const MOST_ODD = 1 << 18;

export class Claims {
  readonly #starts: Bits | undefined;
  readonly #units: number;
  #reserved: readonly Range[] = [];
  /** Where grains lie from a multiple of their length on, by the first one. */
  #phase = -1;
  /** Grains that lie otherwise, by the number of the unit in which they begin. */
  readonly #odd = new Map<number, number>();
  /** Grains that could not be remembered. */
  lost = 0;

  constructor(
    fileSize: number,
    private readonly unit: number,
    limit: number,
  ) {
    this.#units = Math.ceil(fileSize / unit);
    if (this.#units / 8 <= limit) this.#starts = new Bits(this.#units);
  }

  /** False where some of them overlap. */
  reserve(ranges: readonly Range[]): boolean {
    const merged: { start: number; end: number }[] = [];
    let apart = true;
    for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
      const last = merged.at(-1);
      if (last !== undefined && start < last.end) apart = false;
      if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
      else merged.push({ start, end });
    }
    this.#reserved = merged;
    return apart;
  }

  overReserved(place: number, length: number): boolean {
    let low = 0;
    let high = this.#reserved.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#reserved[middle].end <= place) low = middle + 1;
      else high = middle;
    }
    return low < this.#reserved.length && this.#reserved[low].start < place + length;
  }

  /** False where another grain begins less than a grain's length away, in the same unit of the file. */
  claim(place: number): boolean {
    const { unit } = this;
    if (this.#starts === undefined) {
      this.lost++;
      return true;
    }
    const at = Math.floor(place / unit);
    if (this.#starts.has(at)) return false;
    this.#starts.add(at);
    if (this.#phase < 0) this.#phase = place % unit;
    if (place % unit === this.#phase) return true;
    if (this.#odd.size < MOST_ODD) this.#odd.set(at, place);
    else this.lost++;
    return true;
  }

  /** Whether a grain begins in the same unit of the file. */
  isTaken(place: number): boolean {
    return this.#starts?.has(Math.floor(place / this.unit)) === true;
  }

  /** Grains that reach into the next one, which begins in another unit. */
  *crossing(): Iterable<number> {
    const { unit } = this;
    // Where some are not known, nothing can be said of any.
    if (this.lost > 0) return;
    for (const [at, place] of this.#odd) {
      const before = this.#startIn(at - 1);
      const after = this.#startIn(at + 1);
      if (before !== undefined && place - before < unit) yield place;
      // Two odd ones are told once, as the second of them.
      if (after !== undefined && !this.#odd.has(at + 1) && after - place < unit) yield after;
    }
  }

  #startIn(at: number): number | undefined {
    if (at < 0 || at >= this.#units || this.#starts?.has(at) !== true) return undefined;
    return this.#odd.get(at) ?? at * this.unit + this.#phase;
  }
}
