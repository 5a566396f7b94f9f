/** Progress for those who iterate: the newest state whenever it has changed since they looked, and nothing kept for those who do not. */
import type { JobProgress } from './events.js';

export class ProgressFeed implements AsyncIterable<JobProgress> {
  #version = 0;
  /** How it ended: what comes later is not told. */
  #last: JobProgress | undefined;
  #waiting = new Set<() => void>();

  constructor(private readonly look: () => JobProgress) {}

  changed(): void {
    this.#version++;
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  end(): void {
    this.#last = this.look();
    this.changed();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<JobProgress, void, undefined> {
    let seen = -1;
    for (;;) {
      if (seen !== this.#version) {
        seen = this.#version;
        yield this.#last ?? this.look();
      } else if (this.#last !== undefined) return;
      else await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }
}
