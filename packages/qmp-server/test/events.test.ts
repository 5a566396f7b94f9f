// The event bus: timestamps, and the limits of rate.
import { describe, expect, test } from 'vitest';
import { EventBus, type EventClock, type QmpEvent } from '../src/index.js';

class FakeClock implements EventClock {
  now = 1_795_467_828_390.871;
  readonly timers: { at: number; callback: () => void }[] = [];

  wallTime(): number {
    return this.now;
  }
  timer(ms: number, callback: () => void): () => void {
    const timer = { at: this.now + ms, callback };
    this.timers.push(timer);
    return () => void this.timers.splice(this.timers.indexOf(timer), 1);
  }
  advance(ms: number): void {
    this.now += ms;
    for (const timer of this.timers.filter(({ at }) => at <= this.now)) {
      this.timers.splice(this.timers.indexOf(timer), 1);
      timer.callback();
    }
  }
}

function collect(bus: EventBus): QmpEvent[] {
  const events: QmpEvent[] = [];
  bus.subscribe((event) => events.push(event));
  return events;
}

describe('events', () => {
  test('carry the time in seconds and microseconds', () => {
    const bus = new EventBus({ clock: new FakeClock() });
    const events = collect(bus);
    bus.emit('SHUTDOWN', { guest: false });
    expect(events).toEqual([{ timestamp: { seconds: 1_795_467_828, microseconds: 390_871 }, event: 'SHUTDOWN', data: { guest: false } }]);
  });

  test('with a limit: the first at once, then the last of each interval, each kind by itself', () => {
    const clock = new FakeClock();
    const bus = new EventBus({ clock, limits: { Q: { interval: 1000, key: (data) => String(data.node) } } });
    const events = collect(bus);
    const seen = (): unknown[] => events.splice(0).map(({ data }) => data);
    for (let n = 0; n < 5; n++) bus.emit('Q', { node: 'a', n });
    bus.emit('Q', { node: 'b', n: 0 });
    bus.emit('R', { n: 0 });
    expect(seen()).toEqual([{ node: 'a', n: 0 }, { node: 'b', n: 0 }, { n: 0 }]);
    clock.advance(1000);
    expect(seen()).toEqual([{ node: 'a', n: 4 }]);
    bus.emit('Q', { node: 'a', n: 5 });
    bus.emit('Q', { node: 'b', n: 1 });
    expect(seen()).toEqual([{ node: 'b', n: 1 }]);
    clock.advance(1000);
    expect(seen()).toEqual([{ node: 'a', n: 5 }]);
    clock.advance(1000);
    expect(clock.timers).toEqual([]);
    bus.emit('Q', { node: 'a', n: 6 });
    expect(seen()).toEqual([{ node: 'a', n: 6 }]);
  });

  test('held back ones are forgotten at the end', () => {
    const clock = new FakeClock();
    const bus = new EventBus({ clock, limits: { Q: { interval: 1000 } } });
    const events = collect(bus);
    bus.emit('Q');
    bus.emit('Q');
    bus.close();
    clock.advance(5000);
    expect(events).toHaveLength(1);
  });
});
