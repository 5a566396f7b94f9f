/**
 * The copying itself: pieces that stay in the CPU's cache are read, looked through for zeroes and written.
 *
 * One lane does all the work as long as every request completes at once; the next lane starts only when one has to wait.
 * What the page cache serves is thus copied at the speed of memory, and a slow disk gets its requests in flight. Long pieces
 * of files are read in the thread pool (see drivers-file): a few lanes then read while one writes. Where bytes only have to be moved from
 * file to file, another thread does that (`Aside`): two lanes tell it what, and one copies other ranges beside.
 */
import { ASIDE_PIECE, isPromise, type BufferPool, type Completion } from '@blk/core-graph';
import { nextTurn, Pace, type Progress } from '../pause.js';
import { ASIDE_ORDER, LEAST_ASIDE, WORTH_ASIDE, type Aside } from './aside.js';
import type { Plan, Segment } from './plan.js';
import { Requests, type Request } from './requests.js';
import { notRead, notWritten, Transfer, type TransferOptions } from './transfer.js';

export interface CopyOptions extends TransferOptions {
  readonly plan: Pick<Plan, 'next'>;
  readonly pool: BufferPool;
  /** Bytes of one request; a multiple of the granularity. */
  readonly piece: number;
  /** Short ranges are copied together: the target puts what is written one behind the other. */
  readonly together: boolean;
  /** Most requests under way. */
  readonly lanes: number;
  /** Writes begin in the order of their offsets, one after the other. */
  readonly inOrder: boolean;
  /** Bytes a second; 0: as fast as can be. */
  readonly rateLimit: number;
  /** Copies by itself what only has to be moved from file to file. */
  readonly aside?: Aside | undefined;
  /** There is so much that it may begin at once. */
  readonly large?: boolean;
  /** Bytes to copy, for `progress`. */
  readonly total: number;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One reads while another writes, and a third is at hand when either is done. */
const CACHED_LANES = 3;
/** Enough for the thread that copies aside to have its next range before it needs it. */
const ASIDE_LANES = 2;
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
  readonly #transfer: Transfer;
  #inOrder: boolean;
  /** Undefined: copying aside is not possible, or was found not to be. */
  #aside: Aside | undefined;
  /** `works`: it has copied something, and nobody need copy here. */
  #goneAside: 'no' | 'tries' | 'works' = 'no';
  readonly #began = performance.now();

  constructor(private readonly options: CopyOptions) {
    this.#pace = new Pace(options.signal);
    this.#requests = new Requests(options);
    this.#transfer = new Transfer(options, (done) => this.#waiting(done));
    this.#inOrder = options.inOrder;
    this.#aside = options.aside;
  }

  async run(): Promise<void> {
    this.options.progress?.(0, this.options.total);
    do {
      this.#start(() => this.#lane());
      while (this.#lanes.size > 0) await Promise.all(this.#lanes);
      if (this.#failure) throw this.#failure.error;
      // Copying aside may have come to its end when nobody was left here.
    } while (!this.#requests.ended);
    this.options.progress?.(this.options.total, this.options.total);
  }

  #start(work: () => Promise<void>): void {
    const lane = work()
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
    let beside = false;
    try {
      while (this.#failure === undefined && (beside ? this.#aside !== undefined : this.#goneAside !== 'works')) {
        if (this.#pace.due()) await this.#pace.pause();
        const next = this.#requests.next(beside ? ASIDE_ORDER : piece);
        const request = isPromise(next) ? await next : next;
        if (request === undefined) return;
        if (this.#goneAside === 'no' && this.#requests.left >= WORTH_ASIDE && this.options.large) beside = this.#goAside();
        const done = beside ? this.#copyBeside(request, buffer) : this.#perform(request, buffer);
        if (done !== undefined) await done;
        this.#report(request);
        if (request.action === 'data' && this.options.rateLimit > 0) await this.#slowDown();
        // Not for short ranges: they take less time here than to be told of.
        if (this.#done >= WORTH_ASIDE && this.#goneAside === 'no' && request.ranges[0].length === piece) beside = this.#goAside();
      }
    } finally {
      pool.give(buffer);
    }
  }

  /** Files have no order of writing that would matter. Whoever is told `true` goes on beside. */
  #goAside(): boolean {
    const aside = this.#aside;
    if (aside === undefined) return false;
    this.#goneAside = 'tries';
    this.#inOrder = false;
    this.#wakeAll();
    for (let i = Math.min(ASIDE_LANES, this.options.lanes - 1); i > 0; i--) this.#start(() => this.#asideLane(aside));
    return true;
  }

  /** Two that read and write have both processors at work, and the bytes stay with the one that has them. */
  async #copyBeside(request: Request, buffer: Uint8Array): Promise<void> {
    if (request.action !== 'data') {
      const done = this.#perform(request, buffer);
      if (done !== undefined) await done;
      return;
    }
    for (const range of request.ranges) {
      if (this.#aside !== undefined) await this.#copyAside(this.#aside, range, buffer);
      else await this.#copyHere(range.offset, range.length, buffer, this.#pieceBeside);
    }
  }

  async #asideLane(aside: Aside): Promise<void> {
    while (this.#failure === undefined && this.#aside !== undefined) {
      const next = this.#requests.next(ASIDE_ORDER);
      const request = isPromise(next) ? await next : next;
      if (request === undefined) return;
      if (request.action === 'data') {
        for (const range of request.ranges) await this.#copyAside(aside, range);
      } else {
        const done = this.#perform(request, NOTHING);
        if (done !== undefined) await done;
      }
      this.#report(request);
      if (this.#pace.due()) await this.#pace.pause();
    }
    this.#goneAside = 'tries';
  }

  /** By the thread; with a `buffer` here, and what has to be waited for is read and written as ever. */
  async #copyAside(aside: Aside, { offset, length }: Segment, buffer?: Uint8Array): Promise<void> {
    for (let at = 0; at < length; ) {
      const copied = length < LEAST_ASIDE ? undefined : await aside.copy(offset + at, length - at, buffer?.subarray(0, ASIDE_PIECE));
      if (copied === undefined) {
        if (buffer !== undefined) return this.#copyHere(offset + at, length - at, buffer, this.#pieceBeside);
        // What somebody has to read or write mostly has neighbours of its kind; not so what is left behind the end of a file.
        if (at === 0 && length >= LEAST_ASIDE) this.#aside = undefined;
        return this.#copyRest(offset + at, length - at);
      }
      const { zeroes, failure } = copied;
      for (const run of zeroes) {
        const done = this.#transfer.writeZeroes(offset + at + run.at, run.length);
        if (done !== undefined) await done;
      }
      if (failure !== undefined) throw (failure.verb === 'read' ? notRead : notWritten)(failure.error, offset + at + failure.at);
      at += copied.length;
      if (this.#aside !== undefined && buffer === undefined) this.#goneAside = 'works';
    }
  }

  /** Bytes of a piece that is copied here meanwhile: short enough to be read without another thread. */
  get #pieceBeside(): number {
    const { granularity, piece } = this.options;
    return granularity === 0 || ASIDE_PIECE % granularity === 0 ? Math.min(ASIDE_PIECE, piece) : piece;
  }

  async #copyRest(offset: number, length: number): Promise<void> {
    const { pool, piece } = this.options;
    const buffer = pool.take(piece);
    try {
      await this.#copyHere(offset, length, buffer, piece);
    } finally {
      pool.give(buffer);
    }
  }

  /** Reads and writes a range piece by piece. */
  async #copyHere(offset: number, length: number, buffer: Uint8Array, piece: number): Promise<void> {
    for (let at = 0; at < length; at += piece) {
      const range = { action: 'data', offset: offset + at, length: Math.min(piece, length - at) } as const;
      const done = this.#perform({ number: 0, action: 'data', ranges: [range] }, buffer);
      if (done !== undefined) await done;
      if (this.#pace.due()) await this.#pace.pause();
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
    const read = this.#transfer.read(request, buffer);
    return read === undefined ? this.#inTurn(request, buffer) : read.then(() => this.#inTurn(request, buffer));
  }

  #inTurn(request: Request, buffer: Uint8Array): Completion {
    if (!this.#inOrder || this.#turn === request.number) return this.#inOwnTurn(request, buffer);
    // A lane that comes here after a failure would wait for a turn that nobody gives any more.
    if (this.#failure !== undefined) return;
    return this.#waiting(new Promise<void>((resolve) => this.#turns.set(request.number, resolve))).then(() =>
      this.#failure === undefined ? this.#inOwnTurn(request, buffer) : undefined,
    );
  }

  #inOwnTurn(request: Request, buffer: Uint8Array): Completion {
    const done = this.#transfer.write(request, buffer);
    if (done !== undefined) return done.then(() => { this.#passTurn(request.number); });
    this.#passTurn(request.number);
  }

  #passTurn(number: number): void {
    if (!this.#inOrder) return;
    this.#turn = number + 1;
    const next = this.#turns.get(this.#turn);
    this.#turns.delete(this.#turn);
    next?.();
  }

  /**
   * Something has to wait: the next lane may go on meanwhile. Not for a wait that is over in the next turn of the event
   * loop: that only lets others run. Nor do more than `CACHED_LANES` start where waits are short, as they are when the page
   * cache serves them in other threads: further buffers would cost more of the CPU's cache than they bring.
   */
  #waiting(done: Promise<void>): Promise<void> {
    if (this.#lanes.size >= this.options.lanes || this.#requests.ended) return done;
    // Those who copy aside keep the disk busy.
    if (this.#goneAside !== 'no' && this.#aside !== undefined) return done;
    let waits = true;
    const short = this.#lanes.size < CACHED_LANES;
    // The several waits of one request are told one by one, and must not start more lanes than one wait would.
    const most = Math.min(this.options.lanes, short ? CACHED_LANES : Infinity);
    const goOn = (): void => {
      if (waits && this.#lanes.size < most && !this.#requests.ended && this.#failure === undefined) this.#start(() => this.#lane());
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

const NOTHING = new Uint8Array(0);

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

