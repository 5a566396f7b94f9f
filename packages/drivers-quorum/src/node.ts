/**
 * One disk in several copies. A change goes to all of them, and is done when as many as have to agree did it; a read asks all of them, and gives what
 * as many have. Requests that overlap run one after the other, in every copy in the same order.
 */
import {
  andAlways,
  dataExtent,
  firstDifference,
  isPromise,
  NO_LIMITS,
  RangeOrder,
  FOLLOW_BYTES,
  Followers,
  Together,
  WriteFlag,
  zeroExtent,
  type ChangeableChildren,
  type Completion,
  type DriverNode,
  type Edge,
  type Extent,
  type Failures,
  type NodeLimits,
  type OpenContext,
} from '@blk/core-graph';
import { unanimous, unanimousInTurns, versionsOf, votedError, type Content } from './answers.js';
import { quorumError } from './errors.js';
import { Members } from './members.js';
import { numberOf, type Rules } from './options.js';

/** Bytes of the words that are compared where there is no memcmp. */
const WORD = 8;
type Place = Pick<Content, 'bytes' | 'start'>;
const HANDED_DOWN = WriteFlag.MayUnmap | WriteFlag.Unchanged;

export class QuorumNode implements DriverNode {
  readonly writeFlags = HANDED_DOWN;
  readonly zeroFlags = HANDED_DOWN;
  limits: NodeLimits = NO_LIMITS;
  readonly changeableChildren: ChangeableChildren;
  readonly #order = new RangeOrder();
  readonly #together = new Together();
  readonly #followers = new Followers();
  #children: readonly Edge[] = [];

  constructor(
    children: readonly Edge[],
    private readonly rules: Rules,
    private readonly context: Pick<OpenContext, 'pool' | 'quorum' | 'warn'>,
  ) {
    this.changeableChildren = new Members(this, rules, Math.max(...children.map(({ name }) => numberOf(name))) + 1);
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
    return this.#children[0].size;
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
    return this.#change('flush', 0, this.size, (child) => child.flush());
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
    if (isPromise(failures)) return failures.then((each) => { this.#judge(operation, each, offset, length); });
    this.#judge(operation, failures, offset, length);
  }

  #readFirst(offset: number, buffer: Uint8Array, start: number, length: number, index = 0): Completion {
    const child = this.#children[index];
    const next = (error: unknown): Completion => {
      this.#reportBad('read', child, offset, length, error as Error);
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
    if (this.#children.length > 1 && this.#followers.take(length)) return this.#readBehind(offset, buffer, start, length);
    const { pool } = this.context;
    // As the caller's buffer is to a word, so that words can be compared.
    const shift = (buffer.byteOffset + start) % WORD;
    // The first child reads to where the bytes are wanted.
    const contents = this.#children.map((_, index): Content => (index === 0 ? { index, bytes: buffer, start } : { index, bytes: pool.take(length + shift), start: shift }));
    const read = (child: Edge, index: number): Completion => child.read(offset, contents[index].bytes, contents[index].start, length);
    return andAlways(
      () => {
        const failures = this.#together.ask(this.#children, read);
        return isPromise(failures) ? failures.then((each) => this.#voteInTurns(contents, each, contents[0], offset, length)) : this.#vote(contents, failures, contents[0], offset, length);
      },
      () => {
        for (const { index, bytes } of contents) if (index > 0) pool.give(bytes);
      },
    );
  }

  /** One is asked for all of it, the others step by step; only what differs is read whole, and voted about. */
  async #readBehind(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const children = this.#children;
    const leader = this.#together.leader(children.length);
    const failures: (Error | undefined)[] = children.map(() => undefined);
    let unknown = children.flatMap((_, index) => (index === leader ? [] : [index]));
    const scratch = this.context.pool.take(FOLLOW_BYTES);
    try {
      const began = performance.now();
      const done = children[leader].read(offset, buffer, start, length);
      if (done !== undefined) await done;
      const followed = await this.#followers.follow(unknown.map((index) => children[index]), { offset, bytes: buffer, start, length, began }, scratch);
      for (const [at, found] of followed.entries()) if (found instanceof Error) failures[unknown[at]] = found;
      unknown = unknown.filter((_, at) => followed[at] === 'other');
    } catch (error) {
      failures[leader] = asError(error);
    } finally {
      this.context.pool.give(scratch);
    }
    if (unknown.length > 0 || failures.some((error) => error !== undefined)) await this.#readRest(unknown, failures, { bytes: buffer, start }, offset, length);
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
      await this.#vote(contents, failures.some((error) => error !== undefined) ? failures : undefined, into, offset, length);
    } finally {
      for (const bytes of own.values()) pool.give(bytes);
    }
  }

  /** Most votes are over when all are found to be the same. */
  async #voteInTurns(contents: readonly Content[], failures: Failures | undefined, into: Place, offset: number, length: number): Promise<void> {
    if (failures === undefined && (await unanimousInTurns(contents, length))) return;
    await this.#vote(contents, failures, into, offset, length);
  }

  /** Puts what won where the bytes are wanted. */
  #vote(contents: readonly Content[], failures: Failures | undefined, { bytes: buffer, start }: Place, offset: number, length: number): Completion {
    if (failures === undefined && unanimous(contents, length)) return;
    this.#judge('read', failures, offset, length);
    const [winner, ...others] = versionsOf(contents.filter(({ index }) => failures?.[index] === undefined), length);
    if (others.length > 0 && this.rules.blkverify) throw this.#mismatch(offset, length, winner, others[0]);
    if (winner.indexes.length < this.rules.threshold) throw this.#failed(offset, length);
    const losers = others.flatMap(({ indexes }) => indexes);
    for (const index of losers) this.#reportBad('read', this.#children[index], offset, length);
    if (winner.bytes !== buffer) buffer.set(winner.bytes.subarray(winner.start, winner.start + length), start);
    if (this.rules.rewrite && losers.length > 0) return this.#rewrite(losers, offset, buffer, start, length);
  }

  /** Gives losers the content that won; what can't be put right is told, and no reason for the read to fail. */
  async #rewrite(losers: readonly number[], offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const children = losers.map((index) => this.#children[index]);
    const failures = await new Together().ask(children, (child) => child.write(offset, buffer, start, length));
    failures?.forEach((error, at) => { if (error !== undefined) this.#reportBad('write', children[at], offset, length, error); });
  }

  /** Tells of the children that failed; throws where fewer did it than have to agree. */
  #judge(operation: 'read' | 'write' | 'flush', failures: Failures | undefined, offset: number, length: number): void {
    if (failures === undefined) return;
    let done = 0;
    for (const [index, error] of failures.entries()) {
      if (error === undefined) done++;
      else this.#reportBad(operation, this.#children[index], offset, length, error);
    }
    if (done >= this.rules.threshold) return;
    const failure = this.#failed(offset, length);
    throw votedError(failures) ?? failure;
  }

  #failed(offset: number, length: number): Error {
    this.context.quorum({ what: 'failure', offset, length });
    return quorumError({ what: 'no-quorum', offset, length });
  }

  #mismatch(offset: number, length: number, a: { bytes: Uint8Array; start: number }, b: { bytes: Uint8Array; start: number }): Error {
    const at = offset + firstDifference(a.bytes, a.start, b.bytes, b.start, length);
    const error = quorumError({ what: 'mismatch', offset, length, at });
    this.context.warn(error.message);
    return error;
  }

  #reportBad(operation: 'read' | 'write' | 'flush', child: Edge, offset: number, length: number, error?: Error): void {
    this.context.quorum({ what: 'bad', operation, child: child.node.name, ...(error === undefined ? {} : { error }), offset, length });
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}
