/** Several completions at once: nothing settles before all of them have, so that no buffer is in use afterwards. */
import type { Completion } from '@blk/core-graph';

/** Collects completions; what is thrown at once counts as one of them. */
export class Pending {
  #promises: Promise<void>[] | undefined;
  #failed = false;
  #error: unknown;

  /** One has failed at once: what would come next is not started. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Starts one more, unless one has failed already. */
  add(start: () => Completion): void {
    if (this.#failed) return;
    try {
      const done = start();
      if (done !== undefined) (this.#promises ??= []).push(done);
    } catch (error) {
      this.#failed = true;
      this.#error = error;
    }
  }

  /** All of them; throws the first error there was. */
  end(): Completion {
    if (this.#promises !== undefined) return this.#settle(this.#promises);
    if (this.#failed) throw this.#error;
  }

  async #settle(promises: readonly Promise<void>[]): Promise<void> {
    const results = await Promise.allSettled(promises);
    if (this.#failed) throw this.#error;
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}

/** A completion as a promise, for what is done seldom. */
export async function settled(completion: Completion): Promise<void> {
  if (completion !== undefined) await completion;
}
