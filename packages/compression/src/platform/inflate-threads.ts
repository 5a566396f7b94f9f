/**
 * Worker threads that inflate beside the event loop's own thread.
 *
 * Whoever asks does the work himself unless a thread has room for it, so all processors are busy and nobody waits for a
 * queue. Threads start when so much was inflated that it pays, and end when nothing was asked of them for a while.
 */
import { InflateThread, type ThreadFormat } from './inflate-thread.js';

/** Bytes inflated before threads are started: what the start of one costs. */
const WORTH_STARTING = 4 * 1024 * 1024;
const MOST_THREADS = 3;

export class InflateThreads {
  #threads: InflateThread[] = [];
  #inflated = 0;
  #useless = false;

  /**
   * Lets a thread fill `into[start, start + size)`; resolves with how many bytes the stream had. `bytes` is not looked at after the
   * call. Undefined where the caller had better do it himself.
   */
  take(format: ThreadFormat, bytes: Uint8Array, into: Uint8Array, start: number, size: number): Promise<number> | undefined {
    if (this.#threads.length === 0) {
      this.#inflated += size;
      if (this.#inflated < WORTH_STARTING || this.#useless) return undefined;
      this.#start();
    }
    for (const thread of this.#threads) {
      const job = thread.take(format, bytes, into, start, size);
      if (job !== undefined) return job;
    }
    return undefined;
  }

  #start(): void {
    const count = Math.min(process.getBuiltinModule('node:os').availableParallelism() - 1, MOST_THREADS);
    // With one processor there is nothing to gain.
    this.#useless = count < 1;
    for (let i = 0; i < count; i++) {
      this.#threads.push(new InflateThread((thread, failed) => {
        this.#threads = this.#threads.filter((other) => other !== thread);
        this.#inflated = 0;
        this.#useless ||= failed;
      }));
    }
  }
}
