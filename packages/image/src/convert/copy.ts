/**
 * The copying itself: pieces that stay in the CPU's cache are read, looked through for zeroes and written.
 *
 * One lane does all the work as long as every request completes at once; the next lane starts only when one has to wait.
 * What the page cache serves is thus copied at the speed of memory, and a slow disk gets its requests in flight. Long pieces
 * of files are read in the thread pool (see drivers-file): a few lanes then read while one writes.
 */
import {
  isPromise, repeat, zeroRun, WriteFlag, type Backend, type BufferPool, type Completion, type MaybePromise,
} from '@blk/core-graph';
import { errnoText } from '../failure.js';
import { nextTurn, Pace, type Progress } from '../pause.js';
import type { Plan, Segment } from './plan.js';
import type { Sources } from './sources.js';

export interface CopyOptions {
  readonly sources: Pick<Sources, 'read'>;
  readonly plan: Pick<Plan, 'next'>;
  readonly target: Backend;
  readonly pool: BufferPool;
  /** Bytes of one request; a multiple of the granularity. */
  readonly piece: number;
  /** Runs of zeroes are looked for in steps of so many bytes; 0: not at all. */
  readonly granularity: number;
  /** What is not written reads as zeroes. */
  readonly zeroed: boolean;
  readonly compress: boolean;
  /** Most requests under way. */
  readonly lanes: number;
  /** Writes begin in the order of their offsets, one after the other. */
  readonly inOrder: boolean;
  /** Bytes a second; 0: as fast as can be. */
  readonly rateLimit: number;
  /** Bytes to copy, for `progress`. */
  readonly total: number;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Request extends Segment {
  readonly number: number;
}

/** One reads while another writes, and a third is at hand when either is done. */
const CACHED_LANES = 3;
/** Milliseconds after which a wait is one for a device. */
const LONG_WAIT = 2;
/** Longest range that is zeroed at once. */
const ZERO_PIECE = 1024 * 1024 * 1024;

export async function copy(options: CopyOptions): Promise<void> {
  await new Copier(options).run();
}

class Copier {
  readonly #pace: Pace;
  readonly #lanes = new Set<Promise<void>>();
  readonly #turns = new Map<number, () => void>();
  #segment: Segment | undefined;
  #fetching: Promise<void> | undefined;
  #requests = 0;
  #turn = 0;
  #done = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  readonly #began = performance.now();

  constructor(private readonly options: CopyOptions) {
    this.#pace = new Pace(options.signal);
  }

  async run(): Promise<void> {
    this.options.progress?.(0, this.options.total);
    this.#start();
    while (this.#lanes.size > 0) await Promise.all(this.#lanes);
    if (this.#failure) throw this.#failure.error;
    this.options.progress?.(this.options.total, this.options.total);
  }

  #start(): void {
    const lane = this.#lane()
      .catch((error: unknown) => {
        this.#failure ??= { error };
        this.#wakeAll();
      })
      .finally(() => this.#lanes.delete(lane));
    this.#lanes.add(lane);
  }

  async #lane(): Promise<void> {
    const { pool, piece } = this.options;
    const buffer = pool.take(piece);
    try {
      while (this.#failure === undefined) {
        if (this.#pace.due()) await this.#pace.pause();
        const next = this.#slice() ?? this.#fetch();
        const request = isPromise(next) ? await next : next;
        if (request === undefined) return;
        const done = this.#perform(request, buffer);
        if (done !== undefined) await done;
        if (request.action === 'data') {
          this.#done += request.length;
          this.options.progress?.(this.#done, this.options.total);
          if (this.options.rateLimit > 0) await this.#slowDown();
        }
      }
    } finally {
      pool.give(buffer);
    }
  }

  /** The next piece of the segment at hand. */
  #slice(): Request | undefined {
    const segment = this.#segment;
    if (segment === undefined) return undefined;
    const { piece } = this.options;
    const most = segment.action === 'data' ? piece - (segment.offset % piece) : ZERO_PIECE;
    const length = Math.min(most, segment.length);
    const rest = segment.length - length;
    this.#segment = rest === 0 ? undefined : { ...segment, offset: segment.offset + length, length: rest };
    return { ...segment, length, number: this.#requests++ };
  }

  #fetch(): MaybePromise<Request | undefined> {
    // One lane asks at a time; the others take what it was told.
    while (this.#fetching === undefined && !this.#ended) {
      const fetching = this.#advance();
      if (fetching !== undefined) {
        this.#fetching = fetching;
        break;
      }
      const request = this.#slice();
      if (request !== undefined) return request;
    }
    return this.#fetching?.then(() => this.#slice() ?? this.#fetch());
  }

  /** Asks the plan for the next segment. */
  #advance(): Completion {
    const take = (segment: Segment | undefined): void => {
      this.#segment = segment;
      this.#ended = segment === undefined;
      this.#fetching = undefined;
    };
    const explain = (error: unknown): never => {
      this.#fetching = undefined;
      throw errnoText(error, 'error while reading block status');
    };
    try {
      const segment = this.options.plan.next();
      if (isPromise(segment)) return segment.then(take).catch(explain);
      take(segment);
      return undefined;
    } catch (error) {
      return explain(error);
    }
  }

  /** Reads where there is something to read, then writes, in turn. */
  #perform(request: Request, buffer: Uint8Array): Completion {
    if (request.action !== 'data') return this.#inTurn(request, buffer);
    const { offset, length } = request;
    const explain = (error: unknown): never => {
      throw errnoText(error, `error while reading at byte ${offset}`);
    };
    let read: Completion;
    try {
      read = this.options.sources.read(offset, buffer, 0, length);
    } catch (error) {
      return explain(error);
    }
    return read === undefined ? this.#inTurn(request, buffer) : this.#waiting(read).then(() => this.#inTurn(request, buffer), explain);
  }

  #inTurn(request: Request, buffer: Uint8Array): Completion {
    if (!this.options.inOrder || this.#turn === request.number) return this.#inOwnTurn(request, buffer);
    // A lane that comes here after a failure would wait for a turn that nobody gives any more.
    if (this.#failure !== undefined) return;
    return this.#waiting(new Promise<void>((resolve) => this.#turns.set(request.number, resolve))).then(() =>
      this.#failure === undefined ? this.#inOwnTurn(request, buffer) : undefined,
    );
  }

  #inOwnTurn(request: Request, buffer: Uint8Array): Completion {
    const { action, offset, length } = request;
    let done: Completion = undefined;
    if (action === 'data') done = this.#store(offset, buffer, length);
    else if (action === 'zero' && !this.options.zeroed) done = this.#writeZeroes(offset, length);
    if (done !== undefined) return done.then(() => { this.#passTurn(request.number); });
    this.#passTurn(request.number);
  }

  #passTurn(number: number): void {
    if (!this.options.inOrder) return;
    this.#turn = number + 1;
    const next = this.#turns.get(this.#turn);
    this.#turns.delete(this.#turn);
    next?.();
  }

  /** Writes the parts of a piece that are not zero; the others too, where the target does not read as zeroes already. */
  #store(offset: number, buffer: Uint8Array, length: number): Completion {
    const { granularity, zeroed } = this.options;
    if (granularity === 0) return this.#write(offset, buffer, 0, length);
    let at = 0;
    return repeat(() => {
      if (at >= length) return false;
      const { length: run, zero } = zeroRun(buffer, at, length, granularity);
      const start = at;
      at += run;
      if (!zero) return this.#write(offset + start, buffer, start, run);
      return zeroed ? undefined : this.#writeZeroes(offset + start, run);
    });
  }

  #write(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { target, compress } = this.options;
    try {
      const done = target.write(offset, buffer, start, length, compress ? WriteFlag.Compressed : 0);
      return done === undefined ? undefined : this.#written(done, offset);
    } catch (error) {
      throw notWritten(error, offset);
    }
  }

  #writeZeroes(offset: number, length: number): Completion {
    try {
      const done = this.options.target.writeZeroes(offset, length, WriteFlag.MayUnmap);
      return done === undefined ? undefined : this.#written(done, offset);
    } catch (error) {
      throw notWritten(error, offset);
    }
  }

  #written(done: Promise<void>, offset: number): Promise<void> {
    return this.#waiting(done).catch((error: unknown) => {
      throw notWritten(error, offset);
    });
  }

  /**
   * Something has to wait: the next lane may go on meanwhile. Not for a wait that is over in the next turn of the event
   * loop: that only lets others run. Nor do more than `CACHED_LANES` start where waits are short, as they are when the page
   * cache serves them in other threads: further buffers would cost more of the CPU's cache than they bring.
   */
  #waiting(done: Promise<void>): Promise<void> {
    if (this.#lanes.size >= this.options.lanes || this.#ended) return done;
    let waits = true;
    const goOn = (): void => {
      if (waits && this.#lanes.size < this.options.lanes && !this.#ended && this.#failure === undefined) this.#start();
    };
    const timer = this.#lanes.size < CACHED_LANES ? undefined : setTimeout(goOn, LONG_WAIT);
    if (timer === undefined) nextTurn(() => { nextTurn(goOn); });
    const over = (): void => {
      waits = false;
      clearTimeout(timer);
    };
    void done.then(over, over);
    return done;
  }

  #wakeAll(): void {
    for (const wake of this.#turns.values()) wake();
    this.#turns.clear();
  }

  async #slowDown(): Promise<void> {
    const ahead = (this.#done / this.options.rateLimit) * 1000 - (performance.now() - this.#began);
    if (ahead > 1) await new Promise<void>((resolve) => setTimeout(resolve, ahead));
  }
}

function notWritten(error: unknown, offset: number): unknown {
  return errnoText(error, `error while writing at byte ${offset}`);
}
