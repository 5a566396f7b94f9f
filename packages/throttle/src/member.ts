/** One of those that share a group's limits: a device, a filter. It keeps its requests that wait, in their order. */
import type { ThrottleGroup } from './group.js';
import type { Direction } from './meter.js';

/** A request that waits. */
export interface Waiting {
  readonly direction: Direction;
  readonly bytes: number;
  readonly go: () => void;
}

export class ThrottleMember {
  readonly #queues: Readonly<Record<Direction, Waiting[]>> = { read: [], write: [] };
  #group: ThrottleGroup | undefined;
  #open = 0;

  /** The group whose limits hold; undefined for none. */
  get group(): ThrottleGroup | undefined {
    return this.#group;
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#queues.read.length + this.#queues.write.length;
  }

  /** Whether everything is let through at the moment. */
  get letsThrough(): boolean {
    return this.#open > 0;
  }

  /** Counts a request, if it may go at once; else it has to `wait`. */
  admit(direction: Direction, bytes: number): boolean {
    const group = this.#group;
    return group === undefined || group.admit(this, direction, bytes);
  }

  /**
   * Resolves when a request that was not admitted may go; it has been counted by then. Rejects with the signal's reason
   * when that is aborted first: the request is then no longer waiting.
   */
  wait(direction: Direction, bytes: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue = this.#queues[direction];
      const waiting: Waiting = {
        direction,
        bytes,
        go: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = (): void => {
        queue.splice(queue.indexOf(waiting), 1);
        this.#group?.pump();
        reject(signal?.reason as Error);
      };
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      signal?.addEventListener('abort', abort, { once: true });
      queue.push(waiting);
      if (this.#group === undefined) this.#release();
      else this.#group.pump();
    });
  }

  /** Joins a group, and leaves the one before; undefined: none. Requests that wait go on waiting in the new one. */
  join(group: ThrottleGroup | undefined): void {
    const before = this.#group;
    if (before === group) return;
    this.#group = group;
    before?.left(this);
    if (group === undefined) this.#release();
    else group.joined(this);
  }

  /** Lets everything through, what waits too, until `holdBack` was called as often. It is counted all the same. */
  letThrough(): void {
    this.#open++;
    this.#release();
  }

  holdBack(): void {
    this.#open--;
  }

  /** Part of the group's machinery, like what follows: whether something waits. */
  has(direction: Direction): boolean {
    return this.#queues[direction].length > 0;
  }

  /** Takes out the first that waits. */
  next(direction: Direction): Waiting | undefined {
    return this.#queues[direction].shift();
  }

  #release(): void {
    for (const direction of ['read', 'write'] as const) {
      for (let waiting = this.next(direction); waiting !== undefined; waiting = this.next(direction)) {
        this.#group?.count(waiting);
        waiting.go();
      }
    }
    this.#group?.pump();
  }
}
