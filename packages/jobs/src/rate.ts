/** A speed limit as a debt of bytes: what was done has to be paid off before the next piece may begin. */

/** Nanoseconds of speed that a late timer may leave unused, and have made up for. */
const CREDIT = 1e8;

export class Rate {
  #debt = 0;
  #at: number;
  #speed = 0;

  /** `now`: nanoseconds on a clock that never goes back. */
  constructor(private readonly now: () => number) {
    this.#at = now();
  }

  /** Bytes a second; 0: no limit. */
  get speed(): number {
    return this.#speed;
  }

  /** What was done so far is paid off at the old speed. */
  set speed(speed: number) {
    this.#settle();
    this.#speed = speed;
    if (speed === 0) this.#debt = 0;
  }

  /** Counts bytes that are about to be copied. */
  spend(bytes: number): void {
    if (this.#speed === 0) return;
    this.#settle();
    this.#debt += bytes;
  }

  /** Milliseconds until the next piece may begin; 0: now. */
  wait(): number {
    if (this.#speed === 0) return 0;
    this.#settle();
    return Math.max(0, (this.#debt / this.#speed) * 1000);
  }

  #settle(): void {
    const now = this.now();
    this.#debt = Math.max(this.#debt - ((now - this.#at) * this.#speed) / 1e9, (-this.#speed * CREDIT) / 1e9);
    this.#at = now;
  }
}
