/** One ring of the kernel's for all files of a driver: slots for requests under way, and a queue where there is none. */
import { promisify } from 'node:util';
import type { Ring } from '../native/native.js';

/**
 * How long after a completion the next one is looked for in every turn of the event loop, in nanoseconds. Being notified
 * takes two threads, and leaves a fast device idle meanwhile; looking in vain takes the processor. So the time follows the
 * device: it grows while completions come within the longest one, and shrinks when they do not.
 */
const SHORTEST_POLL = 50_000;
const LONGEST_POLL = 500_000;

const nextTurn = promisify(setImmediate);

/** A transfer, and who wants to know of its end. */
export interface RingRequest {
  readonly write: boolean;
  readonly fd: number;
  readonly offset: number;
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly length: number;
  /** Gets the count, or the negative errno. */
  done(count: number): void;
}

export class RingQueue {
  /** What the kernel works on, by id; it also keeps the buffers alive. */
  readonly #slots: (RingRequest | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #backlog: RingRequest[] = [];
  #underWay = 0;
  #waiting = false;
  #users = 0;
  /** When something last finished, or was begun after nothing was under way. */
  #since = 0;
  #poll = SHORTEST_POLL;

  constructor(
    private readonly ring: Ring,
    /** Nanoseconds. */
    private readonly now: () => number,
    private readonly closed: () => void,
  ) {
    ring.notify(false);
    for (let id = ring.entries - 1; id >= 0; id--) this.#free.push(id);
  }

  acquire(): this {
    this.#users++;
    return this;
  }

  /** Closes the ring when its last user lets go; nothing of his is under way then. */
  release(): void {
    if (--this.#users > 0) return;
    this.closed();
    if (!this.#waiting) this.ring.close();
  }

  /** Queues a transfer for the next `submit`. */
  add(request: RingRequest): void {
    if (this.#free.length > 0) this.#put(request);
    else this.#backlog.push(request);
  }

  submit(): void {
    this.#reap();
    for (;;) {
      const failed = this.ring.submit();
      // The kernel is short of memory for the moment; what it did not take waits with us.
      if (failed < 0) setImmediate(() => { this.submit(); });
      if (this.#backlog.length === 0 || this.#free.length === 0 || failed < 0) break;
      while (this.#backlog.length > 0 && this.#free.length > 0) this.#put(this.#backlog.shift() as RingRequest);
    }
    if (this.#underWay > 0 && !this.#waiting) void this.#wait();
  }

  #put(request: RingRequest): void {
    const id = this.#free.pop() as number;
    this.#slots[id] = request;
    this.#underWay++;
    const { write, fd, offset, buffer, start, length } = request;
    this.ring.queue(id, write, fd, offset, buffer, start, length);
  }

  readonly #finished = (id: number, count: number): void => {
    const request = this.#slots[id];
    this.#slots[id] = undefined;
    this.#free.push(id);
    this.#underWay--;
    request?.done(count);
  };

  #reap(): void {
    const before = this.#underWay;
    this.ring.reap(this.#finished);
    if (this.#underWay === before) return;
    const now = this.now();
    const gap = now - this.#since;
    this.#since = now;
    if (gap > LONGEST_POLL) this.#poll = Math.max(SHORTEST_POLL, this.#poll / 2);
    else if (gap > this.#poll / 2) this.#poll = Math.min(LONGEST_POLL, this.#poll * 2);
  }

  async #wait(): Promise<void> {
    this.#waiting = true;
    this.#since = this.now();
    while (this.#underWay > 0) {
      if (this.now() - this.#since < this.#poll) await nextTurn();
      else {
        this.ring.notify(true);
        // What finished before it took effect.
        this.#reap();
        if (this.#underWay > 0) await this.ring.wait();
        this.ring.notify(false);
      }
      this.#reap();
      if (this.#backlog.length > 0) this.submit();
    }
    this.#waiting = false;
    if (this.#users === 0) this.ring.close();
  }
}
