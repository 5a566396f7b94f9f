/** Flushes one after the other, each for all who asked for it before it began. */
import type { Completion } from '@blk/core-graph';

export interface Flushing {
  /** Something has to be written first. */
  dirty(): boolean;
  /** Where nothing has: a flush of what is below. */
  plain(): Completion;
  /** Writes what is dirty at the moment of the call, in its order, and flushes. */
  write(): Promise<void>;
}

export class FlushQueue {
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(private readonly work: Flushing) {}

  /** Puts all that was done before this call on stable storage. */
  flush(): Completion {
    if (this.#running === undefined) return this.work.dirty() ? this.#start() : this.work.plain();
    // One flush that begins after this moment serves all who ask until then.
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#running ?? this.#start();
      });
    return this.#next;
  }

  #start(): Promise<void> {
    const run = this.work.write().finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    this.#running = run;
    return run;
  }
}
