/** How long something may take: time in which this program did not run does not count, as when it was stopped or the machine slept. */
import type { Clock } from '@blk/core-graph';

/** A timer that is late is over at once; of one that is cut in so many parts, only one can be late. */
const PARTS = 4;

/** Calls back after `ms` milliseconds; the returned function takes the request back. */
export function timeLimit(clock: Pick<Clock, 'timer'>, ms: number, callback: () => void): () => void {
  let left = PARTS;
  let cancel: () => void = () => undefined;
  const next = (): void => {
    cancel = clock.timer(ms / PARTS, () => {
      if (--left === 0) callback();
      else next();
    });
  };
  next();
  return () => { cancel(); };
}
