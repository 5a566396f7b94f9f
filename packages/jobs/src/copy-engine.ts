/**
 * The copying that all kinds of jobs have in common: pieces of a bounded size, several under way where requests have to wait, each behind
 * the job's gate, with the error policies in force.
 *
 * One lane does all the work as long as every request completes at once; the next one starts when one has to wait. What the page cache
 * serves is thus copied at the speed of memory, and a slow disk gets its requests in flight. A lane owns one buffer, so that memory is
 * bounded by `lanes` times the size of a piece.
 */
import { asBlockError, BlockError, isPromise, strerror, type BufferPool, type Completion, type MaybePromise, type OnError } from '@blk/core-graph';
import type { JobControl } from './body.js';
import { nextTurn } from './next-turn.js';

export interface CopyPiece {
  /** `skip`: nothing to do; it only counts as progress. */
  readonly action: 'data' | 'zero' | 'skip';
  readonly offset: number;
  /** At most the size of a buffer for `data`; any other length else. */
  readonly length: number;
}

export interface CopyWork {
  readonly control: JobControl;
  readonly pool: BufferPool;
  /** Bytes of a lane's buffer. */
  readonly bufferBytes: number;
  /** Most pieces under way. */
  readonly lanes: number;
  readonly readPolicy: OnError;
  readonly writePolicy: OnError;
  /** The next piece; undefined at the end. Asked one at a time; what fails is treated as a failed read. */
  next(): MaybePromise<CopyPiece | undefined>;
  /** Does one piece that is not `skip`; what fails is wrapped by `failing`. Tried again after an error that only stopped the job. */
  copy(piece: CopyPiece, buffer: Uint8Array): Completion;
  /** A piece is done, or given up by an error that is ignored (`lost`). */
  done?(piece: CopyPiece, lost: boolean): void;
}

/** What a piece failed with, and in what: made by `failing`. */
export class OperationError extends Error {
  constructor(
    readonly operation: 'read' | 'write',
    override readonly cause: unknown,
  ) {
    super();
  }
}

/** Runs a request of a piece, and says of what fails in it whether it was reading or writing. */
export function failing<T>(operation: 'read' | 'write', request: () => MaybePromise<T>): MaybePromise<T> {
  let done: MaybePromise<T>;
  try {
    done = request();
  } catch (error) {
    throw new OperationError(operation, error);
  }
  if (!isPromise(done)) return done;
  return done.catch((error: unknown) => {
    throw new OperationError(operation, error);
  });
}

/** Copies everything. Resolves with the first error that a policy ignored, rejects with one that it reported. */
export async function copyPieces(work: CopyWork): Promise<BlockError | undefined> {
  return new Copier(work).run();
}

/** A failed request as a job tells of it: in the system's words, with what the driver said as the cause. */
function asReported(error: unknown): BlockError {
  const { kind, errno, context } = asBlockError(error);
  return new BlockError(kind, strerror(errno), context, error);
}

/** One reads while another writes, and a third is at hand when either is done. */
const CACHED_LANES = 3;
/** Milliseconds after which a wait is one for a device. */
const LONG_WAIT = 2;
/** Milliseconds of work without a turn of the event loop: guests and monitors wait no longer than that. */
const SLICE = 5;

class Copier {
  readonly #lanes = new Set<Promise<void>>();
  /** Counted before a lane runs: its first request may start the next one. */
  #running = 0;
  #asking: Promise<unknown> | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #ignored: BlockError | undefined;
  readonly #clock = performance;
  #sliceBegan = this.#clock.now();

  constructor(private readonly work: CopyWork) {}

  async run(): Promise<BlockError | undefined> {
    this.#start();
    while (this.#lanes.size > 0) await Promise.all(this.#lanes);
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#ignored;
  }

  #start(): void {
    this.#running++;
    const lane: Promise<void> = this.#lane()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#running--;
        this.#lanes.delete(lane);
      });
    this.#lanes.add(lane);
  }

  async #lane(): Promise<void> {
    const { pool, bufferBytes } = this.work;
    const buffer = pool.take(bufferBytes);
    try {
      while (this.#failure === undefined) {
        if (this.#clock.now() - this.#sliceBegan > SLICE) {
          await nextTurn();
          this.#sliceBegan = this.#clock.now();
        }
        const found = this.#next();
        const piece = isPromise(found) ? await found : found;
        if (piece === undefined) return;
        const done = this.#attempt(piece, buffer);
        if (done !== undefined) await done;
      }
    } finally {
      pool.give(buffer);
    }
  }

  /** The plan is asked by one lane at a time, behind the gate: in a drained section it may be about to change. */
  #next(): MaybePromise<CopyPiece | undefined> {
    if (this.#ended) return undefined;
    if (this.#asking !== undefined) return this.#asking.then(() => this.#next());
    const asked = this.#ask();
    if (!isPromise(asked)) return asked;
    const asking = asked.finally(() => (this.#asking = undefined));
    this.#asking = asking.catch(() => undefined);
    return asking;
  }

  #ask(): MaybePromise<CopyPiece | undefined> {
    const { control } = this.work;
    const entered = control.enterUnlimited();
    if (entered !== undefined) return entered.then(() => this.#askInside());
    return this.#askInside();
  }

  #askInside(): MaybePromise<CopyPiece | undefined> {
    const { control } = this.work;
    let found: MaybePromise<CopyPiece | undefined>;
    try {
      found = this.work.next();
    } catch (error) {
      control.leave();
      return this.#askAgain(error);
    }
    if (!isPromise(found)) {
      control.leave();
      this.#ended ||= found === undefined;
      return found;
    }
    return found.then(
      (piece) => {
        control.leave();
        this.#ended ||= piece === undefined;
        return piece;
      },
      (error: unknown) => {
        control.leave();
        return this.#askAgain(error);
      },
    );
  }

  /** What lies where can't be told: there is nothing to go on with, unless the job stops and tries again. */
  async #askAgain(error: unknown): Promise<CopyPiece | undefined> {
    if (this.work.control.handleError('read', error, this.work.readPolicy) !== 'stop') throw asReported(error);
    return this.#ask();
  }

  #attempt(piece: CopyPiece, buffer: Uint8Array): Completion {
    const { control } = this.work;
    if (piece.action === 'skip') return this.#finished(piece, false);
    const entered = control.enter();
    return entered === undefined ? this.#inside(piece, buffer) : entered.then(() => this.#inside(piece, buffer));
  }

  #inside(piece: CopyPiece, buffer: Uint8Array): Completion {
    const { control } = this.work;
    if (piece.action === 'data') control.spend(piece.length);
    let done: Completion;
    try {
      done = this.work.copy(piece, buffer);
    } catch (error) {
      control.leave();
      return this.#failed(error, piece, buffer);
    }
    if (done === undefined) {
      control.leave();
      return this.#finished(piece, false);
    }
    this.#waits(done);
    return done.then(
      () => {
        control.leave();
        this.#finished(piece, false);
      },
      (error: unknown) => {
        control.leave();
        return this.#failed(error, piece, buffer);
      },
    );
  }

  #finished(piece: CopyPiece, lost: boolean): void {
    this.work.done?.(piece, lost);
  }

  #failed(thrown: unknown, piece: CopyPiece, buffer: Uint8Array): Completion {
    if (!(thrown instanceof OperationError)) throw thrown;
    const { operation, cause } = thrown;
    // It ends already, and says so once.
    if (this.#failure !== undefined) throw asReported(cause);
    const policy = operation === 'read' ? this.work.readPolicy : this.work.writePolicy;
    switch (this.work.control.handleError(operation, cause, policy)) {
      case 'report':
        this.#failure = { error: asReported(cause) };
        throw this.#failure.error;
      case 'stop':
        return this.#attempt(piece, buffer);
      case 'ignore':
        this.#ignored ??= asReported(cause);
        this.#finished(piece, true);
    }
  }

  /**
   * A piece has to wait: the next lane may go on meanwhile. Not for a wait that is over in the next turn of the event loop: that only lets
   * others run. Nor do more than `CACHED_LANES` start where waits are short, as they are when the page cache serves them in other
   * threads: further buffers would cost more of the CPU's cache than they bring.
   */
  #waits(done: Promise<void>): void {
    if (!this.#mayStart(this.work.lanes)) return;
    let waits = true;
    const short = this.#running < CACHED_LANES;
    const goOn = (): void => {
      if (waits && this.#mayStart(short ? Math.min(CACHED_LANES, this.work.lanes) : this.work.lanes)) this.#start();
    };
    const timer = short ? undefined : setTimeout(goOn, LONG_WAIT);
    if (timer === undefined) void nextTurn().then(nextTurn).then(goOn);
    const over = (): void => {
      waits = false;
      clearTimeout(timer);
    };
    void done.then(over, over);
  }

  #mayStart(lanes: number): boolean {
    return !this.#ended && this.#failure === undefined && this.#running < lanes;
  }
}
