/** A tap that lets requests complete later, in a random but repeatable order, and half done in between. */
import type { Completion } from '@blk/core-graph';
import { prng, type Prng } from '@blk/oracle';
import type { DiskTap } from './memory-disk.js';

export interface SlowOptions {
  /** Share of requests that still complete at once, 0 to 1; 0.25 unless given, so that both paths are met. */
  readonly immediate?: number;
  /** Whether requests rest when half done, so that overlapping ones tear each other; true unless given. */
  readonly tearing?: boolean;
}

/** Requests complete in an order that the seed decides. Nothing waits on a clock. */
export function slow(seed: number, options: SlowOptions = {}): Slow {
  return new Slow(prng(seed), options);
}

export class Slow implements DiskTap {
  readonly before: () => Completion;
  readonly during?: () => Completion;
  readonly #random: Prng;
  readonly #waiting: (() => void)[] = [];
  #ticking = false;

  constructor(random: Prng, { immediate = 0.25, tearing = true }: SlowOptions) {
    this.#random = random;
    const rest = (): Completion => {
      if (this.#random.next() / 2 ** 32 < immediate) return;
      return new Promise((resolve) => {
        this.#waiting.push(resolve);
        this.#tick();
      });
    };
    this.before = rest;
    if (tearing) this.during = rest;
  }

  /** Requests that wait now. */
  get waiting(): number {
    return this.#waiting.length;
  }

  #tick(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    setImmediate(() => {
      this.#ticking = false;
      const [wake] = this.#waiting.splice(this.#random.below(this.#waiting.length), 1);
      wake?.();
      if (this.#waiting.length > 0) this.#tick();
    });
  }
}
