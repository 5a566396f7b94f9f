/** One request of a copy: its ranges are read into a buffer, looked through for zeroes, and written. */
import { repeat, zeroRun, WriteFlag, type Backend, type Completion } from '@blk/core-graph';
import { errnoText } from '../failure.js';
import type { Request } from './requests.js';
import type { Sources } from './sources.js';

export interface TransferOptions {
  readonly sources: Pick<Sources, 'read'>;
  readonly target: Backend;
  /** Runs of zeroes are looked for in steps of so many bytes; 0: not at all. */
  readonly granularity: number;
  /** What is not written reads as zeroes. */
  readonly zeroed: boolean;
  readonly compress: boolean;
  /** How failures begin; by default they name the byte. */
  readonly words?: TransferWords;
}

interface TransferWords {
  readonly reading: string;
  readonly writing: string;
}

export class Transfer {
  /** `waiting` is told of everything that has to wait, and hands it back. */
  constructor(
    private readonly options: TransferOptions,
    private readonly waiting: (done: Promise<void>) => Promise<void>,
  ) {}

  /** The ranges come to lie one behind the other in the buffer. */
  read(request: Request, buffer: Uint8Array): Completion {
    return this.#forEach(request, (offset, at, length) => this.#read(offset, buffer, at, length));
  }

  /** Writes what was read; or zeroes, where the target has others. */
  write(request: Request, buffer: Uint8Array): Completion {
    const { action, ranges } = request;
    if (action === 'data') return this.#forEach(request, (offset, at, length) => this.#store(offset, buffer, at, length));
    if (action === 'zero' && !this.options.zeroed) return this.writeZeroes(ranges[0].offset, ranges[0].length);
  }

  /** All ranges of a request at once; they lie one behind the other in the buffer. Over when all are, also after an error. */
  #forEach({ ranges }: Request, work: (offset: number, at: number, length: number) => Completion): Completion {
    if (ranges.length === 1) return work(ranges[0].offset, 0, ranges[0].length);
    const pending: Promise<void>[] = [];
    let at = 0;
    for (const { offset, length } of ranges) {
      try {
        const done = work(offset, at, length);
        if (done !== undefined) pending.push(done);
      } catch (error) {
        pending.push(Promise.reject(asError(error)));
        break;
      }
      at += length;
    }
    return pending.length === 0 ? undefined : settled(pending);
  }

  #read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const explain = (error: unknown): never => {
      throw notRead(error, offset, this.options.words);
    };
    try {
      const read = this.options.sources.read(offset, buffer, start, length);
      return read === undefined ? undefined : this.waiting(read).catch(explain);
    } catch (error) {
      return explain(error);
    }
  }

  /** Writes the parts of a piece that are not zero; the others too, where the target does not read as zeroes already. */
  #store(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { granularity, zeroed } = this.options;
    if (granularity === 0) return this.#write(offset, buffer, start, length);
    const end = start + length;
    let at = start;
    return repeat(() => {
      if (at >= end) return false;
      const { length: run, zero } = zeroRun(buffer, at, end, granularity);
      const from = at;
      at += run;
      if (!zero) return this.#write(offset + from - start, buffer, from, run);
      return zeroed ? undefined : this.writeZeroes(offset + from - start, run);
    });
  }

  #write(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { target, compress } = this.options;
    try {
      const done = target.write(offset, buffer, start, length, compress ? WriteFlag.Compressed : 0);
      return done === undefined ? undefined : this.#written(done, offset);
    } catch (error) {
      throw notWritten(error, offset, this.options.words);
    }
  }

  writeZeroes(offset: number, length: number): Completion {
    try {
      const done = this.options.target.writeZeroes(offset, length, WriteFlag.MayUnmap);
      return done === undefined ? undefined : this.#written(done, offset);
    } catch (error) {
      throw notWritten(error, offset, this.options.words);
    }
  }

  #written(done: Promise<void>, offset: number): Promise<void> {
    return this.waiting(done).catch((error: unknown) => {
      throw notWritten(error, offset, this.options.words);
    });
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Over when all are; fails as the first one did. */
async function settled(pending: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(pending)) if (result.status === 'rejected') throw result.reason;
}

/** The error with the place where it came. */
export function notRead(error: unknown, offset: number, words?: TransferWords): unknown {
  return errnoText(error, words?.reading ?? `error while reading at byte ${offset}`);
}

export function notWritten(error: unknown, offset: number, words?: TransferWords): unknown {
  return errnoText(error, words?.writing ?? `error while writing at byte ${offset}`);
}
