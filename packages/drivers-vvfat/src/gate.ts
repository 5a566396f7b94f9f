/** Lets requests through side by side, and a commit alone. */

export class Gate {
  #inside = 0;
  #closed = false;
  /** Called when nobody is inside any more. */
  #empty: (() => void) | undefined;
  #waiting: (() => void)[] = [];
  #turn: Promise<void> = Promise.resolve();

  /** Runs `work` as soon as nothing runs alone. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    while (this.#closed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inside++;
    try {
      return await work();
    } finally {
      if (--this.#inside === 0) this.#empty?.();
    }
  }

  /** Runs `work` when everything that is under way is over; what comes meanwhile waits. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => {
      this.#closed = true;
      if (this.#inside > 0) {
        await new Promise<void>((resolve) => {
          this.#empty = resolve;
        });
      }
      this.#empty = undefined;
      try {
        return await work();
      } finally {
        this.#closed = false;
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const go of waiting) go();
      }
    });
    this.#turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}
