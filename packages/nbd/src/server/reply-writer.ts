/**
 * Replies of one connection on their way out. They are built one behind the other in slabs, data read straight into
 * place, and leave in one write per wake-up, or sooner where they are long. A request that has to wait takes its place out
 * of the row and puts it back, at the end, when it is done.
 */
import type { Writable } from 'node:stream';
import { SLAB_BYTES, type Slab, type Slabs } from './slab.js';

/** A place in a slab, held by a request under way. */
export interface Region {
  readonly slab: Slab;
  readonly start: number;
}

/** So many bytes leave at once: the other side takes them, and they are still in the processor's cache. */
const EARLY = 256 * 1024;
/**
 * Bytes left free at the start of a slab, which is the start of a page. Data behind the header then begins a cache line
 * further on, at least: a copy from the start of a page to fewer than 32 bytes behind the start of another takes half as long
 * again, or three times as long.
 */
const LEAD = 36;

export class ReplyWriter {
  /** The slab that is being filled; `reserve` may change it. */
  slab: Slab;
  #from = LEAD;
  #at = LEAD;
  #segments: Uint8Array[] = [];
  #segmentBytes = 0;
  /** Slabs of segments that were handed to the socket and are not taken yet, in order. */
  readonly #sending: Slab[] = [];
  /** Calls of the socket that are still to come for segments that are out of `#sending` already. */
  #late = 0;
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
    if (slab.holds === 1 && this.#from === this.#at) this.#from = this.#at = LEAD;
    if (this.#at + bytes > slab.bytes.length) {
      this.#close();
      slab.release();
      this.slab = this.slabs.take(LEAD + bytes);
      this.#from = this.#at = LEAD;
    }
    return this.#at;
  }

  /** Sends the `bytes` from the reserved position with the next `flush`. */
  commit(bytes: number): void {
    this.#at += bytes;
    if (this.#segmentBytes + this.#at - this.#from >= EARLY) this.flush();
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
    if (this.#segmentBytes >= EARLY) this.flush();
  }

  drop(region: Region): void {
    region.slab.release();
  }

  /** Hands everything to the socket. */
  flush(): void {
    this.#close();
    const segments = this.#segments;
    if (segments.length === 0) return;
    this.#segmentBytes = 0;
    if (segments.length === 1) {
      this.socket.write(segments[0], this.#sent);
      segments.length = 0;
    } else {
      this.#segments = [];
      this.socket.cork();
      for (const segment of segments) this.socket.write(segment, this.#sent);
      this.socket.uncork();
    }
    if (this.socket.writableLength === 0) this.#allSent();
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
    this.#segmentBytes += end - start;
    this.#sending.push(slab);
  }

  /** The system has taken everything: slabs come back before the socket says so, and are used again while they are in the cache. */
  #allSent(): void {
    this.#late += this.#sending.length;
    for (const slab of this.#sending.splice(0)) slab.release();
  }

  /** Called by the socket for each segment, in order: taken, or lost with the connection. */
  readonly #sent = (): void => {
    if (this.#late > 0) this.#late--;
    else this.#sending.shift()?.release();
    this.taken();
  };
}
