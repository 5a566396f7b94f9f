/**
 * One disk in several copies. A change goes to all of them, and is done when as many as have to agree did it; a read asks all of them, and gives what
 * as many have. Requests that overlap run one after the other, in every copy in the same order.
 */
import {
  andAlways,
  dataExtent,
  isPromise,
  NO_LIMITS,
  RangeOrder,
  Followers,
  Together,
  WriteFlag,
  zeroExtent,
  type ChangeableChildren,
  type Completion,
  type DriverNode,
  type Edge,
  type Extent,
  type NodeLimits,
  type OpenContext,
} from '@blk/core-graph';
import { votedSize, type Content } from './answers.js';
import { Judge, type Place } from './judge.js';
import { Members } from './members.js';
import { numberOf, type Rules } from './options.js';

/** Bytes of the words that are compared where there is no memcmp. */
const WORD = 8;
const HANDED_DOWN = WriteFlag.MayUnmap | WriteFlag.Unchanged;

export class QuorumNode implements DriverNode {
  readonly writeFlags = HANDED_DOWN;
  readonly zeroFlags = HANDED_DOWN;
  limits: NodeLimits = NO_LIMITS;
  readonly changeableChildren: ChangeableChildren;
  readonly #order = new RangeOrder();
  readonly #together = new Together();
  readonly #followers: Followers;
  readonly #judge: Judge;
  #children: readonly Edge[] = [];

  constructor(
    children: readonly Edge[],
    private readonly rules: Rules,
    private readonly context: Pick<OpenContext, 'pool' | 'quorum' | 'warn'>,
  ) {
    this.changeableChildren = new Members(this, rules, Math.max(...children.map(({ name }) => numberOf(name))) + 1);
    this.#followers = new Followers(context.pool);
    this.#judge = new Judge(this, rules, context);
    this.use(children);
  }

  get children(): readonly Edge[] {
    return this.#children;
  }

  /** Goes on with these copies; no request may be under way. */
  use(children: readonly Edge[]): void {
    this.#children = children;
    this.limits = { ...NO_LIMITS, alignment: Math.max(...children.map(({ node }) => node.limits.alignment)) };
  }

  get size(): number {
    return votedSize(this.#children);
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { fifo, rewrite } = this.rules;
    return this.#order.run(offset, length, rewrite, () =>
      fifo ? this.#readFirst(offset, buffer, start, length) : this.#readAll(offset, buffer, start, length),
    );
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    return this.#order.run(offset, length, true, () =>
      this.#change('write', offset, length, (child) => child.write(offset, buffer, start, length, flags)),
    );
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    return this.#order.run(offset, length, true, () => this.#change('write', offset, length, (child) => child.writeZeroes(offset, length, flags)));
  }

  flush(): Completion {
    return this.#change('flush', 0, 0, (child) => child.flush());
  }

  /** Zero where all copies say so. What a copy does not tell is data. */
  async extent(offset: number, length: number): Promise<Extent> {
    let zero = true;
    let shortest = length;
    for (const child of this.#children) {
      try {
        const found = child.extent(offset, shortest);
        const extent = isPromise(found) ? await found : found;
        zero &&= extent.zero;
        shortest = Math.min(shortest, extent.length);
      } catch {
        zero = false;
      }
    }
    return zero ? zeroExtent(shortest) : dataExtent(shortest, -1);
  }

  async close(): Promise<void> {}

  #change(operation: 'write' | 'flush', offset: number, length: number, request: (child: Edge) => Completion): Completion {
    const failures = this.#together.ask(this.#children, request);
    if (isPromise(failures)) return failures.then((each) => { this.#judge.results(operation, each, offset, length); });
    this.#judge.results(operation, failures, offset, length);
  }

  #readFirst(offset: number, buffer: Uint8Array, start: number, length: number, index = 0): Completion {
    const child = this.#children[index];
    const next = (error: unknown): Completion => {
      this.#judge.reportBad('read', child, offset, length, error as Error);
      if (index + 1 === this.#children.length) throw error;
      return this.#readFirst(offset, buffer, start, length, index + 1);
    };
    let done: Completion;
    try {
      done = child.read(offset, buffer, start, length);
    } catch (error) {
      return next(error);
    }
    return done?.catch(next);
  }

  #readAll(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (this.#children.length > 1 && this.#followers.takes(length)) return this.#readBehind(offset, buffer, start, length);
    const { pool } = this.context;
    // As the caller's buffer is to a word, so that words can be compared.
    const shift = (buffer.byteOffset + start) % WORD;
    // The first child reads to where the bytes are wanted.
    const contents = this.#children.map((_, index): Content => (index === 0 ? { index, bytes: buffer, start } : { index, bytes: pool.take(length + shift), start: shift }));
    const read = (child: Edge, index: number): Completion => child.read(offset, contents[index].bytes, contents[index].start, length);
    return andAlways(
      () => {
        const failures = this.#together.ask(this.#children, read);
        return isPromise(failures) ? failures.then((each) => this.#judge.contentsInTurns(contents, each, contents[0], offset, length)) : this.#judge.contents(contents, failures, contents[0], offset, length);
      },
      () => {
        for (const { index, bytes } of contents) if (index > 0) pool.give(bytes);
      },
    );
  }

  /** One is asked for all of it, the others step by step; only what differs is read whole, and voted about. */
  async #readBehind(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const found = await this.#followers.read(this.#children, { offset, bytes: buffer, start, length });
    if (found.every((each) => each === 'same')) return;
    const failures = found.map((each) => (each instanceof Error ? each : undefined));
    const unknown = [...found.keys()].filter((index) => found[index] === 'other');
    await this.#readRest(unknown, failures, { bytes: buffer, start }, offset, length);
  }

  /** The children that are not `unknown` failed, or have what the leader has, which is in `into`. */
  async #readRest(unknown: readonly number[], failures: (Error | undefined)[], into: Place, offset: number, length: number): Promise<void> {
    const { pool } = this.context;
    const shift = (into.bytes.byteOffset + into.start) % WORD;
    const own = new Map(unknown.map((index) => [index, pool.take(length + shift)]));
    try {
      const read = (child: Edge, at: number): Completion => child.read(offset, own.get(unknown[at]) as Uint8Array, shift, length);
      const failed = await new Together().ask(unknown.map((index) => this.#children[index]), read);
      failed?.forEach((error, at) => { failures[unknown[at]] = error; });
      const contents = this.#children.map((_, index): Content => {
        const bytes = own.get(index);
        return bytes === undefined ? { index, ...into } : { index, bytes, start: shift };
      });
      await this.#judge.contents(contents, failures.some((error) => error !== undefined) ? failures : undefined, into, offset, length);
    } finally {
      for (const bytes of own.values()) pool.give(bytes);
    }
  }
}
