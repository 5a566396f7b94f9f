/** Notices a server that is there, and does not answer: while requests are under way, something has to move within a time. */
import type { Clock } from '@blk/core-graph';

export interface StallWatchOptions {
  readonly clock: Pick<Clock, 'timer'>;
  /** Milliseconds without movement; up to a quarter more may pass. */
  readonly limit: number;
  /** Requests are under way. */
  readonly busy: () => boolean;
  /** Bytes that have not left yet: fewer of them are movement too, where a long write goes over a slow line. */
  readonly unsent: () => number;
  /** Called once; the watch is over then. */
  readonly stalled: () => void;
}

/** Looks in one time limit. What a late timer has kept from being read is so read between two looks, and does not count as silence. */
const LOOKS = 4;

/** One timer for the whole connection, which runs on from request to request: these only leave a mark. */
export class StallWatch {
  #moved = false;
  #quiet = 0;
  #unsent = 0;
  #cancel: (() => void) | undefined;

  constructor(private readonly options: StallWatchOptions) {}

  /** The first request is under way after none was. */
  begin(): void {
    this.#moved = true;
    if (this.#cancel === undefined) this.#arm();
  }

  /** Bytes have come. */
  moved(): void {
    this.#moved = true;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(): void {
    const { clock, limit } = this.options;
    this.#cancel = clock.timer(limit / LOOKS, () => { this.#look(); });
  }

  #look(): void {
    this.#cancel = undefined;
    const { busy, unsent, stalled } = this.options;
    if (!busy()) return;
    const left = unsent();
    this.#quiet = this.#moved || left < this.#unsent ? 0 : this.#quiet + 1;
    this.#unsent = left;
    this.#moved = false;
    if (this.#quiet === LOOKS) stalled();
    else this.#arm();
  }
}
