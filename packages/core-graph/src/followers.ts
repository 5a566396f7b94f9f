/**
 * Long reads of several children that hold the same bytes. Those that take their time are asked for all of it at the same time; what the others hold
 * is read behind the first of them, in steps that stay in the CPU's cache, and compared at once. Files in the page cache are so read without a thread,
 * and while a server sends what comes next. Who takes longer than the leader did is asked for the rest in one go, and leads the next time.
 */
import { turn } from '#compare';
import type { BufferPool } from './buffer-pool.js';
import { isPromise, type MaybePromise } from './completion.js';
import type { Edge } from './edge.js';
import { sameBytes, sameInTurns } from './same-bytes.js';
import { Together } from './together.js';

/** Bytes of a step: two of them fit in the cache of a processor. Shorter ones cost more turns, and the compiler's time. */
const STEP = 512 * 1024;
/** Most long reads that a child is asked for as a whole before it is tried again whether it can follow. */
const MOST_SKIPPED = 64;
/** Bytes of the words that are compared where there is no memcmp. */
const WORD = 8;

/** What is read, and where the leader puts it. */
export interface LongRead {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

/** What a child gave: the leader's bytes, others, or an error. */
export type Followed = 'same' | 'other' | Error;

export class Followers {
  #leader = 0;
  #first: Promise<Followed[]> | undefined;
  readonly #skips: number[] = [];
  readonly #misses: number[] = [];

  constructor(private readonly pool: BufferPool) {}

  /** Whether a read of so many bytes is one for this. */
  takes(length: number): boolean {
    return length > STEP;
  }

  /** In the order of `children`: those that are `same` have what is in the buffer then. Never fails. */
  async read(children: readonly Edge[], what: LongRead): Promise<Followed[]> {
    // Others wait for the first one, which shows who leads.
    if (this.#first === undefined) return (this.#first = this.#read(children, what));
    await this.#first;
    return this.#read(children, what);
  }

  async #read(children: readonly Edge[], what: LongRead): Promise<Followed[]> {
    const found = children.map((): Followed => 'same');
    let [whole, behind] = this.#split(children.length);
    while (whole.length > 0) {
      const began = performance.now();
      if (await this.#readWhole(whole, children, what, found)) {
        await this.#follow(behind, children, what, performance.now() - began, found);
        break;
      }
      [whole, behind] = [behind.slice(0, 1), behind.slice(1)];
    }
    return found;
  }

  /** Who is asked for all of it, the leader first, and who follows. */
  #split(children: number): [number[], number[]] {
    const leader = this.#leader < children ? this.#leader : 0;
    const whole = [leader];
    const behind: number[] = [];
    for (let index = 0; index < children; index++) {
      if (index === leader) continue;
      const skip = this.#skips[index] ?? 0;
      if (skip > 0) this.#skips[index] = skip - 1;
      (skip > 0 ? whole : behind).push(index);
    }
    return [whole, behind];
  }

  /** False: none of `indexes` did it. */
  async #readWhole(indexes: readonly number[], children: readonly Edge[], { offset, bytes, start, length }: LongRead, found: Followed[]): Promise<boolean> {
    const shift = (bytes.byteOffset + start) % WORD;
    const copies = indexes.map((_, at) => (at === 0 ? { bytes, start } : { bytes: this.pool.take(length + shift), start: shift }));
    try {
      const asked = indexes.map((index) => children[index]);
      const failures = await new Together().ask(asked, (child, at) => child.read(offset, copies[at].bytes, copies[at].start, length));
      failures?.forEach((failure, at) => { if (failure !== undefined) found[indexes[at]] = failure; });
      const [leader, ...others] = [...copies.keys()].filter((at) => failures?.[at] === undefined);
      if (leader === undefined) return false;
      if (leader > 0) bytes.set(copies[leader].bytes.subarray(shift, shift + length), start);
      for (const at of others) if (!(await sameInTurns(bytes, start, copies[at].bytes, shift, length))) found[indexes[at]] = 'other';
      return true;
    } finally {
      for (const copy of copies.slice(1)) this.pool.give(copy.bytes);
    }
  }

  async #follow(behind: readonly number[], children: readonly Edge[], what: LongRead, patience: number, found: Followed[]): Promise<void> {
    const { offset, bytes, start, length } = what;
    const spent = behind.map(() => 0);
    const scratch = this.pool.take(STEP);
    try {
      for (let at = 0; at < length; at += STEP) {
        if (at > 0) await turn();
        const size = Math.min(STEP, length - at);
        for (let place = 0; place < behind.length; place++) {
          const index = behind[place];
          if (found[index] !== 'same' || spent[place] > patience) continue;
          // What others do in between does not count.
          const asked = performance.now();
          const step = this.#compare(children[index], offset + at, scratch, bytes, start + at, size);
          found[index] = isPromise(step) ? await step : step;
          spent[place] += performance.now() - asked;
          if (found[index] === 'same' && spent[place] > patience && at + size < length) {
            found[index] = await this.#readRest(children[index], { offset: offset + at + size, bytes, start: start + at + size, length: length - at - size });
          }
        }
      }
    } finally {
      this.pool.give(scratch);
    }
    for (const [place, index] of behind.entries()) this.#learn(index, spent[place] <= patience);
  }

  async #readRest(child: Edge, { offset, bytes, start, length }: LongRead): Promise<Followed> {
    const own = this.pool.take(length);
    try {
      return await this.#compare(child, offset, own, bytes, start, length);
    } finally {
      this.pool.give(own);
    }
  }

  /** Reads into `own`, and compares that with what the leader gave. Never fails. */
  #compare(child: Edge, offset: number, own: Uint8Array, bytes: Uint8Array, start: number, length: number): MaybePromise<Followed> {
    const verdict = (): Followed => (sameBytes(bytes, start, own, 0, length) ? 'same' : 'other');
    try {
      const done = child.read(offset, own, 0, length);
      return done === undefined ? verdict() : done.then(verdict, asError);
    } catch (error) {
      return asError(error);
    }
  }

  #learn(index: number, follows: boolean): void {
    if (follows) {
      this.#misses[index] = 0;
      return;
    }
    const misses = (this.#misses[index] ?? 0) + 1;
    this.#misses[index] = misses;
    this.#skips[index] = Math.min(2 ** misses - 1, MOST_SKIPPED);
    this.#leader = index;
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}
