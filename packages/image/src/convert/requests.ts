/** What the lanes of a copy do one after the other: pieces of the plan's segments, short ranges together. */
import { isPromise, type MaybePromise } from '@blk/core-graph';
import type { Action, Plan, Segment } from './plan.js';

export interface Request {
  readonly number: number;
  readonly action: Action;
  /** One range, or several short ones with data; together no more than a piece. */
  readonly ranges: readonly Segment[];
}

export interface RequestOptions {
  readonly plan: Pick<Plan, 'next'>;
  /** Most bytes of data in one request; all but the last of a segment end at multiples of it. */
  readonly piece: number;
  /** What is not written reads as zeroes. */
  readonly zeroed: boolean;
  /** Short ranges go together: the target puts what is written one behind the other, whatever lies between. */
  readonly together: boolean;
}

/** Longest range that is zeroed at once. */
const ZERO_PIECE = 1024 * 1024 * 1024;
/**
 * Ranges up to this long go together in one request. They are written by one call, in another thread, while the next ones are read.
 */
const SHORT = 256 * 1024;
/** Most segments that are looked at for one request: the event loop does nothing else meanwhile. */
const MOST_TOGETHER = 64;

export class Requests {
  #segment: Segment | undefined;
  #fetching: Promise<void> | undefined;
  #count = 0;
  #ended = false;

  constructor(private readonly options: RequestOptions) {}

  /** Whether all there is was handed out. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Bytes that are left of the segment at hand. */
  get left(): number {
    return this.#segment?.length ?? 0;
  }

  /** `piece`: most bytes of data, where others than usual; a power of two. */
  next(piece = this.options.piece): MaybePromise<Request | undefined> {
    // One lane asks at a time; the others take what it was told.
    while (this.#segment === undefined && this.#fetching === undefined && !this.#ended) this.#advance();
    if (this.#segment !== undefined) return this.#slice(this.#segment, piece);
    return this.#fetching?.then(() => this.next(piece));
  }

  /** The next piece of the segment at hand, and short ones that follow it. */
  #slice(segment: Segment, piece: number): Request {
    const { together } = this.options;
    const most = segment.action === 'data' ? piece - (segment.offset % piece) : ZERO_PIECE;
    const length = Math.min(most, segment.length);
    const rest = segment.length - length;
    this.#segment = rest === 0 ? undefined : { ...segment, offset: segment.offset + length, length: rest };
    const range = rest === 0 ? segment : { ...segment, length };
    const more = together && segment.action === 'data' && length <= SHORT && rest === 0;
    return { number: this.#count++, action: segment.action, ranges: more ? this.#withShort(range) : [range] };
  }

  /** Further short ranges, as far as the plan tells them without waiting. */
  #withShort(first: Segment): Segment[] {
    const ranges = [first];
    let room = this.options.piece - first.length;
    for (let looked = 0; looked < MOST_TOGETHER && this.#fetching === undefined && !this.#ended; looked++) {
      if (this.#segment === undefined) this.#advance();
      const next: Segment | undefined = this.#segment;
      if (next === undefined) break;
      if (next.action === 'data') {
        if (next.length > Math.min(room, SHORT)) break;
        ranges.push(next);
        room -= next.length;
      } else if (next.action === 'zero' && !this.options.zeroed) {
        break;
      }
      this.#segment = undefined;
    }
    return ranges;
  }

  /** Asks the plan for the next segment: it is there afterwards, or fetched, or there is none. */
  #advance(): void {
    const take = (segment: Segment | undefined): void => {
      this.#segment = segment;
      this.#ended = segment === undefined;
      this.#fetching = undefined;
    };
    const explain = (error: unknown): never => {
      this.#fetching = undefined;
      throw error;
    };
    try {
      const segment = this.options.plan.next();
      if (!isPromise(segment)) {
        take(segment);
        return;
      }
      this.#fetching = segment.then(take).catch(explain);
      // Nobody may be waiting yet. Whoever asks next asks the plan again, and is told.
      this.#fetching.catch(() => undefined);
    } catch (error) {
      explain(error);
    }
  }
}
