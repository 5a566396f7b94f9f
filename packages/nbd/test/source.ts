/** A source in memory that can be told to wait, to fail and to change its size. */
import { BlockError, WriteFlag, type ChainExtent, type Completion } from '@blk/core-graph';
import type { ExportSource } from '../src/index.js';

export class MemorySource implements ExportSource {
  bytes: Uint8Array;
  readOnly = false;
  /** While set, every verb waits for it. */
  gate: Promise<void> | undefined;
  /** While set, every verb fails with it. */
  failure: Error | undefined;
  /** What was asked for, in order: `write 0 512 fua`. */
  readonly log: string[] = [];
  extentRuns: readonly { length: number; data: boolean; zero: boolean; allocated: boolean; depth: number }[] | undefined;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.#run(`read ${offset} ${length}`, () => {
      buffer.set(this.bytes.subarray(offset, offset + length), start);
    });
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    return this.#run(`write ${offset} ${length}${words(flags)}`, () => {
      this.bytes.set(buffer.subarray(start, start + length), offset);
    });
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    if ((flags & WriteFlag.NoFallback) !== 0 && offset % 4096 !== 0) throw new BlockError('unsupported', 'not fast');
    return this.#run(`zero ${offset} ${length}${words(flags)}`, () => {
      this.bytes.fill(0, offset, offset + length);
    });
  }

  discard(offset: number, length: number): Completion {
    return this.#run(`discard ${offset} ${length}`, () => undefined);
  }

  flush(): Completion {
    return this.#run('flush', () => undefined);
  }

  async *extents(offset: number, length: number): AsyncIterable<ChainExtent> {
    const rest = { compressed: false, hostOffset: -1 };
    if (this.extentRuns === undefined) {
      yield { offset, length, data: true, zero: false, allocated: true, depth: 0, ...rest };
      return;
    }
    let at = 0;
    for (const run of this.extentRuns) {
      const from = Math.max(at, offset);
      const to = Math.min(at + run.length, offset + length);
      if (to > from) yield { ...run, offset: from, length: to - from, ...rest };
      at += run.length;
    }
  }

  #run(what: string, work: () => void): Completion {
    this.log.push(what);
    const { failure, gate } = this;
    if (gate !== undefined) {
      return gate.then(() => {
        if (failure) throw failure;
        work();
      });
    }
    if (failure) throw failure;
    work();
  }
}

function words(flags: number): string {
  return (
    ((flags & WriteFlag.Fua) !== 0 ? ' fua' : '') +
    ((flags & WriteFlag.MayUnmap) !== 0 ? ' unmap' : '') +
    ((flags & WriteFlag.NoFallback) !== 0 ? ' fast' : '')
  );
}
