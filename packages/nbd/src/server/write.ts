/**
 * `NBD_CMD_WRITE`: a payload that lies whole in the received bytes is written from there; a longer one is received into
 * buffers of its own and written piece by piece while the rest is still on its way.
 */
import { WriteFlag } from '@blk/core-graph';
import { CommandFlag } from '../codec/constants.js';
import { NbdErrno } from '../codec/errno.js';
import type { RequestHeader } from '../codec/transmission.js';
import type { Session } from './session.js';
import type { Slab } from './slab.js';

/** What is wrong with a write, before its payload: the answer comes after the payload, which is skipped. */
export function writeProblem(session: Session, header: RequestHeader): number {
  const problem = session.problem(header, CommandFlag.Fua, NbdErrno.ENOSPC);
  return problem === 0 && !session.target.writable ? NbdErrno.EPERM : problem;
}

/** Writes a payload that lies at `start` of `slab`. */
export function writeInPlace(session: Session, header: RequestHeader, slab: Slab | Uint8Array, start: number): void {
  const { offset, length, cookieHigh, cookieLow } = header;
  const flags = (header.flags & CommandFlag.Fua) === 0 ? 0 : WriteFlag.Fua;
  let done;
  try {
    done = session.source.write(offset, slab instanceof Uint8Array ? slab : slab.bytes, start, length, flags);
  } catch (error) {
    session.failed(cookieHigh, cookieLow, error);
    return;
  }
  if (done === undefined) session.ok(cookieHigh, cookieLow);
  else void pendingWrite(session, done, slab, cookieHigh, cookieLow, length);
}

async function pendingWrite(
  session: Session,
  done: Promise<void>,
  slab: Slab | Uint8Array,
  cookieHigh: number,
  cookieLow: number,
  length: number,
): Promise<void> {
  if (!(slab instanceof Uint8Array)) slab.holds++;
  session.begin(length);
  try {
    await done;
    session.ok(cookieHigh, cookieLow);
  } catch (error) {
    session.failed(cookieHigh, cookieLow, error);
  } finally {
    if (!(slab instanceof Uint8Array)) slab.release();
    session.end(length);
  }
}

/** Longest piece of a payload, in bytes. Pieces are cut at multiples of it, so that none needs padding below. */
const PIECE = 1024 * 1024;

/** A write whose payload is still arriving. */
export class IncomingWrite {
  readonly #cookieHigh: number;
  readonly #cookieLow: number;
  readonly #fua: boolean;
  /** Where the next piece goes, and the bytes of the request from there on. */
  #offset: number;
  #left: number;
  #piece: Slab | undefined;
  #pieceLength = 0;
  #filled = 0;
  #pending = 0;
  #pieces = 0;
  #error: unknown;
  #failed = false;
  #abandoned = false;

  constructor(
    private readonly session: Session,
    header: RequestHeader,
  ) {
    this.#cookieHigh = header.cookieHigh;
    this.#cookieLow = header.cookieLow;
    this.#fua = (header.flags & CommandFlag.Fua) !== 0;
    this.#offset = header.offset;
    this.#left = header.length;
    // Counts as a request from its first byte, so that a shutdown waits for what was begun.
    session.begin(0);
    this.#nextPiece();
  }

  /** Whether the whole payload was received. */
  get complete(): boolean {
    return this.#left === 0;
  }

  /** The place for the bytes that are missing in this piece. */
  target(): Uint8Array {
    return (this.#piece as Slab).bytes.subarray(this.#filled, this.#pieceLength);
  }

  /** Copies what belongs to the payload and gives back how much that was. */
  take(bytes: Uint8Array, start: number, end: number): number {
    const length = Math.min(this.#pieceLength - this.#filled, end - start);
    (this.#piece as Slab).bytes.set(bytes.subarray(start, start + length), this.#filled);
    this.filled(length);
    return length;
  }

  /** Notes that `length` bytes were received in `target`. */
  filled(length: number): void {
    this.#filled += length;
    if (this.#filled === this.#pieceLength) this.#writePiece();
  }

  /** The client is gone: what is missing will not come. */
  abandon(): void {
    if (this.complete || this.#abandoned) return;
    this.#abandoned = true;
    this.#piece?.release();
    this.#piece = undefined;
    if (this.#pending === 0) this.session.end(0);
  }

  #nextPiece(): void {
    this.#pieceLength = Math.min(this.#left, PIECE - (this.#offset % PIECE));
    this.#filled = 0;
    this.#piece ??= this.session.slabs.take(this.#pieceLength);
    if (this.#piece.bytes.length < this.#pieceLength) {
      this.#piece.release();
      this.#piece = this.session.slabs.take(this.#pieceLength);
    }
  }

  #writePiece(): void {
    const slab = this.#piece as Slab;
    const length = this.#pieceLength;
    const offset = this.#offset;
    this.#offset += length;
    this.#left -= length;
    const last = this.#left === 0;
    const flags = this.#fua && last && this.#pieces === 0 ? WriteFlag.Fua : 0;
    this.#pieces++;
    let done;
    if (!this.#failed) {
      try {
        done = this.session.source.write(offset, slab.bytes, 0, length, flags);
      } catch (error) {
        this.#fail(error);
      }
    }
    if (done !== undefined) {
      this.#piece = undefined;
      void this.#wait(done, slab, length);
    }
    if (!last) this.#nextPiece();
    else {
      this.#piece?.release();
      this.#piece = undefined;
      if (this.#pending === 0) this.#finish();
    }
  }

  async #wait(done: Promise<void>, slab: Slab, length: number): Promise<void> {
    this.#pending++;
    this.session.begin(length);
    try {
      await done;
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#pending--;
      slab.release();
      if (this.#pending === 0 && this.complete) this.#finish();
      else if (this.#pending === 0 && this.#abandoned) this.session.end(0);
      this.session.end(length);
    }
  }

  #fail(error: unknown): void {
    if (!this.#failed) this.#error = error;
    this.#failed = true;
  }

  #finish(): void {
    // Several pieces are made durable together.
    if (this.#fua && this.#pieces > 1 && !this.#failed) {
      try {
        const done = this.session.source.flush();
        if (done !== undefined) {
          void this.#flushed(done);
          return;
        }
      } catch (error) {
        this.#fail(error);
      }
    }
    this.#reply();
  }

  async #flushed(done: Promise<void>): Promise<void> {
    try {
      await done;
    } catch (error) {
      this.#fail(error);
    }
    this.#reply();
  }

  #reply(): void {
    if (this.#failed) this.session.failed(this.#cookieHigh, this.#cookieLow, this.#error);
    else this.session.ok(this.#cookieHigh, this.#cookieLow);
    this.session.end(0);
  }
}
