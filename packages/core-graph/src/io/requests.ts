/**
 * The requests under way on one node: how many, and which of them exclude others.
 *
 * Only requests that really wait are tracked; one that completed at once cannot overlap with anything. A *serialising*
 * request (read-modify-write, copy-on-read, a job's copy) waits for all that overlap it and makes later ones wait.
 */
import type { Completion } from '../completion.js';

export class TrackedRequest {
  #done: Promise<void> | undefined;
  #settle: (() => void) | undefined;
  #finished = false;

  constructor(
    readonly offset: number,
    readonly end: number,
    readonly serialising: boolean,
    private readonly onFinish: (request: TrackedRequest) => void,
  ) {}

  /** Resolves when the request is finished. Made for those who ask: hardly any request is waited for. */
  get done(): Promise<void> {
    return (this.#done ??= this.#finished ? Promise.resolve() : new Promise<void>((resolve) => (this.#settle = resolve)));
  }

  finish(): void {
    this.#finished = true;
    this.onFinish(this);
    this.#settle?.();
  }
}

export class Requests {
  readonly #active = new Set<TrackedRequest>();
  #serialising = 0;
  #idleWaiters: (() => void)[] = [];

  constructor(private readonly serialisingChanged: () => void) {}

  get inFlight(): number {
    return this.#active.size;
  }

  /** While true, every request has to pass `waitFor` before it starts. */
  get hasSerialising(): boolean {
    return this.#serialising > 0;
  }

  /** Counts a request that is waiting for `work`; the result settles as `work` does. */
  track(work: Promise<void>, offset: number, length: number): Promise<void> {
    const request = this.begin(offset, length, false);
    return work.then(
      () => { request.finish(); },
      (error: unknown) => {
        request.finish();
        throw error;
      },
    );
  }

  begin(offset: number, length: number, serialising: boolean): TrackedRequest {
    const request = new TrackedRequest(offset, offset + length, serialising, this.#finished);
    this.#active.add(request);
    if (serialising && this.#serialising++ === 0) this.serialisingChanged();
    return request;
  }

  readonly #finished = (request: TrackedRequest): void => {
    this.#active.delete(request);
    if (request.serialising && --this.#serialising === 0) this.serialisingChanged();
    if (this.#active.size === 0) this.#wakeIdle();
  };

  /** Waits for the serialising requests that overlap the range. The caller tracks its request in the same turn. */
  waitForSerialising(offset: number, length: number): Completion {
    return this.#overlapping(offset, length, true) === undefined ? undefined : this.#wait(offset, length);
  }

  /**
   * Waits for everything that overlaps the range, then holds the range until `finish`. The caller must not have a request
   * of its own tracked there: it would wait for itself.
   */
  async serialise(offset: number, length: number): Promise<TrackedRequest> {
    for (;;) {
      const blocker = this.#overlapping(offset, length, false);
      // Taken in the same turn as the look: nobody can come between.
      if (!blocker) return this.begin(offset, length, true);
      await blocker.done;
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#active.size > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  async #wait(offset: number, length: number): Promise<void> {
    for (;;) {
      const blocker = this.#overlapping(offset, length, true);
      if (!blocker) return;
      await blocker.done;
    }
  }

  #overlapping(offset: number, length: number, onlySerialising: boolean): TrackedRequest | undefined {
    for (const request of this.#active) {
      if (onlySerialising && !request.serialising) continue;
      if (request.offset < offset + length && offset < request.end) return request;
    }
    return undefined;
  }

  #wakeIdle(): void {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const wake of waiters) wake();
  }
}
