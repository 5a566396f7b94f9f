/** The event bus: what happened, when, to whom it may concern; with the rate limits that some events have. */

import type { QmpEventName, QmpEvents } from '@blk/qapi-types';

/** An event as it goes over the wire. */
export interface QmpEvent {
  readonly timestamp: { readonly seconds: number; readonly microseconds: number };
  readonly event: string;
  readonly data?: object;
}

/** Time as the bus needs it; tests hand in their own. */
export interface EventClock {
  /** Milliseconds since 1970, with fractions. */
  wallTime(): number;
  /** Calls back after `ms` milliseconds; the returned function takes that back. */
  timer(ms: number, callback: () => void): () => void;
}

/** At most one event of a kind in an interval; of those that come in between the last one is sent at its end. */
export interface EventLimit {
  /** Milliseconds. */
  readonly interval: number;
  /** Events with different keys do not hold each other back. */
  key?(data: Readonly<Record<string, unknown>>): string;
}

/** QEMU's limits, of the events that a block layer has. */
export const EVENT_LIMITS: Readonly<Record<string, EventLimit>> = {
  QUORUM_FAILURE: { interval: 1000, key: (data) => String(data.reference) },
  QUORUM_REPORT_BAD: { interval: 1000, key: (data) => String(data['node-name']) },
};

/** The time of day, and the timers of another clock: whoever owns that one owns the rate limits as well. */
export function eventClock(timers: Pick<EventClock, 'timer'>): EventClock {
  return {
    wallTime: () => performance.timeOrigin + performance.now(),
    timer: (ms, callback) => timers.timer(ms, callback),
  };
}

const platformClock = eventClock({
  timer: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
});

export interface EventBusOptions {
  readonly clock?: EventClock;
  readonly limits?: Readonly<Record<string, EventLimit>>;
}

export class EventBus {
  readonly #clock: EventClock;
  readonly #limits: Readonly<Record<string, EventLimit>>;
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #held = new Map<string, { waiting: QmpEvent | undefined; cancel: () => void }>();

  constructor(options: EventBusOptions = {}) {
    this.#clock = options.clock ?? platformClock;
    this.#limits = options.limits ?? EVENT_LIMITS;
  }

  /** Tells everybody. Events of the schema are typed; others, of commands that a program adds, are not. */
  emit<N extends QmpEventName>(name: N, data: QmpEvents[N]): void;
  emit(name: string, data?: object): void;
  emit(name: string, data?: object): void {
    const now = this.#clock.wallTime();
    const seconds = Math.floor(now / 1000);
    const microseconds = Math.min(999_999, Math.round((now - seconds * 1000) * 1000));
    const event: QmpEvent = { timestamp: { seconds, microseconds }, event: name, ...(data === undefined ? {} : { data }) };
    const limit = Object.hasOwn(this.#limits, name) ? this.#limits[name] : undefined;
    if (limit === undefined) this.#send(event);
    else this.#sendLimited(event, limit);
  }

  /** Calls `listener` for every event from now on, until the returned function is called. */
  subscribe(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets what is held back. */
  close(): void {
    for (const { cancel } of this.#held.values()) cancel();
    this.#held.clear();
  }

  #send(event: QmpEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #sendLimited(event: QmpEvent, limit: EventLimit): void {
    const key = `${event.event} ${limit.key?.((event.data ?? {}) as Record<string, unknown>) ?? ''}`;
    const held = this.#held.get(key);
    if (held !== undefined) {
      held.waiting = event;
      return;
    }
    this.#send(event);
    this.#hold(key, limit.interval);
  }

  #hold(key: string, interval: number): void {
    const cancel = this.#clock.timer(interval, () => {
      const held = this.#held.get(key);
      this.#held.delete(key);
      if (held?.waiting === undefined) return;
      this.#send(held.waiting);
      this.#hold(key, interval);
    });
    this.#held.set(key, { waiting: undefined, cancel });
  }
}
