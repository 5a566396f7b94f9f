/**
 * Bounds the work that is done on the event loop without a pause, so that monitors and other clients stay live.
 *
 * After about 1 MiB, or as many small requests as take as long, further requests wait for the next turn of the loop. The
 * account is not settled by time: a look at the clock for every request would cost more than a turn for every 256.
 */
const BYTES_PER_TURN = 1024 * 1024;
/** What a request costs at least, in bytes of the account: the time of a system call. */
const SMALLEST = 4096;

export class Turns {
  #spent = 0;
  #head = 0;
  readonly #waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];

  /** Whether `bytes` may be moved at once; they are charged then. */
  take(bytes: number): boolean {
    if (this.#spent >= BYTES_PER_TURN || this.#waiting.length > 0) return false;
    this.#spent += bytes < SMALLEST ? SMALLEST : bytes;
    return true;
  }

  /** Whether somebody waits for his turn. */
  get busy(): boolean {
    return this.#waiting.length > 0;
  }

  /** Resolves when `bytes` may be moved, charged already. In the order of the calls. */
  wait(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, resolve });
      if (this.#waiting.length === 1) setImmediate(this.#turn);
    });
  }

  readonly #turn = (): void => {
    this.#spent = 0;
    for (;;) {
      const next = this.#waiting[this.#head];
      if (next === undefined) break;
      if (this.#spent >= BYTES_PER_TURN) {
        setImmediate(this.#turn);
        return;
      }
      this.#head++;
      this.#spent += next.bytes < SMALLEST ? SMALLEST : next.bytes;
      next.resolve();
    }
    this.#waiting.length = 0;
    this.#head = 0;
  };
}
