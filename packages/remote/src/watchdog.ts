/** The end of transfers that do not get on: silence, and a trickle that would last for ever. */
import { BlockError, type Host } from '@blk/core-graph';

export interface WatchdogOptions {
  readonly host: Pick<Host, 'timer'>;
  readonly driver: string;
  /** Milliseconds of one period; 0: it never barks. */
  readonly timeout: number;
  /** Fires when the transfer is to end for other reasons. */
  readonly signal: AbortSignal;
}

/** Bytes a second below which a transfer counts as dead. */
export const LEAST_SPEED = 1024;

export class Watchdog {
  readonly #abort = new AbortController();
  readonly #forward: () => void;
  #cancel: () => void = () => undefined;
  #gained = 0;
  #any = false;

  /** Begins at once. `done` has to be called when the transfer is over, however it ended. */
  constructor(private readonly options: WatchdogOptions) {
    const { signal } = options;
    this.#forward = () => { this.#abort.abort(signal.reason); };
    if (signal.aborted) this.#forward();
    else signal.addEventListener('abort', this.#forward, { once: true });
    this.#arm();
  }

  /** Fires when time is up, or with the signal of the options; its reason is the error to report. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Told of every piece that arrives. */
  progress(bytes: number): void {
    this.#gained += bytes;
    this.#any = true;
  }

  done(): void {
    this.#cancel();
    this.options.signal.removeEventListener('abort', this.#forward);
  }

  #arm(): void {
    const { host, timeout } = this.options;
    if (timeout === 0 || this.#abort.signal.aborted) return;
    // Timers are due before what the network has brought meanwhile: it is looked at once more before judging.
    this.#cancel = host.timer(timeout, () => { this.#cancel = host.timer(0, () => { this.#judge(); }); });
  }

  #judge(): void {
    const seconds = this.options.timeout / 1000;
    if (this.#gained >= LEAST_SPEED * seconds) {
      this.#gained = 0;
      this.#arm();
      return;
    }
    const what = this.#any ? `only ${this.#gained} bytes within ${seconds} s` : `no answer within ${seconds} s`;
    this.#abort.abort(new BlockError('timeout', `The server is too slow: ${what}`, { driver: this.options.driver }));
  }
}
