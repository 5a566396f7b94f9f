/** What counts as time that something took. */
import { ManualClock } from '@blk/core-graph';
import { expect, it } from 'vitest';
import { timeLimit } from '../src/index.js';

const ns = (ms: number): number => ms * 1e6;

it('a limit is over when its time is, and not once it was taken back', () => {
  const clock = new ManualClock();
  let over = 0;
  timeLimit(clock, 8000, () => { over++; });
  const cancel = timeLimit(clock, 8000, () => { over += 10; });
  clock.advance(ns(7999));
  expect(over).toBe(0);
  cancel();
  clock.advance(ns(1));
  expect([over, clock.pending]).toEqual([1, 0]);
});

it('what a stopped program did not see of it counts as a quarter at most', () => {
  const timers: { readonly ms: number; readonly callback: () => void }[] = [];
  let over = false;
  timeLimit({ timer: (ms, callback) => { timers.push({ ms, callback }); return () => undefined; } }, 8000, () => { over = true; });
  // However late each one comes, the next is counted from there.
  for (let part = 1; part <= 4; part++) {
    expect([over, timers.map(({ ms }) => ms)]).toEqual([false, [2000]]);
    timers.pop()?.callback();
  }
  expect([over, timers.length]).toEqual([true, 0]);
});
