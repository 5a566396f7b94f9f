/** Time for tests of what waits: short pauses are over at once, or much sooner; what is longer is over when the test says so. */
import type { Host } from '@blk/core-graph';

/** Milliseconds of the longest pause between two attempts; what is longer is a time-out. */
const LONGEST_PAUSE = 3200;

export class HastyClock {
  /** The pauses that there were, in milliseconds. */
  readonly pauses: number[] = [];
  readonly host: Partial<Host> = {
    timer: (ms, callback) => (ms <= LONGEST_PAUSE ? this.#pause(ms, callback) : this.#wait(callback)),
  };
  readonly #long = new Set<() => void>();

  /** `times`: how much sooner pauses are over; left out: at once. */
  constructor(private readonly times?: number) {}

  /** Time-outs that are running. */
  get running(): number {
    return this.#long.size;
  }

  /** A period is over for all that are running. */
  expire(): void {
    const due = [...this.#long];
    this.#long.clear();
    for (const callback of due) callback();
  }

  #pause(ms: number, callback: () => void): () => void {
    if (ms > 0) this.pauses.push(ms);
    if (this.times === undefined) {
      const immediate = setImmediate(callback);
      return () => { clearImmediate(immediate); };
    }
    const timer = setTimeout(callback, ms / this.times);
    return () => { clearTimeout(timer); };
  }

  #wait(callback: () => void): () => void {
    this.#long.add(callback);
    return () => { this.#long.delete(callback); };
  }
}
