/**
 * The way to the peers on a segment, as small as can be: libxseg behind koffi is one, and tests have another. Whose turn it is, how long an answer may
 * take and what it must say is decided in front of it.
 */
import type { Op } from './protocol.js';

/** A port of ours on a segment. */
export interface XsegTransport {
  /**
   * Copies a request into the segment, queues it at its peer, and wakes that. The result stands for the request until its answer was released;
   * undefined: the segment has no room for it now. Throws a `BlockError` where the peer's port takes none.
   */
  submit(request: XsegRequest): number | undefined;
  /** The next answer, lent until it is released; undefined: there is none now. */
  receive(): XsegReply | undefined;
  /** Wakes a peer once more, and asks once more to be woken: either may have got lost. */
  nudge(port: number): void;
  /** Gives the port back. `unanswered`: requests are still with a peer, which will write into them. */
  close(unanswered: boolean): Promise<void>;
}

export interface XsegRequest {
  /** Of the peer. */
  readonly port: number;
  readonly op: Op;
  /** Name of the volume. */
  readonly target: Uint8Array;
  /** Bytes into the volume; the new size for `truncate`. */
  readonly offset: number;
  /** Bytes to read or to write. */
  readonly size: number;
  /** Bytes of the request's data. */
  readonly length: number;
  /** What the data is: `from[start, start + length)`. Absent: room for the answer. */
  readonly from?: Uint8Array | undefined;
  readonly start: number;
}

export interface XsegReply {
  /** As `submit` gave it. */
  readonly id: number;
  /** Bits of `State`. */
  readonly state: number;
  /** Bytes read or written. */
  readonly serviced: number;
  /** Bytes of data. */
  readonly length: number;
  /** Copies the first `length` bytes of the data to `into[start, start + length)`. */
  copy(into: Uint8Array, start: number, length: number): void;
  /** Gives the request's memory back to the segment; called once. */
  release(): void;
}

/**
 * Joins a segment and binds a port. `wake` is called whenever answers may be there, at the latest when one is, and may be called in vain; it is not called
 * before this settled, nor after `close`, nor by any verb of the transport.
 */
export type OpenTransport = (segment: string, wake: () => void) => Promise<XsegTransport>;
