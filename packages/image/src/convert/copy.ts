/**
 * The copying itself: pieces that stay in the CPU's cache are read, looked through for zeroes and written.
 *
 * One lane does all the work as long as every request completes at once; the next lane starts only when one has to wait.
 * What the page cache serves is thus copied at the speed of memory, and a slow disk gets its requests in flight.
 */
import { zeroRun, WriteFlag, type Backend, type BufferPool, type Completion } from '@blk/core-graph';
import { errnoText } from '../failure.js';
import { nextTurn, Pace, type Progress } from '../pause.js';
import type { Plan, Segment } from './plan.js';
import type { Sources } from './sources.js';

export interface CopyOptions {
  readonly sources: Sources;
  readonly plan: Plan;
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
        const request = this.#slice() ?? (await this.#fetch());
        if (request === undefined) return;
        if (request.action === 'data') await this.#copyPiece(request, buffer);
        else await this.#zero(request);
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

  async #fetch(): Promise<Request | undefined> {
    for (;;) {
      const request = this.#slice();
      if (request !== undefined || this.#ended) return request;
      this.#fetching ??= this.#advance();
      await this.#fetching;
    }
  }

  async #advance(): Promise<void> {
    try {
      this.#segment = await this.options.plan.next();
      this.#ended = this.#segment === undefined;
    } catch (error) {
      throw errnoText(error, 'error while reading block status');
    } finally {
      this.#fetching = undefined;
    }
  }

  async #copyPiece(request: Request, buffer: Uint8Array): Promise<void> {
    const { offset, length, number } = request;
    try {
      const read = this.options.sources.read(offset, buffer, 0, length);
      if (read !== undefined) await this.#waiting(read);
    } catch (error) {
      throw errnoText(error, `error while reading at byte ${offset}`);
    }
    await this.#inTurn(number, () => this.#store(offset, buffer, length));
    this.#done += length;
    this.options.progress?.(this.#done, this.options.total);
    if (this.options.rateLimit > 0) await this.#slowDown();
  }

  async #zero({ action, offset, length, number }: Request): Promise<void> {
    const needed = action === 'zero' && !this.options.zeroed;
    await this.#inTurn(number, async () => {
      if (needed) await this.#write(offset, () => this.options.target.writeZeroes(offset, length, WriteFlag.MayUnmap));
    });
  }

  /** Writes the parts of a piece that are not zero; the others too, where the target does not read as zeroes already. */
  async #store(offset: number, buffer: Uint8Array, length: number): Promise<void> {
    const { target, granularity, zeroed, compress } = this.options;
    const flags = compress ? WriteFlag.Compressed : 0;
    if (granularity === 0) return this.#write(offset, () => target.write(offset, buffer, 0, length, flags));
    for (let at = 0; at < length; ) {
      const run = zeroRun(buffer, at, length, granularity);
      const start = at;
      at += run.length;
      if (!run.zero) {
        const done = this.#tryWrite(offset + start, () => target.write(offset + start, buffer, start, run.length, flags));
        if (done !== undefined) await done;
      } else if (!zeroed) {
        await this.#write(offset + start, () => target.writeZeroes(offset + start, run.length, WriteFlag.MayUnmap));
      }
    }
  }

  async #write(offset: number, request: () => Completion): Promise<void> {
    const done = this.#tryWrite(offset, request);
    if (done !== undefined) await done;
  }

  #tryWrite(offset: number, request: () => Completion): Completion {
    const explain = (error: unknown): never => {
      throw errnoText(error, `error while writing at byte ${offset}`);
    };
    try {
      const done = request();
      return done === undefined ? undefined : this.#waiting(done).catch(explain);
    } catch (error) {
      return explain(error);
    }
  }

  /**
   * Something has to wait: the next lane may go on meanwhile. Not for a wait that is over in the next turn of the event
   * loop: that only lets others run, and a second buffer would cost more of the CPU's cache than it brings.
   */
  #waiting(done: Promise<void>): Promise<void> {
    if (this.#lanes.size >= this.options.lanes || this.#ended) return done;
    let waits = true;
    const over = (): void => {
      waits = false;
    };
    void done.then(over, over);
    nextTurn(() => {
      nextTurn(() => {
        if (waits && this.#lanes.size < this.options.lanes && !this.#ended && this.#failure === undefined) this.#start();
      });
    });
    return done;
  }

  async #inTurn(number: number, work: () => Promise<void>): Promise<void> {
    if (!this.options.inOrder) return work();
    // A lane that comes here after a failure would wait for a turn that nobody gives any more.
    if (this.#failure !== undefined) return;
    if (this.#turn !== number) {
      await this.#waiting(new Promise<void>((resolve) => this.#turns.set(number, resolve)));
      if (this.#failure !== undefined) return;
    }
    await work();
    this.#turn = number + 1;
    const next = this.#turns.get(this.#turn);
    this.#turns.delete(this.#turn);
    next?.();
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
