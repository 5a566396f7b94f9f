/**
 * The result type of every data-plane verb, and the one way to continue after it.
 *
 * A verb that is done when it returns gives `undefined`; one that has to wait gives a promise. An operation that the
 * page cache and cached tables can serve thus costs a few plain calls: no promise, no closure, no turn of the event
 * loop (docs/decisions/0001-completion.md has the measurements). Errors that are known at once are thrown at once;
 * callers treat a throw and a rejection alike.
 */
export type Completion = void | Promise<void>;

/** A value that is there already, or the promise of one. */
export type MaybePromise<T> = T | Promise<T>;

/** Runs `next` after `done` (a module that exported `then` would be a promise to `import()`): now when `done` is undefined, else when it settles. */
export function andThen(done: Completion, next: () => Completion): Completion {
  return done === undefined ? next() : done.then(next);
}

/** Runs `work`, and `after` when it is done, also where it fails. */
export function andAlways(work: () => Completion, after: () => void): Completion {
  let done: Completion;
  try {
    done = work();
  } catch (error) {
    after();
    throw error;
  }
  if (done !== undefined) return done.finally(after);
  after();
}

/** Whether a maybe-promise has to be waited for. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/**
 * Runs `step` until it returns false, without a promise as long as every step completes at once.
 * `step` returns the completion of its work, or false when there is nothing left to do.
 */
export function repeat(step: () => Completion | false): Completion {
  for (;;) {
    const done = step();
    if (done === false) return;
    if (done !== undefined) return repeatSlow(done, step);
  }
}

async function repeatSlow(first: Promise<void>, step: () => Completion | false): Promise<void> {
  await first;
  for (;;) {
    const done = step();
    if (done === false) return;
    if (done !== undefined) await done;
  }
}
