/**
 * The copying itself: pieces that stay in the CPU's cache are read, looked through for zeroes and written.
 *
 * One lane does all the work as long as every request completes at once; the next lane starts only when one has to wait.
 * What the page cache serves is thus copied at the speed of memory, and a slow disk gets its requests in flight. Long pieces
 * of files are read in the thread pool (see drivers-file): a few lanes then read while one writes.
 */
import {
  isPromise, repeat, zeroRun, WriteFlag, type Backend, type BufferPool, type Completion,
} from '@blk/core-graph';
import { errnoText } from '../failure.js';
import { nextTurn, Pace, type Progress } from '../pause.js';
import type { Plan } from './plan.js';
import { Requests, type Request } from './requests.js';
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
  /** Short ranges are copied together: the target puts what is written one behind the other. */
  readonly together: boolean;
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

/** One reads while another writes, and a third is at hand when either is done. */
const CACHED_LANES = 3;
/** Milliseconds after which a wait is one for a device. */
const LONG_WAIT = 2;

export async function copy(options: CopyOptions): Promise<void> {
  await new Copier(options).run();
}

class Copier {
  readonly #pace: Pace;
  readonly #lanes = new Set<Promise<void>>();
  readonly #turns = new Map<number, () => void>();
  readonly #requests: Requests;
  #turn = 0;
  /** Bytes copied. */
  #done = 0;
  /** How far on the disk we are, copied or not. */
  #gone = 0;
  #failure: { readonly error: unknown } | undefined;
  readonly #began = performance.now();

  constructor(private readonly options: CopyOptions) {
    this.#pace = new Pace(options.signal);
    this.#requests = new Requests(options);
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
        const next = this.#requests.next();
        const request = isPromise(next) ? await next : next;
        if (request === undefined) return;
        const done = this.#perform(request, buffer);
        if (done !== undefined) await done;
        this.#report(request);
        if (request.action === 'data' && this.options.rateLimit > 0) await this.#slowDown();
      }
    } finally {
      pool.give(buffer);
    }
  }

  #report({ action, ranges }: Request): void {
    const { progress, total } = this.options;
    const last = ranges[ranges.length - 1];
    this.#gone = Math.max(this.#gone, last.offset + last.length);
    if (action === 'data') for (const { length } of ranges) this.#done += length;
    if (progress?.rough === true) progress(this.#gone, total);
    else if (action === 'data') progress?.(this.#done, total);
  }

  /** Reads where there is something to read, then writes, in turn. */
  #perform(request: Request, buffer: Uint8Array): Completion {
    if (request.action !== 'data') return this.#inTurn(request, buffer);
    const read = this.#forEach(request, (offset, at, length) => this.#read(offset, buffer, at, length));
    return read === undefined ? this.#inTurn(request, buffer) : read.then(() => this.#inTurn(request, buffer));
  }

  /** All ranges of a request at once; they lie one behind the other in the buffer. Over when all are, also after an error. */
  #forEach({ ranges }: Request, work: (offset: number, at: number, length: number) => Completion): Completion {
    if (ranges.length === 1) return work(ranges[0].offset, 0, ranges[0].length);
    const pending: Promise<void>[] = [];
    let at = 0;
    for (const { offset, length } of ranges) {
      try {
        const done = work(offset, at, length);
        if (done !== undefined) pending.push(done);
      } catch (error) {
        pending.push(Promise.reject(asError(error)));
        break;
      }
      at += length;
    }
    return pending.length === 0 ? undefined : settled(pending);
  }

  #read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const explain = (error: unknown): never => {
      throw errnoText(error, `error while reading at byte ${offset}`);
    };
    try {
      const read = this.options.sources.read(offset, buffer, start, length);
      return read === undefined ? undefined : this.#waiting(read).catch(explain);
    } catch (error) {
      return explain(error);
    }
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
    let done: Completion = undefined;
    if (request.action === 'data') done = this.#forEach(request, (offset, at, length) => this.#store(offset, buffer, at, length));
    else if (request.action === 'zero' && !this.options.zeroed) done = this.#writeZeroes(request.ranges[0].offset, request.ranges[0].length);
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
  #store(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { granularity, zeroed } = this.options;
    if (granularity === 0) return this.#write(offset, buffer, start, length);
    const end = start + length;
    let at = start;
    return repeat(() => {
      if (at >= end) return false;
      const { length: run, zero } = zeroRun(buffer, at, end, granularity);
      const from = at;
      at += run;
      if (!zero) return this.#write(offset + from - start, buffer, from, run);
      return zeroed ? undefined : this.#writeZeroes(offset + from - start, run);
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
    if (this.#lanes.size >= this.options.lanes || this.#requests.ended) return done;
    let waits = true;
    const short = this.#lanes.size < CACHED_LANES;
    // The several waits of one request are told one by one, and must not start more lanes than one wait would.
    const most = Math.min(this.options.lanes, short ? CACHED_LANES : Infinity);
    const goOn = (): void => {
      if (waits && this.#lanes.size < most && !this.#requests.ended && this.#failure === undefined) this.#start();
    };
    const timer = short ? undefined : setTimeout(goOn, LONG_WAIT);
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
    if (ahead > 1) await sleep(ahead, this.options.signal);
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Over when all are; fails as the first one did. */
async function settled(pending: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(pending)) if (result.status === 'rejected') throw result.reason;
}

/** Ends early, without an error, when the signal is raised: whoever goes on then finds out. */
function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, signal?.aborted === true ? 0 : ms);
    signal?.addEventListener('abort', end);
  });
}

function notWritten(error: unknown, offset: number): unknown {
  return errnoText(error, `error while writing at byte ${offset}`);
}
