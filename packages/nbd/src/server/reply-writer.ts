/**
 * Replies of one connection on their way out. They are built one behind the other in slabs, data read straight into
 * place, and leave in one write per wake-up. A request that has to wait takes its place out of the row and puts it back,
 * at the end, when it is done.
 */
import type { Writable } from 'node:stream';
import { SLAB_BYTES, type Slab, type Slabs } from './slab.js';

/** A place in a slab, held by a request under way. */
export interface Region {
  readonly slab: Slab;
  readonly start: number;
}

export class ReplyWriter {
  /** The slab that is being filled; `reserve` may change it. */
  slab: Slab;
  #from = 0;
  #at = 0;
  #segments: Uint8Array[] = [];
  /** Slabs of segments that were handed to the socket and are not taken yet, in order. */
  readonly #sending: Slab[] = [];
  #closed = false;

  constructor(
    private readonly slabs: Slabs,
    private readonly socket: Writable,
    private readonly taken: () => void,
  ) {
    this.slab = slabs.take(SLAB_BYTES);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes that the other side has not taken yet. */
  get pendingBytes(): number {
    return this.socket.writableLength;
  }

  /** Makes room for `bytes` in one piece and gives its position in `slab`; nothing is sent until `commit` or `send`. */
  reserve(bytes: number): number {
    const { slab } = this;
    if (slab.holds === 1 && this.#from === this.#at) this.#from = this.#at = 0;
    if (this.#at + bytes > slab.bytes.length) {
      this.#close();
      slab.release();
      this.slab = this.slabs.take(bytes);
      this.#from = this.#at = 0;
    }
    return this.#at;
  }

  /** Sends the `bytes` from the reserved position with the next `flush`. */
  commit(bytes: number): void {
    this.#at += bytes;
  }

  /** Takes `bytes` from the reserved position out of the row. They belong to the caller until `send` or `drop`. */
  detach(bytes: number): Region {
    this.#close();
    const region = { slab: this.slab, start: this.#at };
    this.slab.holds++;
    this.#at += bytes;
    this.#from = this.#at;
    return region;
  }

  /** Sends the first `bytes` of a region with the next `flush`. */
  send(region: Region, bytes: number): void {
    this.#close();
    this.#push(region.slab, region.start, region.start + bytes);
  }

  drop(region: Region): void {
    region.slab.release();
  }

  /** Hands everything to the socket. */
  flush(): void {
    this.#close();
    const segments = this.#segments;
    if (segments.length === 0) return;
    if (segments.length === 1) {
      this.socket.write(segments[0], this.#sent);
      segments.length = 0;
      return;
    }
    this.#segments = [];
    this.socket.cork();
    for (const segment of segments) this.socket.write(segment, this.#sent);
    this.socket.uncork();
  }

  /** Nothing more will be sent; regions may still come back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#from = this.#at;
    for (let left = this.#segments.length; left > 0; left--) this.#sending.pop()?.release();
    this.#segments = [];
  }

  /** Lets the last slab go; after `close`, and when no request is under way any more. */
  dispose(): void {
    this.slab.release();
  }

  #close(): void {
    if (this.#at === this.#from || this.#closed) {
      this.#from = this.#at;
      return;
    }
    this.slab.holds++;
    this.#push(this.slab, this.#from, this.#at);
    this.#from = this.#at;
  }

  #push(slab: Slab, start: number, end: number): void {
    if (this.#closed) {
      slab.release();
      return;
    }
    this.#segments.push(slab.bytes.subarray(start, end));
    this.#sending.push(slab);
  }

  /** Called by the socket for each segment, in order: taken, or lost with the connection. */
  readonly #sent = (): void => {
    this.#sending.shift()?.release();
    this.taken();
  };
}
