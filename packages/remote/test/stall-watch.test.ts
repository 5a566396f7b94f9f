/** When a server counts as hanging, under a clock that stands still. */
import { ManualClock } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { StallWatch } from '../src/index.js';

const LIMIT = 8000;
/** Bytes in that time that are movement. */
const ENOUGH = 8 * 1024;
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
    const most = 100 * ENOUGH;
    for (state.waiting = 100; state.left < most; state.left += ENOUGH, state.waiting += 2 * ENOUGH) clock.advance(ns(LIMIT * 0.9));
    expect(state.stalls).toBe(0);
    // Now they wait, and none leaves.
    for (let i = 0; i < 2; i++) {
      state.waiting += 1000;
      clock.advance(ns(LIMIT * 0.7));
    }
    expect(state.stalls).toBe(1);
    expect(clock.pending).toBe(0);
  });

  it('takes bytes that come for movement where there are enough of them, and an answer in any case', () => {
    const { clock, watch, state } = watched();
    watch.begin();
    for (let i = 0; i < 100; i++) {
      clock.advance(ns(LIMIT * 0.9));
      if (i % 2 === 0) watch.answered();
      else watch.moved(ENOUGH);
    }
    // In whatever pieces, at whatever moments.
    for (let i = 0; i < 100; i++) {
      clock.advance(ns(LIMIT / 10));
      watch.moved(ENOUGH / 8);
    }
    expect(state.stalls).toBe(0);
  });

  it.each(['in', 'out'])('takes no trickle for movement that would last for ever (%s)', (way) => {
    const { clock, watch, state } = watched();
    watch.begin();
    state.waiting = 1000;
    for (let i = 0; i < 13; i++) {
      clock.advance(ns(LIMIT / 10));
      if (way === 'in') watch.moved(ENOUGH / 20);
      else state.left += ENOUGH / 20;
    }
    expect(state.stalls).toBe(1);
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
