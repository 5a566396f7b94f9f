/** A clock that tests own, and clients that keep a number of requests under way. */
import type { Clock, Direction, ThrottleMember } from '../src/index.js';

/** Stands still until `run` is called. */
export class TestClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  timer(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.ceil(ms * 1e6), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Goes on to `end` nanoseconds; after each timer everything that waited for a promise runs. */
  async run(end: number): Promise<void> {
    await settle();
    for (;;) {
      const next = [...this.#timers].reduce<{ at: number; callback: () => void } | undefined>(
        (first, timer) => (first === undefined || timer.at < first.at ? timer : first),
        undefined,
      );
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await settle();
    }
    this.#now = Math.max(this.#now, end);
  }
}

/** Lets all promises that are settled already have their say. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface Load {
  /** Requests under way at a time. */
  readonly depth: number;
  next(): { readonly direction: Direction; readonly bytes: number };
}

export interface Done {
  requests: number;
  read: number;
  written: number;
}

export const SECOND = 1e9;

/** Keeps a member busy until the clock says `end`. The counts grow as requests go. */
export function start(member: ThrottleMember, clock: Clock, end: number, load: Load): Done {
  const done: Done = { requests: 0, read: 0, written: 0 };
  const client = async (): Promise<void> => {
    while (clock.now() < end) {
      const { direction, bytes } = load.next();
      if (!member.admit(direction, bytes)) await member.wait(direction, bytes);
      if (clock.now() >= end) return;
      done.requests++;
      if (direction === 'read') done.read += bytes;
      else done.written += bytes;
      // A request takes a while, if only a turn: others get theirs.
      await Promise.resolve();
    }
  };
  for (let at = 0; at < load.depth; at++) void client();
  return done;
}
