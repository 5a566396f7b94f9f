/** Events on their way from the server to those who listen. */
import type { QmpEventName, QmpEvents } from '@blk/qapi-types';
import { QmpConnectionError } from './errors.js';

export interface QmpTimestamp {
  /** Since 1970; -1 where the server's clock failed. */
  readonly seconds: number;
  readonly microseconds: number;
}

/** An event of the schema. */
export interface QmpEvent<N extends QmpEventName> {
  readonly event: N;
  readonly data: QmpEvents[N];
  readonly timestamp: QmpTimestamp;
}

/** An event as it came; of other servers it may be one that the schema does not know. */
export interface AnyQmpEvent {
  readonly event: string;
  /** Empty where the event has none. */
  readonly data: unknown;
  readonly timestamp: QmpTimestamp;
}

type Listener = (event: AnyQmpEvent) => void;
type EndListener = (error: QmpConnectionError) => void;

/** Events that a slow reader may leave lying before it is told that it lost some. */
const MOST_KEPT = 10_000;

export class EventFeed {
  readonly #listeners = new Set<Listener>();
  readonly #ends = new Set<EndListener>();
  #over: QmpConnectionError | undefined;

  emit(event: AnyQmpEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  end(error: QmpConnectionError): void {
    this.#over = error;
    for (const ended of [...this.#ends]) ended(error);
    this.#listeners.clear();
    this.#ends.clear();
  }

  subscribe(listener: Listener, ended?: EndListener): () => void {
    if (this.#over !== undefined) {
      ended?.(this.#over);
      return () => undefined;
    }
    this.#listeners.add(listener);
    if (ended !== undefined) this.#ends.add(ended);
    return () => {
      this.#listeners.delete(listener);
      if (ended !== undefined) this.#ends.delete(ended);
    };
  }

  /** The next event that `wanted` accepts. */
  next(wanted: (event: AnyQmpEvent) => boolean, signal?: AbortSignal): Promise<AnyQmpEvent> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const abort = (): void => {
        unsubscribe();
        reject(signal?.reason as Error);
      };
      const settled = (): void => {
        unsubscribe();
        signal?.removeEventListener('abort', abort);
      };
      const unsubscribe = this.subscribe(
        (event) => {
          if (!wanted(event)) return;
          settled();
          resolve(event);
        },
        (error) => {
          signal?.removeEventListener('abort', abort);
          reject(error);
        },
      );
      signal?.addEventListener('abort', abort);
    });
  }

  /**
   * All events from now on (not from the first `next` on). Ends with `close`, throws where the connection failed, or where more than
   * 10,000 were waiting to be read.
   */
  all(): AsyncIterableIterator<AnyQmpEvent> {
    const kept: AnyQmpEvent[] = [];
    let over: QmpConnectionError | undefined;
    let wake: (() => void) | undefined;
    const unsubscribe = this.subscribe(
      (event) => {
        if (kept.length < MOST_KEPT) kept.push(event);
        else {
          over = new QmpConnectionError('protocol', `More than ${MOST_KEPT} events were not read`);
          unsubscribe();
        }
        wake?.();
      },
      (error) => {
        over = error;
        wake?.();
      },
    );
    const iterator: AsyncIterableIterator<AnyQmpEvent> = {
      async next() {
        for (;;) {
          const event = kept.shift();
          if (event !== undefined) return { done: false, value: event };
          if (over !== undefined) {
            if (over.failure === 'closed') return { done: true, value: undefined };
            throw over;
          }
          await new Promise<void>((resolve) => (wake = resolve));
        }
      },
      return() {
        unsubscribe();
        kept.length = 0;
        over ??= new QmpConnectionError('closed', 'Nobody listens any more');
        wake?.();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }
}
