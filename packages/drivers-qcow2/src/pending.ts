/** Several completions at once: nothing settles before all of them have, so that no buffer is in use afterwards. */
import type { Completion } from '@blk/core-graph';

/** Waits for all, then throws the first error there was. */
export async function settleAll(pending: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(pending)) if (result.status === 'rejected') throw result.reason;
}

/** Waits for all, then throws `error`, as one that came first. */
export async function settleThenThrow(pending: readonly Promise<unknown>[], error: unknown): Promise<never> {
  await Promise.allSettled(pending);
  throw error;
}

/** Starts `work` on every item, without a promise where each is done at once. */
export function forAll<T>(items: readonly T[], work: (item: T) => Completion): Completion {
  let pending: Promise<void>[] | undefined;
  try {
    for (const item of items) {
      const done = work(item);
      if (done !== undefined) (pending ??= []).push(done);
    }
  } catch (error) {
    if (pending === undefined) throw error;
    return settleThenThrow(pending, error);
  }
  if (pending === undefined) return;
  return pending.length === 1 ? pending[0] : settleAll(pending);
}
