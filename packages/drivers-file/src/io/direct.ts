/**
 * Transfers past the page cache (O_DIRECT), where every request waits for the device.
 *
 * Requests of one turn are gathered: a single one is made on the event loop while the device is quick, since a wake-up
 * costs more than the wait; several go to the kernel's ring in one call, or to the thread pool where there is no ring.
 * Offsets, lengths and addresses are multiples of the device's alignment.
 */
import type { Calls } from '../native/native.js';
import type { Explain, FileIo } from './file-io.js';
import { InFlight } from './in-flight.js';
import { DIRECT, Pace } from './pace.js';
import { poolRead, poolWrite } from './pool.js';
import type { RingQueue, RingRequest } from './ring-queue.js';
import type { Turns } from './turns.js';

/** What a wait for the device costs of a turn, in bytes of its account: sixteen of them fill it. */
const COST = 65536;

export interface DirectOptions {
  readonly fd: number;
  readonly alignment: number;
  readonly calls: Calls;
  /** Undefined: the thread pool instead. Released by `close`. */
  readonly ring: RingQueue | undefined;
  readonly turns: Turns;
  readonly explain: Explain;
  /** Nanoseconds. */
  readonly now: () => number;
}

/** One object for a request, from the call to the ring: at this rate every further one is felt. */
class Transfer implements RingRequest {
  constructor(
    readonly write: boolean,
    readonly fd: number,
    readonly offset: number,
    readonly buffer: Uint8Array,
    readonly start: number,
    readonly length: number,
    readonly resolve: () => void,
    readonly reject: (error: unknown) => void,
    private readonly ended: (transfer: Transfer, count: number) => void,
  ) {}

  done(count: number): void {
    this.ended(this, count);
  }
}

export class DirectIo implements FileIo {
  readonly #pace = new Pace(DIRECT);
  readonly #inFlight = new InFlight();
  #batch: Transfer[] = [];
  #underWay = 0;

  constructor(private readonly options: DirectOptions) {}

  read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    return this.#add(false, offset, buffer, start, length);
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    return this.#add(true, offset, buffer, start, length);
  }

  idle(): Promise<void> {
    return this.#inFlight.idle();
  }

  close(): void {
    this.options.ring?.release();
  }

  #add(write: boolean, offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    this.#inFlight.begin();
    return new Promise<void>((resolve, reject) => {
      const transfer = new Transfer(write, this.options.fd, offset, buffer, start, length, resolve, reject, this.#ended);
      if (this.#batch.push(transfer) === 1) queueMicrotask(this.#flush);
    });
  }

  #finish(transfer: Transfer): void {
    this.#inFlight.end();
    transfer.resolve();
  }

  readonly #flush = (): void => {
    const batch = this.#batch;
    this.#batch = [];
    const [only] = batch;
    if (only !== undefined && batch.length === 1 && this.#underWay === 0 && this.#pace.onLoop) {
      if (this.options.turns.take(COST)) this.#here(only);
      else void this.options.turns.wait(COST).then(() => { this.#here(only); });
      return;
    }
    for (const transfer of batch) this.#start(transfer, batch.length === 1);
    this.options.ring?.submit();
  };

  #here(transfer: Transfer): void {
    const { fd, calls, now } = this.options;
    const { write, offset, buffer, start, length } = transfer;
    const before = now();
    const count = write ? calls.write(fd, offset, buffer, start, length) : calls.read(fd, offset, buffer, start, length);
    this.#pace.ran(before, now(), length);
    if (count === length) this.#finish(transfer);
    else void this.#inPool(transfer, Math.max(0, count));
  }

  #start(transfer: Transfer, alone: boolean): void {
    const { ring } = this.options;
    // Also without a row of requests: only requests that are alone say how long the device takes for one.
    if (ring === undefined || (alone && this.#underWay === 0)) {
      void this.#inPool(transfer, 0);
      return;
    }
    this.#underWay++;
    ring.add(transfer);
  }

  /** The ring is done with a transfer. */
  readonly #ended = (transfer: Transfer, count: number): void => {
    this.#underWay--;
    if (count === transfer.length) this.#finish(transfer);
    else void this.#inPool(transfer, Math.max(0, count));
  };

  /** The rest of a transfer after `done` bytes, and whatever error it meets. */
  async #inPool(transfer: Transfer, done: number): Promise<void> {
    const { fd, alignment, explain, now } = this.options;
    const { write, buffer } = transfer;
    const { offset, start, length } = { offset: transfer.offset + done, start: transfer.start + done, length: transfer.length - done };
    const alone = this.#underWay++ === 0;
    const before = now();
    try {
      if (write) await poolWrite(fd, offset, buffer, start, length);
      else if (done % alignment !== 0) buffer.fill(0, start, start + length);
      else {
        const count = await poolRead(fd, offset, buffer, start, length, alignment);
        if (count < length) buffer.fill(0, start + count, start + length);
      }
      if (alone) this.#pace.pooled(before, now(), length);
      this.#finish(transfer);
    } catch (error) {
      this.#inFlight.end();
      transfer.reject(explain(write ? 'write' : 'read', error));
    } finally {
      this.#underWay--;
    }
  }
}
