/** A file that comes from the front to the back, and can be read anywhere: reads wait until it has come so far. */
import { BlockError, firstDifference, type Completion } from '@blk/core-graph';
import { openStore } from '#spool-store';
import type { SpoolStore } from './spool-store.js';

export interface SpoolOptions {
  readonly driver: string;
  /** Most bytes that it takes. */
  readonly cap: number;
}

interface Waiter {
  readonly end: number;
  readonly resolve: () => void;
  readonly reject: (error: BlockError) => void;
}

export class Spool {
  #filled = 0;
  #failure: BlockError | undefined;
  #waiters: Waiter[] = [];
  /** The chunk before: one of a transfer that was given up may be on its way still when the next one begins. */
  #before: Promise<void> = Promise.resolve();

  private constructor(
    private readonly store: SpoolStore,
    private readonly options: SpoolOptions,
  ) {}

  static async open(options: SpoolOptions): Promise<Spool> {
    return new Spool(await openStore(), options);
  }

  /** Bytes that are there, from the front. */
  get filled(): number {
    return this.#filled;
  }

  /** Throws kind `too-large` where a file of so many bytes would not fit. */
  checkFits(size: number): void {
    const { cap, driver } = this.options;
    if (size <= cap) return;
    throw new BlockError('too-large', `The file has ${size} bytes; it has to be fetched as a whole, and 'spool' allows ${cap}`, { driver });
  }

  /**
   * Takes bytes from `offset` on, which is at most `filled`. What is there already, from an attempt before, has to be the same; throws
   * kind `corrupt` where it is not. The chunk is the caller's again when this completes.
   */
  put(offset: number, chunk: Uint8Array): Promise<void> {
    const put = this.#before.then(() => this.#put(offset, chunk));
    this.#before = put.catch(() => undefined);
    return put;
  }

  async #put(offset: number, chunk: Uint8Array): Promise<void> {
    if (this.#failure?.kind === 'closed') throw this.#failure;
    const known = Math.min(this.#filled - offset, chunk.length);
    if (known > 0) await this.#compare(offset, chunk.subarray(0, known));
    if (known === chunk.length) return;
    this.checkFits(offset + chunk.length);
    const written = this.store.write(this.#filled, chunk.subarray(known));
    if (written !== undefined) await written;
    this.#filled = offset + chunk.length;
    this.#take((waiter) => waiter.end <= this.#filled).forEach((waiter) => { waiter.resolve(); });
  }

  /** Everything that is not there yet will never come: reads of it fail with `error`. */
  fail(error: BlockError): void {
    this.#failure ??= error;
    for (const waiter of this.#take(() => true)) waiter.reject(error);
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (offset + length <= this.#filled) return this.store.read(offset, buffer, start, length);
    return this.#readLater(offset, buffer, start, length);
  }

  async close(): Promise<void> {
    this.fail(new BlockError('closed', 'The image was closed', { driver: this.options.driver }));
    await this.#before;
    await this.store.close();
  }

  async #readLater(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await new Promise<void>((resolve, reject) => { this.#waiters.push({ end: offset + length, resolve, reject }); });
    const read = this.store.read(offset, buffer, start, length);
    if (read !== undefined) await read;
  }

  #take(which: (waiter: Waiter) => boolean): readonly Waiter[] {
    if (this.#waiters.length === 0) return [];
    const taken = this.#waiters.filter(which);
    if (taken.length > 0) this.#waiters = this.#waiters.filter((waiter) => !taken.includes(waiter));
    return taken;
  }

  async #compare(offset: number, chunk: Uint8Array): Promise<void> {
    const before = new Uint8Array(chunk.length);
    const read = this.store.read(offset, before, 0, before.length);
    if (read !== undefined) await read;
    const at = firstDifference(before, 0, chunk, 0, chunk.length);
    if (at < 0) return;
    throw new BlockError('corrupt', `The file has changed while it was fetched: byte ${offset + at} is another one`, { driver: this.options.driver });
  }
}
