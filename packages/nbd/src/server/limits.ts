/** What a client may claim. Each limit ends in the protocol's error or in a disconnect, never in more memory. */
import { DEFAULT_MAX_PAYLOAD } from '../codec/constants.js';

export interface NbdLimits {
  /** Milliseconds from the connection to the first request, TLS included; 0: no limit. */
  readonly handshakeTimeout: number;
  /** Options that one client may send. */
  readonly maxOptions: number;
  /** Longest option that is kept in memory, in bytes; longer ones are skipped and refused. */
  readonly maxOptionBytes: number;
  /** Most queries in one option about metadata contexts. */
  readonly maxQueries: number;
  /** Longest read or write, in bytes. */
  readonly maxPayload: number;
  /** Bytes of requests that wait for the source; beyond it a connection is not read from. */
  readonly maxInFlightBytes: number;
  /** Bytes of replies that the client has not taken; beyond it the same. Small, so that they leave the cache unspoilt. */
  readonly maxUntakenBytes: number;
  /** Requests under way; beyond it a connection is not read from. */
  readonly maxInFlight: number;
  /** Work done for one connection before others get a turn: bytes, and milliseconds. */
  readonly turnBytes: number;
  readonly turnTime: number;
  /** Connections that may wait for a free place when `maxConnections` is reached. */
  readonly maxWaiting: number;
}

export const DEFAULT_LIMITS: NbdLimits = {
  handshakeTimeout: 10_000,
  maxOptions: 1024,
  maxOptionBytes: 64 * 1024,
  maxQueries: 128,
  maxPayload: DEFAULT_MAX_PAYLOAD,
  maxInFlightBytes: 8 * 1024 * 1024,
  maxUntakenBytes: 1024 * 1024,
  maxInFlight: 256,
  turnBytes: 1024 * 1024,
  turnTime: 0.5,
  maxWaiting: 64,
};
