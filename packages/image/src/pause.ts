/** Long work on the event loop: it lets others run now and then, and can be called off. */

/** Milliseconds of work between two pauses; short enough for signals, progress and other clients. */
const SLICE = 10;

/** Paces one operation. Look with `due` in every round; wait for `pause` when it says so. */
export class Pace {
  /** Kept: the global one is looked up anew, and slowly, each time. */
  readonly #clock = performance;
  #began = this.#clock.now();

  constructor(private readonly signal: AbortSignal | undefined) {}

  /** Whether it is time to pause. Throws the signal's reason once it was aborted. */
  due(): boolean {
    this.signal?.throwIfAborted();
    return this.#clock.now() - this.#began > SLICE;
  }

  /** One turn of the event loop. */
  async pause(): Promise<void> {
    await new Promise<void>(nextTurn);
    this.#began = this.#clock.now();
    this.signal?.throwIfAborted();
  }
}

/** Calls back in the next turn of the event loop. */
export function nextTurn(callback: () => void): void {
  if (typeof setImmediate === 'function') setImmediate(callback);
  else setTimeout(callback, 0);
}

/** How far a piece of work is; bytes. */
export interface Progress {
  (done: number, total: number): void;
  /** Nothing is counted beforehand, which can cost a look through all maps: `done` and `total` are places on the disk, zeroes and all. */
  readonly rough?: boolean;
}
