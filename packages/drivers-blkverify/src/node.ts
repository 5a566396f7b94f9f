/** One image beside its raw copy: requests go to both at the same time, and what comes back is compared. */
import {
  andThen,
  BlockError,
  errnoOf,
  firstDifference,
  NO_LIMITS,
  RangeOrder,
  WriteFlag,
  type Completion,
  type DriverNode,
  type Edge,
  type Extent,
  type MaybePromise,
  type NodeLimits,
  type OpenContext,
} from '@blk/core-graph';
import { contentMismatch, resultMismatch, type Verb } from './errors.js';

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
  readonly #parts: BlkverifyParts;

  constructor(parts: BlkverifyParts) {
    this.#parts = parts;
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

  async #read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const { raw, pool } = this.#parts;
    // As the caller's buffer is to a word, so that words can be compared.
    const shift = (buffer.byteOffset + start) % 4;
    const copy = pool.take(length + shift);
    try {
      await this.#both('read', offset, length, (child) =>
        child === raw ? child.read(offset, copy, shift, length) : child.read(offset, buffer, start, length),
      );
      const at = firstDifference(buffer, start, copy, shift, length);
      if (at >= 0) throw this.#told(contentMismatch('read', offset, length, offset + at));
    } finally {
      pool.give(copy);
    }
  }

  /** Does the same with both; throws what one of them threw where both failed alike, and otherwise that they differ. */
  async #both(verb: Verb, offset: number, length: number, request: (child: Edge) => Completion): Promise<void> {
    const [test, raw] = await Promise.all([this.#parts.test, this.#parts.raw].map((child) => outcome(child, request)));
    if (test === undefined && raw === undefined) return;
    if (test !== undefined && raw !== undefined && errnoOf(test) === errnoOf(raw)) throw test;
    throw this.#told(resultMismatch(verb, offset, length, test, raw));
  }

  /** People are told as well: who only sees an errno would not learn where the images differ. */
  #told(error: BlockError): BlockError {
    this.#parts.warn(error.message);
    return error;
  }
}

/** What a request to one of the two threw. */
async function outcome(child: Edge, request: (child: Edge) => Completion): Promise<Error | undefined> {
  try {
    await request(child);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error), { cause: error });
  }
}
