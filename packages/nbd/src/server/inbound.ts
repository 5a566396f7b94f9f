/**
 * Where a connection's bytes are received. One slab is filled again and again from its start; while a part of it is in
 * use by a request under way, what follows goes behind that part, and at last into another slab.
 */
import { SLAB_BYTES, type Slab, type Slabs } from './slab.js';

/** Received bytes that are still to be looked at, from `at` to `end`. */
export interface Received {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where they lie; undefined where they have a buffer of their own. */
  readonly slab: Slab | undefined;
  at: number;
  readonly end: number;
}

export class Inbound {
  slab: Slab;
  #from = 0;
  /** What the last `space` gave out. */
  #given: Uint8Array;
  #givenFrom = 0;

  constructor(private readonly slabs: Slabs) {
    this.slab = slabs.take(SLAB_BYTES);
    this.#given = this.slab.bytes;
  }

  /** Where the next bytes shall go. */
  space(): Uint8Array {
    if (this.slab.holds === 1) this.#from = 0;
    else if (this.slab.bytes.length - this.#from < LEAST) {
      this.slab.release();
      this.slab = this.slabs.take(SLAB_BYTES);
      this.#from = 0;
    }
    if (this.#given.byteOffset !== this.slab.bytes.byteOffset + this.#from || this.#given.buffer !== this.slab.bytes.buffer) {
      this.#given = this.#from === 0 ? this.slab.bytes : this.slab.bytes.subarray(this.#from);
    }
    this.#givenFrom = this.#from;
    return this.#given;
  }

  /** Notes that `length` bytes were received: in what `space` gave last, or, from a 'data' event, in a buffer that nobody uses again. */
  received(bytes: Uint8Array, length: number): Received {
    const { slab } = this;
    if (bytes.buffer !== slab.bytes.buffer) return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, length), slab: undefined, at: 0, end: length };
    const at = this.#givenFrom;
    this.#from = at + length;
    return { bytes: slab.bytes, view: slab.view, slab, at, end: this.#from };
  }

  close(): void {
    this.slab.release();
  }
}

/** Less room than this, in bytes, is not worth a system call. */
const LEAST = 64 * 1024;
