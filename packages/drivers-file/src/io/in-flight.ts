/** Counts what is under way in threads and rings, so that closing can wait for it. */
export class InFlight {
  #count = 0;
  readonly #waiting: (() => void)[] = [];

  /** Something was begun; `end` is called once for it. */
  begin(): void {
    this.#count++;
  }

  end(): void {
    if (--this.#count > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Hands `work` through, counted until it settles. */
  track<T>(work: Promise<T>): Promise<T> {
    this.#count++;
    return work.finally(() => { this.end(); });
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#count === 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#waiting.push(resolve);
        });
  }
}
