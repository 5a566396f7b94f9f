/**
 * Leaky buckets as meters: what was done fills them, time empties them, and as long as one is over its brim nothing more
 * is allowed. A request is let in whole, whatever its size, and pays afterwards: the next one waits the longer.
 */
import { METERS, type MeterName, type ThrottleLimits } from './limits.js';

export type Direction = 'read' | 'write';

/** How many seconds' worth of a limit may be done at once where no burst is allowed: else only one request at a time would go. */
const SLACK = 0.1;

class Bucket {
  #level = 0;

  /** Units that leak away a second, and units that are allowed at once. */
  constructor(
    private readonly rate: number,
    private readonly brim: number,
  ) {}

  leak(seconds: number): void {
    this.#level = Math.max(0, this.#level - this.rate * seconds);
  }

  add(units: number): void {
    this.#level += units;
  }

  /** Seconds until it is no longer over its brim. */
  get wait(): number {
    return Math.max(0, (this.#level - this.brim) / this.rate);
  }
}

/** The buckets that hold one set of limits. Times are in nanoseconds. */
export class Meter {
  /** Whether reading and writing are limited apart from each other, be it only in part. */
  readonly separate: boolean;
  readonly #bytes: Readonly<Record<Direction, readonly Bucket[]>>;
  readonly #operations: Readonly<Record<Direction, readonly Bucket[]>>;
  readonly #all: readonly Bucket[];
  readonly #operationSize: number;
  #leakedAt: number;

  constructor(limits: ThrottleLimits, now: number) {
    const buckets = new Map(METERS.map((name) => [name, bucketsOf(name, limits)]));
    const of = (...names: MeterName[]): readonly Bucket[] => names.flatMap((name) => buckets.get(name) ?? []);
    this.#bytes = { read: of('bps-total', 'bps-read'), write: of('bps-total', 'bps-write') };
    this.#operations = { read: of('iops-total', 'iops-read'), write: of('iops-total', 'iops-write') };
    this.#all = [...buckets.values()].flat();
    this.separate = of('bps-read', 'bps-write', 'iops-read', 'iops-write').length > 0;
    this.#operationSize = limits['iops-size'] > 0 ? limits['iops-size'] : Infinity;
    this.#leakedAt = now;
  }

  /** Nanoseconds until a request of this direction may go; 0: now. */
  wait(direction: Direction, now: number): number {
    this.#leak(now);
    let seconds = 0;
    for (const bucket of this.#bytes[direction]) seconds = Math.max(seconds, bucket.wait);
    for (const bucket of this.#operations[direction]) seconds = Math.max(seconds, bucket.wait);
    // Less than half a nanosecond is what rounding leaves.
    return seconds < 5e-10 ? 0 : Math.ceil(seconds * 1e9);
  }

  /** Counts a request of `bytes` that goes now. */
  charge(direction: Direction, bytes: number, now: number): void {
    this.#leak(now);
    const operations = Math.max(1, bytes / this.#operationSize);
    for (const bucket of this.#bytes[direction]) bucket.add(bytes);
    for (const bucket of this.#operations[direction]) bucket.add(operations);
  }

  #leak(now: number): void {
    const seconds = (now - this.#leakedAt) / 1e9;
    if (seconds <= 0) return;
    this.#leakedAt = now;
    for (const bucket of this.#all) bucket.leak(seconds);
  }
}

/** Of a limit: none, one, or with bursts of several seconds a second one that holds the burst to its own rate. */
function bucketsOf(name: MeterName, limits: ThrottleLimits): readonly Bucket[] {
  const [rate, burst, seconds] = [limits[name], limits[`${name}-max`], limits[`${name}-max-length`]];
  if (rate === 0) return [];
  if (burst === 0) return [new Bucket(rate, rate * SLACK)];
  const main = new Bucket(rate, burst * seconds);
  return seconds > 1 ? [main, new Bucket(burst, burst * SLACK)] : [main];
}
