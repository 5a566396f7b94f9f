/** The head of a request in the segment, as libxseg 0.4 lays it out on x86-64: what is read of it, what is written, and how another layout is noticed. */
import { lacking } from '../errors.js';
import type { XsegRequest } from '../transport.js';
import type { Xseg } from './library.js';

/** Bytes of the head that matter here. */
const BYTES = 80;
const OFFSET = 8;
const SIZE = 16;
const SERVICED = 24;
const DATA = 40;
const DATA_LENGTH = 48;
const TARGET = 56;
const TARGET_LENGTH = 64;
const OP = 68;
const STATE = 72;
const FLAGS = 76;

/** A copy of one request's head, used anew for each. */
export class RequestHeader {
  // Outside the reach of what moves small buffers.
  readonly #bytes = new Uint8Array(new ArrayBuffer(BYTES));
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(private readonly xseg: Xseg) {}

  /** Reads the head of the request at `address`. */
  load(address: number): this {
    this.xseg.peek(address, this.#bytes, 0, BYTES);
    return this;
  }

  /** Writes what a peer has to know into the request at `address`. */
  store(address: number, { op, offset, size }: XsegRequest): void {
    const view = this.#view;
    view.setBigUint64(OFFSET, BigInt(offset), true);
    view.setBigUint64(SIZE, BigInt(size), true);
    view.setBigUint64(SERVICED, 0n, true);
    this.xseg.poke(address + OFFSET, this.#bytes, OFFSET, SERVICED + 8 - OFFSET);
    view.setUint32(OP, op, true);
    view.setUint32(STATE, 0, true);
    view.setUint32(FLAGS, 0, true);
    this.xseg.poke(address + OP, this.#bytes, OP, BYTES - OP);
  }

  get serviced(): number {
    return Number(this.#view.getBigUint64(SERVICED, true));
  }

  get state(): number {
    return this.#view.getUint32(STATE, true);
  }

  get dataLength(): number {
    return Number(this.#view.getBigUint64(DATA_LENGTH, true));
  }

  /**
   * Throws where a request that was just prepared does not say here what it was prepared for: before anything was written to a place where something
   * else may be. `data` and `target`: their addresses, as the library gives them.
   */
  check(expected: { readonly targetLength: number; readonly length: number; readonly data: number; readonly target: number }): void {
    const lengths = this.dataLength === expected.length && this.#view.getUint32(TARGET_LENGTH, true) === expected.targetLength;
    const apart = this.#view.getBigUint64(DATA, true) - this.#view.getBigUint64(TARGET, true);
    if (!lengths || apart !== BigInt(expected.data) - BigInt(expected.target)) throw lacking(' 0.4; the library that was found lays requests out in another way');
  }
}
