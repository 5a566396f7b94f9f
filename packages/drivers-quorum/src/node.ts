/**
 * One disk in several copies. A change goes to all of them, and is done when as many as have to agree did it; a read asks all of them, and gives what
 * as many have. Requests that overlap run one after the other, in every copy in the same order.
 */
import {
  dataExtent,
  firstDifference,
  isPromise,
  NO_LIMITS,
  RangeOrder,
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
import { ask, askAll, versionsOf, votedError, type Answer } from './answers.js';
import { quorumError } from './errors.js';
import { Members } from './members.js';
import { numberOf, type Rules } from './options.js';

const HANDED_DOWN = WriteFlag.MayUnmap | WriteFlag.Unchanged;

export class QuorumNode implements DriverNode {
  readonly writeFlags = HANDED_DOWN;
  readonly zeroFlags = HANDED_DOWN;
  limits: NodeLimits = NO_LIMITS;
  readonly changeableChildren: ChangeableChildren;
  readonly #order = new RangeOrder();
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

  async #change(operation: 'write' | 'flush', offset: number, length: number, request: (child: Edge) => Completion): Promise<void> {
    const answers = await askAll(this.#children, request);
    this.#reportFailed(operation, answers, offset, length);
    this.#needEnough(answers, offset, length);
  }

  async #readFirst(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    let last: Answer | undefined;
    for (const [index, child] of this.#children.entries()) {
      last = await ask(child, index, (each) => each.read(offset, buffer, start, length));
      if (last.error === undefined) return;
      this.#reportFailed('read', [last], offset, length);
    }
    throw last?.error ?? quorumError({ what: 'no-quorum', offset, length });
  }

  async #readAll(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const { pool } = this.context;
    // As the caller's buffer is to a word, so that words can be compared. The first child reads to where the bytes are wanted.
    const shift = (buffer.byteOffset + start) % 4;
    const copies = this.#children.slice(1).map(() => pool.take(length + shift));
    const contents = [{ index: 0, bytes: buffer, start }, ...copies.map((bytes, at) => ({ index: at + 1, bytes, start: shift }))];
    try {
      const answers = await askAll(this.#children, (child, index) => child.read(offset, contents[index].bytes, contents[index].start, length));
      this.#reportFailed('read', answers, offset, length);
      this.#needEnough(answers, offset, length);
      const given = contents.filter(({ index }) => answers[index].error === undefined);
      const [winner, ...others] = versionsOf(given, length);
      if (others.length > 0 && this.rules.blkverify) throw this.#mismatch(offset, length, winner, others[0]);
      if (winner.indexes.length < this.rules.threshold) throw this.#failed(offset, length);
      const losers = others.flatMap(({ indexes }) => indexes);
      for (const index of losers) this.#reportBad('read', this.#children[index], offset, length);
      if (winner.bytes !== buffer) buffer.set(winner.bytes.subarray(winner.start, winner.start + length), start);
      if (this.rules.rewrite && losers.length > 0) await this.#rewrite(losers, offset, buffer, start, length);
    } finally {
      for (const copy of copies) pool.give(copy);
    }
  }

  /** Gives losers the content that won; what can't be put right is told, and no reason for the read to fail. */
  async #rewrite(losers: readonly number[], offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const children = losers.map((index) => this.#children[index]);
    const answers = await askAll(children, (child) => child.write(offset, buffer, start, length));
    this.#reportFailed('write', answers, offset, length);
  }

  /** Throws where fewer children did it than have to agree. */
  #needEnough(answers: readonly Answer[], offset: number, length: number): void {
    const done = answers.reduce((count, { error }) => count + Number(error === undefined), 0);
    if (done >= this.rules.threshold) return;
    const failure = this.#failed(offset, length);
    throw votedError(answers) ?? failure;
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

  #reportFailed(operation: 'read' | 'write' | 'flush', answers: readonly Answer[], offset: number, length: number): void {
    for (const { child, error } of answers) if (error !== undefined) this.#reportBad(operation, child, offset, length, error);
  }

  #reportBad(operation: 'read' | 'write' | 'flush', child: Edge, offset: number, length: number, error?: Error): void {
    this.context.quorum({ what: 'bad', operation, child: child.node.name, ...(error === undefined ? {} : { error }), offset, length });
  }
}
