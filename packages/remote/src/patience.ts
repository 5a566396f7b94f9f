/** How often something that failed is tried again, and how long until then. Bounded, unless there is real progress. */
import { BlockError, wait, type BlockErrorKind, type Host } from '@blk/core-graph';

export interface PatienceOptions {
  readonly host: Pick<Host, 'timer'>;
  /** Ends all waiting: what it throws then is the signal's reason. */
  readonly signal: AbortSignal;
  /** Attempts in a row that may fail; 5 unless given. */
  readonly attempts?: number;
}

/** Milliseconds before the second attempt, the third, and so on: a connection that had gone stale is replaced at once. */
const PAUSES = [0, 100, 400, 1600, 3200];
const ATTEMPTS = 5;

/** After so many bytes an attempt was no failure: what happens next is counted from the beginning. */
const REAL_PROGRESS = 64 * 1024;

/** Kinds that another attempt may make good. */
const TRANSIENT: ReadonlySet<BlockErrorKind> = new Set(['io', 'timeout', 'busy']);

export class Patience {
  #failed = 0;

  constructor(private readonly options: PatienceOptions) {}

  /**
   * Told of an attempt that ended with `error` after `gained` bytes: resolves when it is time for the next one; throws `error` where
   * there is to be none.
   */
  async again(error: unknown, gained = 0): Promise<void> {
    const { host, signal, attempts = ATTEMPTS } = this.options;
    signal.throwIfAborted();
    if (!(error instanceof BlockError) || !TRANSIENT.has(error.kind)) throw error;
    if (gained >= REAL_PROGRESS) this.#failed = 0;
    this.#failed++;
    if (this.#failed >= attempts) throw error;
    const pause = PAUSES[Math.min(this.#failed, PAUSES.length) - 1];
    if (pause > 0) await wait(host, pause, signal);
    signal.throwIfAborted();
  }
}
