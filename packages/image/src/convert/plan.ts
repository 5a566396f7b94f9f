/** What has to be done to the target, range by range: from the allocation maps of the sources. */
import { chainExtentAt, isPromise, type BlockNode, type ChainExtent, type MaybePromise } from '@blk/core-graph';
import { errnoText } from '../failure.js';
import { SECTOR } from '../open.js';
import { tellLost, type Lost } from './salvage.js';
import type { Sources } from './sources.js';

/** `data`: read, and write what is not zero. `zero`: reads as zeroes. `skip`: the target's backing file has it. */
export type Action = 'data' | 'zero' | 'skip';

export interface Segment {
  readonly action: Action;
  readonly offset: number;
  readonly length: number;
}

export interface PlanOptions {
  /** Ranges to copy begin and end at multiples of this, but for the end of the image. */
  readonly unit: number;
  /** Everything is copied, whatever the sources say about zeroes. */
  readonly full: boolean;
  /** What a source leaves to its backing file is left to the target's. */
  readonly overBacking: boolean;
  /** Sectors of which it can't be found out what they are count as data, and are told of; without it that is an error. */
  readonly lost?: Lost | undefined;
}

/** Zeroes shorter than this between data are read along: one long request costs less than two with a gap. */
const SHORT_GAP = 64 * 1024;
const LONGEST = 64 * 1024 * 1024;

export class Plan {
  #at = 0;
  #peeked: Segment | undefined;
  #wasDamaged = false;

  constructor(
    private readonly sources: Sources,
    private readonly options: PlanOptions,
  ) {}

  /** The next segment, up to the end of the sources. */
  next(): MaybePromise<Segment | undefined> {
    const first = this.#peek();
    return isPromise(first) ? first.then((segment) => this.#from(segment)) : this.#from(first);
  }

  #from(first: Segment | undefined): MaybePromise<Segment | undefined> {
    if (first === undefined) return undefined;
    this.#peeked = undefined;
    const end = first.offset + first.length;
    if (first.action === 'data') return this.#copyFrom(first.offset, this.#rounded(end));
    return this.#leaveOut(first, end);
  }

  /** A range that is not copied, up to the last whole unit. A file's own holes may cut it in the middle of one: then it goes on. */
  #leaveOut(first: Segment, from: number): MaybePromise<Segment> {
    const { unit } = this.options;
    let end = from;
    while (end % unit !== 0 && end < this.sources.size) {
      this.#at = end;
      this.#peeked = undefined;
      const next = this.#peek();
      if (isPromise(next)) {
        const at = end;
        return next.then((segment) =>
          segment?.action === first.action ? this.#leaveOut(first, at + segment.length) : this.#upToWhole(first, at),
        );
      }
      if (next?.action !== first.action) break;
      end += next.length;
    }
    return this.#upToWhole(first, end);
  }

  #upToWhole(first: Segment, end: number): MaybePromise<Segment> {
    const whole = end === this.sources.size ? end : end - (end % this.options.unit);
    this.#peeked = undefined;
    if (whole <= first.offset) return this.#copyFrom(first.offset, this.#rounded(end));
    this.#at = whole;
    return { ...first, length: whole - first.offset };
  }

  /** A range to copy, grown over short gaps and up to a whole unit. */
  #copyFrom(offset: number, end: number): MaybePromise<Segment> {
    let to = end;
    for (;;) {
      this.#at = to;
      this.#peeked = undefined;
      if (to - offset >= LONGEST) break;
      const next = this.#peek();
      if (isPromise(next)) {
        return next.then((segment) => {
          const further = this.#joined(segment);
          return further === undefined ? { action: 'data', offset, length: to - offset } : this.#copyFrom(offset, further);
        });
      }
      const further = this.#joined(next);
      if (further === undefined) break;
      to = further;
    }
    return { action: 'data', offset, length: to - offset };
  }

  /** Where a range to copy ends with the next segment in it; undefined where it had better end before. */
  #joined(next: Segment | undefined): number | undefined {
    if (next === undefined || next.action === 'skip') return undefined;
    if (next.action === 'zero' && next.length >= Math.max(SHORT_GAP, this.options.unit)) return undefined;
    return this.#rounded(next.offset + next.length);
  }

  #rounded(end: number): number {
    const { unit } = this.options;
    return Math.min(this.sources.size, Math.ceil(end / unit) * unit);
  }

  #peek(): MaybePromise<Segment | undefined> {
    if (this.#peeked !== undefined) return this.#peeked;
    const offset = this.#at;
    if (offset >= this.sources.size) return undefined;
    const { node, inside, left } = this.sources.at(offset);
    const known = node.size - inside;
    // The rest of a last sector lies in no image.
    if (known <= 0) return (this.#peeked = { action: this.options.full ? 'data' : 'zero', offset, length: left });
    // Damage has neighbours.
    return this.#look(node, inside, offset, Math.min(left, known, this.#wasDamaged ? SECTOR : Infinity));
  }

  /** A damaged entry spoils the whole range that was asked for: shorter ones are tried, so that what is sound before it counts as that. */
  #look(node: BlockNode, inside: number, offset: number, length: number): MaybePromise<Segment> {
    const retry = (error: unknown): MaybePromise<Segment> => {
      if (length <= SECTOR) return this.#damaged(error, offset, length);
      return this.#look(node, inside, offset, Math.ceil(length / 2 / SECTOR) * SECTOR);
    };
    try {
      const found = chainExtentAt(node, inside, length);
      if (isPromise(found)) return found.then((extent) => this.#keep(offset, extent), retry);
      return this.#keep(offset, found);
    } catch (error) {
      return retry(error);
    }
  }

  #damaged(error: unknown, offset: number, length: number): Segment {
    const { lost } = this.options;
    if (lost === undefined) throw errnoText(error, `error while reading block status at offset ${offset}`);
    this.#wasDamaged = true;
    tellLost(lost, 'error while reading block status at offset', offset, error);
    return (this.#peeked = { action: 'data', offset, length });
  }

  #keep(offset: number, extent: ChainExtent): Segment {
    this.#wasDamaged = false;
    return (this.#peeked = { action: this.#actionFor(extent), offset, length: extent.length });
  }

  #actionFor(extent: ChainExtent): Action {
    if (this.options.overBacking && extent.depth > 0) return 'skip';
    if (this.options.full) return 'data';
    return extent.zero ? 'zero' : 'data';
  }
}
