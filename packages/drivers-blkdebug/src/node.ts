/** One disk with blkdebug before it: requests are looked up in the rules, and go down where none is about them. */
import {
  WriteFlag,
  type Completion,
  type DebugEvent,
  type DriverNode,
  type Edge,
  type Extent,
  type MaybePromise,
  type NodeLimits,
  type TruncateOptions,
} from '@blk/core-graph';
import { injectedError } from './errors.js';
import type { Points } from './points.js';
import type { RuleBook } from './rule-book.js';
import { IoType } from './rules.js';

/** Flags that go down as they are; `Fua` is the graph's own to emulate. */
const HANDED_DOWN = WriteFlag.MayUnmap | WriteFlag.NoFallback | WriteFlag.Unchanged;

const ENOTSUP = 95;

export interface BlkdebugParts {
  readonly image: Edge;
  readonly limits: NodeLimits;
  /** Discards and zero writes of less are left to the node in front, as a disk with such a granularity would. */
  readonly least: { readonly zeroes: number; readonly discard: number };
  readonly book: RuleBook;
  readonly points: Points;
  readonly filename: string | undefined;
}

export class BlkdebugNode implements DriverNode {
  readonly writeFlags = HANDED_DOWN;
  readonly zeroFlags = HANDED_DOWN;
  readonly limits: NodeLimits;
  readonly breakpoints: Points;
  readonly filename?: string;
  readonly #image: Edge;
  readonly #book: RuleBook;
  readonly #least: BlkdebugParts['least'];
  /** A flush with nothing to flush is no request, and does not fail. */
  #unflushed = false;

  constructor({ image, limits, least, book, points, filename }: BlkdebugParts) {
    this.#image = image;
    this.#book = book;
    this.#least = least;
    this.limits = limits;
    this.breakpoints = points;
    if (filename !== undefined) this.filename = filename;
  }

  get size(): number {
    return this.#image.size;
  }

  get growable(): boolean {
    return this.#image.node.driver.growable === true;
  }

  event(event: DebugEvent): Completion {
    this.#book.happen(event);
    return this.breakpoints.reached(event);
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.#injected(IoType.Read, offset, length) ?? this.#image.read(offset, buffer, start, length);
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    const failed = this.#injected(IoType.Write, offset, length);
    if (failed !== undefined) return failed;
    this.#unflushed = true;
    return this.#image.write(offset, buffer, start, length, flags);
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    // The node in front writes zero bytes instead.
    if (length < this.#least.zeroes) throw injectedError(ENOTSUP);
    const failed = this.#injected(IoType.WriteZeroes, offset, length);
    if (failed !== undefined) return failed;
    this.#unflushed = true;
    return this.#image.writeZeroes(offset, length, flags);
  }

  discard(offset: number, length: number): Completion {
    if (length < this.#least.discard) return;
    const failed = this.#injected(IoType.Discard, offset, length);
    if (failed !== undefined) return failed;
    this.#unflushed = true;
    return this.#image.discard(offset, length);
  }

  flush(): Completion {
    if (!this.#unflushed) return this.#image.flush();
    const failed = this.#injected(IoType.Flush, 0, 0);
    if (failed !== undefined) return failed;
    this.#unflushed = false;
    return this.#noted(this.#image.flush());
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    const rule = this.#book.take(IoType.BlockStatus, offset, length);
    if (rule !== undefined && rule.errno > 0) throw injectedError(rule.errno);
    return this.#image.extent(offset, length);
  }

  async truncate(size: number, options: TruncateOptions): Promise<void> {
    await this.#image.node.truncate(size, options);
  }

  async close(): Promise<void> {
    this.breakpoints.clear();
  }

  /** What a flush that failed did not flush is still to be flushed. */
  #noted(flush: Completion): Completion {
    return flush?.catch((error: unknown) => {
      this.#unflushed = true;
      throw error;
    });
  }

  /** Throws, or gives a promise that will fail, where a rule is about the request. */
  #injected(ioType: number, offset: number, length: number): Promise<void> | undefined {
    const rule = this.#book.take(ioType, offset, length);
    if (rule === undefined || rule.errno <= 0) return undefined;
    if (rule.immediately) throw injectedError(rule.errno);
    return Promise.reject(injectedError(rule.errno));
  }
}
