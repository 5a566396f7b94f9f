/** The clock that waiting is done by. */

export interface Clock {
  /** Nanoseconds; never goes back. */
  now(): number;
  /** Calls back after `ms` milliseconds, which may have a fraction; the returned function takes the request back. */
  timer(ms: number, callback: () => void): () => void;
}
