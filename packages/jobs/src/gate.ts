/**
 * The gate between a job and its work: pauses, drained sections, cancellation and the speed limit are all waited for here.
 *
 * A piece of work goes in with `enter` and comes out with `leave`. While anybody wants quiet nothing goes in, and whoever wants
 * quiet waits until all that is in has come out.
 */
import type { Clock, Completion } from '@blk/core-graph';
import { Rate } from './rate.js';

/** Thrown out of every wait of a job that was cancelled; never seen outside. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

export class Gate {
  readonly rate: Rate;
  #inside = 0;
  #waiting = 0;
  #closed = 0;
  readonly #abort = new AbortController();
  #sleepers = new Set<() => void>();
  #quiet: (() => void)[] = [];

  constructor(
    private readonly clock: Clock,
    /** Told when all work has come to rest because the gate is closed, and when it goes on. */
    private readonly resting: (rests: boolean) => void,
  ) {
    this.rate = new Rate(() => clock.now());
  }

  get cancelled(): boolean {
    return this.#abort.signal.aborted;
  }
  /** Aborted when the job is cancelled. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }
  /** Nothing is inside, and what comes has to wait. */
  get rests(): boolean {
    return this.#closed > 0 && this.#inside === 0 && this.#waiting > 0;
  }

  /** Nothing is inside, and whoever is to do the work sleeps. */
  get quiescent(): boolean {
    return this.#inside === 0 && this.#sleepers.size > 0;
  }

  close(): void {
    this.#closed++;
    this.wake();
  }

  open(): void {
    if (--this.#closed > 0) return;
    this.wake();
  }

  cancel(): void {
    this.#abort.abort(new Cancelled());
    this.wake();
  }

  /** Lets whoever waits look again. */
  wake(): void {
    const sleepers = [...this.#sleepers];
    this.#sleepers.clear();
    for (const sleeper of sleepers) sleeper();
  }

  /** Goes in as soon as the gate is open and the speed limit allows; throws `Cancelled`. */
  enter(): Completion {
    if (this.rate.wait() === 0) return this.enterUnlimited();
    return this.#enterSlow(true);
  }

  /** As `enter`, whatever the speed limit says: what copies nothing is not limited. */
  enterUnlimited(): Completion {
    if (this.#closed > 0 || this.cancelled) return this.#enterSlow(false);
    this.#inside++;
  }

  leave(): void {
    this.#inside--;
    this.#settled();
  }

  /** Resolves when nothing is inside. */
  async idle(): Promise<void> {
    while (this.#inside > 0) await new Promise<void>((resolve) => this.#quiet.push(resolve));
  }

  /** Resolves when `wake` was called, or after `ms` milliseconds; undefined: only then. */
  sleep(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      let cancelTimer: (() => void) | undefined;
      const end = (): void => {
        cancelTimer?.();
        this.#sleepers.delete(end);
        resolve();
      };
      if (ms !== undefined) cancelTimer = this.clock.timer(ms, end);
      this.#sleepers.add(end);
    });
  }

  async #enterSlow(limited: boolean): Promise<void> {
    for (;;) {
      if (this.cancelled) throw new Cancelled();
      const wait = this.#closed > 0 ? undefined : limited ? this.rate.wait() : 0;
      if (wait === 0) break;
      this.#waiting++;
      this.#settled();
      try {
        await this.sleep(wait);
      } finally {
        this.#waiting--;
      }
    }
    this.#inside++;
    this.resting(false);
  }

  #settled(): void {
    if (this.#inside > 0) return;
    if (this.rests) this.resting(true);
    const quiet = this.#quiet;
    this.#quiet = [];
    for (const wake of quiet) wake();
  }
}
