/** Which requests of a backend go at once, which wait until they may, and how many are under way. */
import type { Direction, ThrottleMember } from '@blk/throttle';
import type { Completion } from './completion.js';

export class RequestGate {
  #held = 0;
  #inFlight = 0;
  #opened: (() => void)[] = [];
  #idle: (() => void)[] = [];

  constructor(private readonly throttle: ThrottleMember) {}

  /** Requests have to wait: `whenOpen` runs them later. */
  get closed(): boolean {
    return this.#held > 0;
  }
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Holds requests back until `open` was called as often. */
  close(): void {
    // What waits for its limits goes now: a drained section need not last as long as they say.
    this.#held++;
    this.throttle.letThrough();
  }

  open(): void {
    this.throttle.holdBack();
    if (--this.#held > 0) return;
    const waiting = this.#opened;
    this.#opened = [];
    for (const wake of waiting) wake();
  }

  async whenOpen(request: () => Completion): Promise<void> {
    await new Promise<void>((resolve) => this.#opened.push(resolve));
    const done = request();
    if (done !== undefined) await done;
  }

  /** Runs a request when the limits allow it; until then it is under way. */
  async whenAllowed(direction: Direction, length: number, request: () => Completion): Promise<void> {
    this.enter();
    await this.throttle.wait(direction, length);
    // Nobody who waits for an idle backend looks before this turn is over.
    this.leave();
    const done = request();
    if (done !== undefined) await done;
  }

  /** Resolves when no request is under way. */
  async whenIdle(): Promise<void> {
    while (this.#inFlight > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** A request is under way, until `leave`. */
  enter(): void {
    this.#inFlight++;
  }

  leave(): void {
    if (--this.#inFlight > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const wake of waiting) wake();
  }
}
