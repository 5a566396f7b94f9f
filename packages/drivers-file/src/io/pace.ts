/**
 * Decides whether calls that may block are made on the event loop or in the thread pool.
 *
 * A stream starts in the pool. When a row of calls came back quickly it moves to the event loop, where a call costs a
 * tenth; one slow call, or a slow average, moves it back for a while, longer each time. So a slow device is found out at
 * the pool's expense, and a device that turns slow stalls the loop once, not again and again.
 */

/** All times in nanoseconds. Each grows with the length of the transfer, by `perByte`. */
export interface PaceLimits {
  /** A call in the pool is quick below this; it includes waiting for a thread. */
  readonly quick: number;
  /** Calls on the event loop may take this on average. */
  readonly average: number;
  /** One call that takes longer than this sends the stream back at once: half of what a client may notice. */
  readonly stall: number;
  readonly perByte: number;
}

/** For the page cache, which serves 4 KiB in 2 µs. */
export const CACHED: PaceLimits = { quick: 2e6, average: 1e5, stall: 25e6, perByte: 4 };
/** For devices without the page cache in front: waiting for a fast one is cheaper than a thread. */
export const DIRECT: PaceLimits = { quick: 2e6, average: 1e6, stall: 25e6, perByte: 4 };

const QUICK_IN_A_ROW = 8;
const FIRST_PENALTY = 2e7;
const LAST_PENALTY = 1e10;
const SLOW_PENALTY = 1e9;
/** Weight of the newest call in the average. */
const WEIGHT = 1 / 16;
/**
 * The most that one call counts for in the average, in averages allowed. On a busy machine a call now and then takes as long
 * as another process has the processor; one such call says nothing, a handful in a row do.
 */
const MOST = 4;

export class Pace {
  #onLoop = false;
  #quick = 0;
  #average = 0;
  #back = 0;
  #penalty = FIRST_PENALTY;

  constructor(private readonly limits: PaceLimits) {}

  /** Whether the next call may be made on the event loop. */
  get onLoop(): boolean {
    return this.#onLoop;
  }

  /** A call on the event loop moved `bytes` from `before` to `after`. */
  ran(before: number, after: number, bytes: number): void {
    const { average, stall, perByte } = this.limits;
    const extra = after - before - bytes * perByte;
    this.#average += (Math.min(Math.max(0, extra), MOST * average) - this.#average) * WEIGHT;
    if (extra <= stall && this.#average <= average) return;
    this.#onLoop = false;
    this.#quick = 0;
    // A stream that behaved for long is not punished for what it did before.
    if (after - this.#back > 10 * this.#penalty) this.#penalty = FIRST_PENALTY;
    this.#back = after + this.#penalty;
    this.#penalty = Math.min(2 * this.#penalty, LAST_PENALTY);
  }

  /** A call in the pool did. */
  pooled(before: number, after: number, bytes: number): void {
    const took = after - before - bytes * this.limits.perByte;
    if (took > this.limits.quick) {
      this.#quick = 0;
      // Such a call on the event loop would have been noticed: cached ones in between are no reason to try.
      if (took > this.limits.stall) this.#back = Math.max(this.#back, after + SLOW_PENALTY);
      return;
    }
    if (++this.#quick < QUICK_IN_A_ROW || after < this.#back) return;
    this.#onLoop = true;
    this.#average = 0;
  }
}
