/** One image beside its raw copy: requests go to both at the same time, and what comes back is compared. */
import {
  andAlways,
  andThen,
  BlockError,
  errnoOf,
  firstDifference,
  isPromise,
  NO_LIMITS,
  RangeOrder,
  sameInTurns,
  Followers,
  Together,
  WriteFlag,
  type Completion,
  type DriverNode,
  type Edge,
  type Extent,
  type Failures,
  type MaybePromise,
  type NodeLimits,
  type OpenContext,
} from '@blk/core-graph';
import { contentMismatch, resultMismatch, type Verb } from './errors.js';

/** Bytes of the words that are compared where there is no memcmp. */
const WORD = 8;
const HANDED_DOWN = WriteFlag.MayUnmap | WriteFlag.Unchanged;

export interface BlkverifyParts {
  readonly raw: Edge;
  readonly test: Edge;
  readonly pool: OpenContext['pool'];
  readonly warn: (message: string) => void;
  readonly filename: string | undefined;
}

export class BlkverifyNode implements DriverNode {
  readonly writeFlags = HANDED_DOWN;
  readonly zeroFlags = HANDED_DOWN;
  readonly limits: NodeLimits;
  readonly filename?: string;
  readonly #order = new RangeOrder();
  readonly #together = new Together();
  readonly #followers: Followers;
  readonly #children: readonly Edge[];
  readonly #parts: BlkverifyParts;

  constructor(parts: BlkverifyParts) {
    this.#parts = parts;
    this.#followers = new Followers(parts.pool);
    this.#children = [parts.test, parts.raw];
    this.limits = { ...NO_LIMITS, alignment: Math.max(parts.raw.node.limits.alignment, parts.test.node.limits.alignment) };
    if (parts.filename !== undefined) this.filename = parts.filename;
  }

  get size(): number {
    return this.#parts.test.size;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.#order.run(offset, length, false, () => this.#read(offset, buffer, start, length));
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    return this.#order.run(offset, length, true, () =>
      this.#both('write', offset, length, (child) => child.write(offset, buffer, start, length, flags)),
    );
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    return this.#order.run(offset, length, true, () =>
      this.#both('write', offset, length, (child) => child.writeZeroes(offset, length, flags)),
    );
  }

  flush(): Completion {
    const { raw, test } = this.#parts;
    return andThen(test.flush(), () => raw.flush());
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    return this.#parts.test.extent(offset, length);
  }

  /** What the two take together is no image's size. */
  allocatedSize(): number {
    throw new BlockError('unsupported', 'blkverify does not tell how much space its images take', { driver: 'blkverify' });
  }

  async close(): Promise<void> {}

  #read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.#followers.takes(length) ? this.#readBehind(offset, buffer, start, length) : this.#readBoth(offset, buffer, start, length);
  }

  /** One is asked for all of it, the other step by step; where they are not the same, both are asked as ever. */
  async #readBehind(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const found = await this.#followers.read(this.#children, { offset, bytes: buffer, start, length });
    const failures = found.map((each) => (each instanceof Error ? each : undefined));
    if (failures.some((failure) => failure !== undefined)) this.#judge('read', failures, offset, length);
    else if (found.includes('other')) await this.#readBoth(offset, buffer, start, length);
  }

  #readBoth(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { raw, pool } = this.#parts;
    // As the caller's buffer is to a word, so that words can be compared.
    const shift = (buffer.byteOffset + start) % WORD;
    const copy = pool.take(length + shift);
    const compare = (): void => {
      const at = firstDifference(buffer, start, copy, shift, length);
      if (at >= 0) throw this.#told(contentMismatch('read', offset, length, offset + at));
    };
    return andAlways(
      () => {
        const done = this.#both('read', offset, length, (child) =>
          child === raw ? child.read(offset, copy, shift, length) : child.read(offset, buffer, start, length),
        );
        if (done !== undefined) return done.then(async () => { if (!(await sameInTurns(buffer, start, copy, shift, length))) compare(); });
        compare();
      },
      () => { pool.give(copy); },
    );
  }

  /** Does the same with both; throws what one of them threw where both failed alike, and otherwise that they differ. */
  #both(verb: Verb, offset: number, length: number, request: (child: Edge) => Completion): Completion {
    const failures = this.#together.ask(this.#children, request);
    if (isPromise(failures)) return failures.then((each) => { this.#judge(verb, each, offset, length); });
    this.#judge(verb, failures, offset, length);
  }

  #judge(verb: Verb, failures: Failures | undefined, offset: number, length: number): void {
    if (failures === undefined) return;
    const [test, raw] = failures;
    if (test !== undefined && raw !== undefined && errnoOf(test) === errnoOf(raw)) throw test;
    throw this.#told(resultMismatch(verb, offset, length, test, raw));
  }

  /** People are told as well: who only sees an errno would not learn where the images differ. */
  #told(error: BlockError): BlockError {
    this.#parts.warn(error.message);
    return error;
  }
}
