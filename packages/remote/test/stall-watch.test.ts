/** When a server counts as hanging, under a clock that stands still. */
import { ManualClock } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { StallWatch } from '../src/index.js';

const LIMIT = 8000;
const ns = (ms: number): number => ms * 1e6;

interface State {
  waiting: number;
  left: number;
  busy: boolean;
  stalls: number;
}

function watched(): { clock: ManualClock; watch: StallWatch; state: State } {
  const clock = new ManualClock();
  const state: State = { waiting: 0, left: 0, busy: true, stalls: 0 };
  const sending = { waiting: () => state.waiting, left: () => state.left };
  const watch = new StallWatch({ clock, limit: LIMIT, busy: () => state.busy, sending, stalled: () => { state.stalls++; } });
  return { clock, watch, state };
}

describe('the watch', () => {
  it('takes bytes that leave for movement where they had to wait, though more come to wait than leave', () => {
    const { clock, watch, state } = watched();
    watch.begin();
    state.waiting = 100;
    for (state.left = 0; state.left < 100; state.left++, state.waiting++) clock.advance(ns(LIMIT * 0.9));
    expect(state.stalls).toBe(0);
    // Now they wait, and none leaves.
    for (let i = 0; i < 2; i++) {
      state.waiting += 1000;
      clock.advance(ns(LIMIT * 0.7));
    }
    expect(state.stalls).toBe(1);
    expect(clock.pending).toBe(0);
  });

  it('does not take it for movement that the system takes small requests, one after the other', () => {
    const { clock, watch, state } = watched();
    watch.begin();
    for (let i = 0; i < 13; i++) {
      state.left += 28;
      clock.advance(ns(LIMIT / 10));
    }
    expect(state.stalls).toBe(1);
  });

  it('ends when it is told to, and where nothing is under way', () => {
    const { clock, watch, state } = watched();
    watch.begin();
    watch.stop();
    clock.advance(ns(LIMIT * 10));
    expect([clock.pending, state.stalls]).toEqual([0, 0]);
    watch.begin();
    state.busy = false;
    clock.advance(ns(LIMIT * 10));
    expect([clock.pending, state.stalls]).toEqual([0, 0]);
  });
});
