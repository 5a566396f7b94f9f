/** Notices a server that is there, and does not answer: while requests are under way, one has to be answered within a time, or enough to move. */
import type { Clock } from '@blk/core-graph';
import { LEAST_SPEED } from './watchdog.js';

export interface StallWatchOptions {
  readonly clock: Pick<Clock, 'timer'>;
  /** Milliseconds without movement; up to a quarter more may pass. */
  readonly limit: number;
  /** Requests are under way. */
  readonly busy: () => boolean;
  /** What is on its way to the server, where that can be told: a long write over a slow line is movement too. */
  readonly sending?: Sending;
  /** Called once; the watch is over then. */
  readonly stalled: () => void;
}

export interface Sending {
  /** Bytes that wait for those before them to leave. */
  waiting(): number;
  /** Bytes that have left so far. */
  left(): number;
}

/** Looks in one time limit. What a late timer has kept from being read is so read between two looks, and does not count as silence. */
const LOOKS = 4;

/** Nothing can be told. */
const NOTHING: Sending = { waiting: () => 0, left: () => 0 };

/** One timer for the whole connection, which runs on from request to request: these only leave a mark. */
export class StallWatch {
  #answered = false;
  /** Bytes since there was enough of them, or an answer. */
  #gained = 0;
  #quiet = 0;
  /** At the last look. */
  #waiting = 0;
  #left = 0;
  #cancel: (() => void) | undefined;
  readonly #sending: Sending;

  constructor(private readonly options: StallWatchOptions) {
    this.#sending = options.sending ?? NOTHING;
  }

  /** The first request is under way after none was. */
  begin(): void {
    this.#answered = true;
    if (this.#cancel === undefined) this.#arm();
  }

  /** The server has answered a request, all of it. */
  answered(): void {
    this.#answered = true;
  }

  /** The server has sent so many bytes. Those of an answer that would last for ever are no movement. */
  moved(bytes: number): void {
    this.#gained += bytes;
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
    const { busy, limit, stalled } = this.options;
    if (!busy()) return;
    const left = this.#sending.left();
    // What need not wait leaves for the system's memory, whether or not anybody is there.
    if (this.#waiting > 0) this.#gained += left - this.#left;
    this.#waiting = this.#sending.waiting();
    this.#left = left;
    const alive = this.#answered || this.#gained >= (LEAST_SPEED * limit) / 1000;
    this.#answered = false;
    if (alive) this.#gained = 0;
    this.#quiet = alive ? 0 : this.#quiet + 1;
    if (this.#quiet === LOOKS) stalled();
    else this.#arm();
  }
}
