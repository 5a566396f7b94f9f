/** Clocks by which rates are limited: the platform's, and one that stands still until somebody advances it. */

/** Tells the time and calls back. */
export interface Clock {
  /** Nanoseconds; never goes back. */
  now(): number;
  /** Calls back after `ms` milliseconds, which may have a fraction; the returned function takes the request back. */
  timer(ms: number, callback: () => void): () => void;
}

interface Timer {
  readonly deadline: number;
  readonly callback: () => void;
}

/** A clock that stands still, for tests and for whoever drives a server as QEMU's `-qtest` does. */
export class ManualClock implements Clock {
  #now = 0;
  /** By deadline; those of one deadline in the order in which they were asked for. */
  readonly #timers: Timer[] = [];

  now(): number {
    return this.#now;
  }

  /** Timers that have been asked for and have neither run nor been taken back. */
  get pending(): number {
    return this.#timers.length;
  }

  /** When the next timer runs, in nanoseconds; undefined where there is none. */
  get deadline(): number | undefined {
    return this.#timers[0]?.deadline;
  }

  timer(ms: number, callback: () => void): () => void {
    const timer: Timer = { deadline: this.#now + Math.max(0, Math.ceil(ms * 1e6)), callback };
    const after = this.#timers.findIndex(({ deadline }) => deadline > timer.deadline);
    this.#timers.splice(after < 0 ? this.#timers.length : after, 0, timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  /** Goes forward to `time` nanoseconds; on the way each timer runs at its own time. An earlier time changes nothing. */
  advanceTo(time: number): void {
    for (let next = this.#timers[0] as Timer | undefined; next !== undefined && next.deadline <= time; next = this.#timers[0]) {
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.deadline);
      next.callback();
    }
    this.#now = Math.max(this.#now, time);
  }

  /** Goes forward by `nanoseconds`; see `advanceTo`. */
  advance(nanoseconds: number): void {
    this.advanceTo(this.#now + nanoseconds);
  }
}

/** Resolves after so many milliseconds, or when `signal` fires. */
export function wait(clock: Pick<Clock, 'timer'>, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.timer(ms, done);
    const forget = whenAborted(signal, done);
    function done(): void {
      forget();
      cancel();
      resolve();
    }
    if (signal.aborted) done();
  });
}

/** Those who wait for a signal: one listener for all, as Node warns of a leak where there are more than ten. */
class Waiting {
  readonly #callbacks = new Set<() => void>();

  constructor(private readonly signal: AbortSignal) {
    signal.addEventListener('abort', this.#tell);
  }

  add(callback: () => void): void {
    this.#callbacks.add(callback);
  }

  /** The last one takes the listener along. */
  delete(callback: () => void): void {
    this.#callbacks.delete(callback);
    if (this.#callbacks.size > 0) return;
    this.signal.removeEventListener('abort', this.#tell);
    all.delete(this.signal);
  }

  readonly #tell = (): void => {
    for (const callback of [...this.#callbacks]) callback();
  };
}

const all = new WeakMap<AbortSignal, Waiting>();

/** Calls back once `signal` fires; the returned function takes the request back. */
function whenAborted(signal: AbortSignal, callback: () => void): () => void {
  const waiting = all.get(signal) ?? new Waiting(signal);
  all.set(signal, waiting);
  waiting.add(callback);
  return () => { waiting.delete(callback); };
}
