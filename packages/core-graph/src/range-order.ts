/**
 * The order of requests that overlap, for drivers that keep the same bytes several times: in every copy the same request has to come last, and a
 * read must not see one copy before a write and another one after it.
 */
import type { Completion } from './completion.js';

interface Running {
  readonly offset: number;
  readonly end: number;
  readonly changes: boolean;
  /** Never fails. */
  done: Promise<void>;
}

export class RangeOrder {
  readonly #running = new Set<Running>();

  /** Runs `work`, which `changes` the range or only reads it, after all earlier requests that it must not run beside. */
  run(offset: number, length: number, changes: boolean, work: () => Completion): Completion {
    const end = offset + length;
    const before = this.#running.size === 0 ? [] : [...this.#running].filter((other) => other.offset < end && offset < other.end && (changes || other.changes));
    const done = before.length === 0 ? work() : Promise.all(before.map((other) => other.done)).then(work);
    return done === undefined ? undefined : this.#hold(offset, end, changes, done);
  }

  #hold(offset: number, end: number, changes: boolean, work: Promise<void>): Promise<void> {
    const settle = (): void => {
      this.#running.delete(running);
    };
    const running: Running = { offset, end, changes, done: work.then(settle, settle) };
    this.#running.add(running);
    return work;
  }
}
