import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { BlockGraph, ManualClock, wait } from '../src/index.js';

describe('a clock that stands still', () => {
  it('runs each timer at its own time, those of one time in order', () => {
    const clock = new ManualClock();
    const ran: string[] = [];
    const note = (name: string) => () => void ran.push(`${name}@${clock.now()}`);
    clock.timer(2, note('b'));
    clock.timer(1, () => {
      note('a')();
      clock.timer(0.5, note('in between'));
    });
    clock.timer(2, note('c'));
    clock.advance(999_999);
    expect(ran).toEqual([]);
    expect(clock.deadline).toBe(1_000_000);
    clock.advance(1_000_001);
    expect(ran).toEqual(['a@1000000', 'in between@1500000', 'b@2000000', 'c@2000000']);
    expect([clock.now(), clock.pending, clock.deadline]).toEqual([2_000_000, 0, undefined]);
  });

  it('forgets a timer that was taken back, and never goes back itself', () => {
    const clock = new ManualClock();
    let ran = false;
    const cancel = clock.timer(1, () => (ran = true));
    clock.advanceTo(500_000);
    cancel();
    cancel();
    clock.advanceTo(5_000_000);
    clock.advanceTo(1);
    expect([ran, clock.now()]).toEqual([false, 5_000_000]);
  });
});

describe('the clock of a graph', () => {
  it('is the host’s own, whatever that is, unless another was handed in', () => {
    const host = { now: () => 42, timer: () => () => undefined };
    expect(new BlockGraph({ drivers: [], host }).host.clock.now()).toBe(42);
    const clock = new ManualClock();
    const graph = new BlockGraph({ drivers: [], host: { ...host, clock } });
    expect([graph.host.clock.now(), graph.host.now()]).toEqual([0, 42]);
    expect(new BlockGraph({ drivers: [] }).host.clock.now()).toBeGreaterThan(0);
  });
});

describe('waiting', () => {
  it('ends with the time or with the signal, and leaves one listener there for all, and none afterwards', async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const ended: number[] = [];
    const waits = Array.from({ length: 30 }, async (_, number) => {
      await wait(clock, number + 1, stop.signal);
      ended.push(number);
    });
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
    clock.advance(10e6);
    await Promise.all(waits.slice(0, 10));
    expect([ended.length, clock.pending]).toEqual([10, 20]);
    stop.abort();
    await Promise.all(waits);
    expect([clock.pending, getEventListeners(stop.signal, 'abort').length]).toEqual([0, 0]);
    await wait(clock, 1, stop.signal);
    expect([clock.pending, getEventListeners(stop.signal, 'abort').length]).toEqual([0, 0]);
  });
});
