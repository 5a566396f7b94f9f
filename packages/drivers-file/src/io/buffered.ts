/**
 * Transfers through the page cache: on the event loop where the cache serves them, else in the thread pool.
 *
 * Long reads go to the pool at once, where they take another processor.
 * With the native helper a read is tried without waiting first; the cache's hits complete at once, its misses go to the
 * pool, and after misses in a row further reads go there without a try. Writes, and reads without the helper, may block:
 * for them `Pace` decides.
 */
import type { Completion } from '@blk/core-graph';
import type { Calls, NoWaitCalls } from '../native/native.js';
import { Errno } from '../native/native.js';
import type { Explain, FileIo, HereCalls } from './file-io.js';
import { Gather } from './gather.js';
import { InFlight } from './in-flight.js';
import { CACHED, Pace } from './pace.js';
import { poolRead, poolWrite, poolWritev } from './pool.js';
import type { Turns } from './turns.js';

/** Most reads that go to the pool without a try, after misses in a row. */
const MAX_SKIP = 64;

/** Shortest transfer, in bytes, that goes to the pool because others wait for their turn already. */
const SPILL = 256 * 1024;
/**
 * Reads of so many bytes always go there: whoever asks for so much at a time copies, and writes meanwhile what came before.
 */
const POOLED = 2 * 1024 * 1024;

export interface BufferedOptions {
  readonly fd: number;
  readonly calls: Calls;
  readonly noWait: NoWaitCalls | undefined;
  readonly turns: Turns;
  readonly explain: Explain;
  /** Nanoseconds. */
  readonly now: () => number;
}

export class BufferedIo implements FileIo, HereCalls {
  readonly here = this;
  readonly #fd: number;
  readonly #calls: Calls;
  readonly #turns: Turns;
  readonly #explain: Explain;
  readonly #now: () => number;
  readonly #reads = new Pace(CACHED);
  readonly #writes = new Pace(CACHED);
  readonly #inFlight = new InFlight();
  readonly #gather = new Gather((offset, buffers, length) => this.#writeGathered(offset, buffers, length));
  #noWait: NoWaitCalls | undefined;
  #skip = 0;
  #misses = 0;

  constructor(options: BufferedOptions) {
    this.#fd = options.fd;
    this.#calls = options.calls;
    this.#noWait = options.noWait;
    this.#turns = options.turns;
    this.#explain = options.explain;
    this.#now = options.now;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (length >= POOLED || this.#readsInPool()) return this.#readInPool(offset, buffer, start, length, 0);
    if (this.#turns.take(length)) return this.#readHere(offset, buffer, start, length);
    // Who has more under way than a turn's work gains from a second processor, where a thread is not the larger part of the cost.
    if (length >= SPILL && this.#turns.busy) return this.#readInPool(offset, buffer, start, length, 0);
    return this.#afterTurn(length, () => this.#readHere(offset, buffer, start, length));
  }

  readonly readv = (offset: number, buffers: readonly Uint8Array[]): Completion => {
    const length = totalLength(buffers);
    if (this.#readsInPool()) return this.#readvRest(offset, buffers, 0);
    if (this.#turns.take(length)) return this.#readvHere(offset, buffers, length);
    return this.#afterTurn(length, () => this.#readvHere(offset, buffers, length));
  };

  write(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (!this.#writes.onLoop) return this.#writeInPool(offset, buffer, start, length, 0);
    if (this.#turns.take(length)) return this.#writeHere(offset, buffer, start, length);
    if (length >= SPILL) return this.#afterTurn(length, () => this.#writeHere(offset, buffer, start, length));
    return this.#inFlight.track(this.#gather.write(offset, buffer, start, length));
  }

  /** Short writes that were asked for beyond a turn's work: many together by another processor, a few in the next turn. */
  readonly #writeGathered = async (offset: number, buffers: readonly Uint8Array[], length: number): Promise<void> => {
    if (length < SPILL) {
      await this.#turns.wait(length);
      return buffers.length === 1 ? this.#writeHere(offset, buffers[0], 0, length) : this.#writevHere(offset, buffers, length);
    }
    const before = this.#now();
    try {
      await poolWritev(this.#fd, offset, buffers, length);
    } catch (error) {
      throw this.#explain('write', error);
    }
    this.#writes.pooled(before, this.#now(), length);
  };

  readonly writev = (offset: number, buffers: readonly Uint8Array[]): Completion => {
    const length = totalLength(buffers);
    if (!this.#writes.onLoop) return this.#writevRest(offset, buffers, 0);
    if (this.#turns.take(length)) return this.#writevHere(offset, buffers, length);
    return this.#afterTurn(length, () => this.#writevHere(offset, buffers, length));
  };

  readHere(offset: number, buffer: Uint8Array, start: number, length: number): number {
    if (this.#noWait === undefined || this.#readsInPool()) return Errno.EAGAIN;
    const count = this.#noWait.readNoWait(this.#fd, offset, buffer, start, length);
    if (count < 0) this.#missed(count);
    else this.#misses = 0;
    return count;
  }

  get writesHere(): boolean {
    return this.#writes.onLoop;
  }

  writeHere(offset: number, buffer: Uint8Array, start: number, length: number): number {
    return this.writesHere ? this.#timedWrite(offset, buffer, start, length) : Errno.EAGAIN;
  }

  idle(): Promise<void> {
    return this.#inFlight.idle();
  }

  close(): void {
    // The file is all there is.
  }

  #afterTurn(length: number, work: () => Completion): Promise<void> {
    return this.#inFlight.track(this.#turns.wait(length).then(work));
  }

  /** Whether the next read goes to the pool without a try. */
  #readsInPool(): boolean {
    if (this.#noWait === undefined) return !this.#reads.onLoop;
    if (this.#skip === 0) return false;
    this.#skip--;
    return true;
  }

  #readHere(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (this.#noWait !== undefined) {
      const count = this.#noWait.readNoWait(this.#fd, offset, buffer, start, length);
      if (count === length) {
        this.#misses = 0;
        return;
      }
      this.#missed(count);
      return this.#readInPool(offset, buffer, start, length, Math.max(0, count));
    }
    const before = this.#now();
    const count = this.#calls.read(this.#fd, offset, buffer, start, length);
    this.#reads.ran(before, this.#now(), length);
    // The pool repeats what failed, and finds the same error, or the end of the file.
    return count === length ? undefined : this.#readInPool(offset, buffer, start, length, Math.max(0, count));
  }

  #readvHere(offset: number, buffers: readonly Uint8Array[], length: number): Completion {
    let count: number;
    if (this.#noWait !== undefined) {
      count = this.#noWait.readvNoWait(this.#fd, offset, buffers);
      if (count === length) this.#misses = 0;
      else this.#missed(count);
    } else {
      const before = this.#now();
      count = this.#calls.readv(this.#fd, offset, buffers);
      this.#reads.ran(before, this.#now(), length);
    }
    return count === length ? undefined : this.#readvRest(offset, buffers, Math.max(0, count));
  }

  /** Learns from a read that the cache did not serve whole. */
  #missed(count: number): void {
    if (count === Errno.EOPNOTSUPP || count === Errno.EINVAL || count === Errno.ENOSYS) {
      this.#noWait = undefined;
      return;
    }
    this.#skip = Math.min(2 ** this.#misses - 1, MAX_SKIP);
    if (this.#skip < MAX_SKIP) this.#misses++;
  }

  #writeHere(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const count = this.#timedWrite(offset, buffer, start, length);
    return count === length ? undefined : this.#writeInPool(offset, buffer, start, length, Math.max(0, count));
  }

  #timedWrite(offset: number, buffer: Uint8Array, start: number, length: number): number {
    const before = this.#now();
    const count = this.#calls.write(this.#fd, offset, buffer, start, length);
    this.#writes.ran(before, this.#now(), length);
    return count;
  }

  #writevHere(offset: number, buffers: readonly Uint8Array[], length: number): Completion {
    const before = this.#now();
    const count = this.#calls.writev(this.#fd, offset, buffers);
    this.#writes.ran(before, this.#now(), length);
    return count === length ? undefined : this.#writevRest(offset, buffers, Math.max(0, count));
  }

  #readInPool(offset: number, buffer: Uint8Array, start: number, length: number, done: number): Promise<void> {
    return this.#inFlight.track(this.#pooledRead(offset + done, buffer, start + done, length - done));
  }

  async #pooledRead(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const before = this.#now();
    try {
      const count = await poolRead(this.#fd, offset, buffer, start, length, 1);
      if (count < length) buffer.fill(0, start + count, start + length);
    } catch (error) {
      throw this.#explain('read', error);
    }
    this.#reads.pooled(before, this.#now(), length);
  }

  #writeInPool(offset: number, buffer: Uint8Array, start: number, length: number, done: number): Promise<void> {
    return this.#inFlight.track(this.#pooledWrite(offset + done, buffer, start + done, length - done));
  }

  async #pooledWrite(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const before = this.#now();
    try {
      await poolWrite(this.#fd, offset, buffer, start, length);
    } catch (error) {
      throw this.#explain('write', error);
    }
    this.#writes.pooled(before, this.#now(), length);
  }

  /** What is left of a vectored request after `done` bytes, buffer by buffer. */
  async #readvRest(offset: number, buffers: readonly Uint8Array[], done: number): Promise<void> {
    for (const part of partsAfter(buffers, done)) {
      await this.#readInPool(offset + part.at, part.buffer, part.start, part.buffer.length - part.start, 0);
    }
  }

  async #writevRest(offset: number, buffers: readonly Uint8Array[], done: number): Promise<void> {
    for (const part of partsAfter(buffers, done)) {
      await this.#writeInPool(offset + part.at, part.buffer, part.start, part.buffer.length - part.start, 0);
    }
  }
}

/** The buffers that lie beyond the first `done` bytes; the first one from where it goes on. */
function* partsAfter(buffers: readonly Uint8Array[], done: number): Generator<{ at: number; buffer: Uint8Array; start: number }> {
  let at = 0;
  for (const buffer of buffers) {
    const start = Math.max(0, done - at);
    if (start < buffer.length) yield { at: at + start, buffer, start };
    at += buffer.length;
  }
}

function totalLength(buffers: readonly Uint8Array[]): number {
  let length = 0;
  for (const buffer of buffers) length += buffer.length;
  return length;
}
