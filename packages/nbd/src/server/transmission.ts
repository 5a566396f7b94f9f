/**
 * The transmission phase of one connection: requests are found in the received bytes, in place, and run at once. Nothing
 * is allocated for a request that the source serves without waiting.
 */
import { Command, REQUEST_BYTES } from '../codec/constants.js';
import { NbdErrno } from '../codec/errno.js';
import { emptyHeader, parseRequest } from '../codec/transmission.js';
import { blockStatusCommand } from './block-status.js';
import { cacheCommand, flushCommand, trimCommand, writeZeroesCommand } from './commands.js';
import { readCommand } from './read.js';
import type { Session } from './session.js';
import type { Slab } from './slab.js';
import { IncomingWrite, writeInPlace, writeProblem } from './write.js';

export class Transmission {
  /** Set by `NBD_CMD_DISC`: the client wants no more. */
  disconnecting = false;
  /** Set where the client broke the protocol: the connection has to be cut. */
  violation: string | undefined;
  readonly #header = emptyHeader();
  /** A header that arrived in parts. */
  readonly #parts = new Uint8Array(REQUEST_BYTES);
  readonly #partsView = new DataView(this.#parts.buffer);
  #partsLength = 0;
  #write: IncomingWrite | undefined;
  /** Payload of a refused write that is still to come, and the refusal. */
  #skip = 0;
  #skipProblem = 0;
  /** What is left of this turn, in bytes and milliseconds, and when it ends if work goes on. */
  #turnLeft = 0;
  #timeLeft = 0;
  #turnEnd = 0;

  constructor(readonly session: Session) {
    this.beginTurn();
  }

  /** Where the payload of a write continues, if one is being received. */
  target(): Uint8Array | undefined {
    return this.#write?.target();
  }

  /** Notes that `length` bytes were received in `target`. */
  filled(length: number): void {
    const write = this.#write as IncomingWrite;
    this.#turnLeft -= length;
    write.filled(length);
    if (write.complete) this.#write = undefined;
  }

  /** Starts a turn: after `turnBytes` or `turnTime` of work, `take` stops though there is more to do. */
  beginTurn(): void {
    this.#turnLeft = this.session.limits.turnBytes;
    this.#timeLeft = this.session.limits.turnTime;
  }

  /** Surround work: only work counts, not the time between two wake-ups. */
  beginWork(): void {
    this.#turnEnd = performance.now() + this.#timeLeft;
  }
  endWork(): void {
    this.#timeLeft = this.#turnEnd - performance.now();
  }

  get turnOver(): boolean {
    return this.#turnLeft <= 0 || this.#timeLeft < 0;
  }

  /**
   * Takes received bytes `[start, end)` and gives back where it stopped: `end`, or the first byte that has to wait for
   * memory or for the next turn. `slab` is what the bytes lie in, where they lie in one.
   */
  take(bytes: Uint8Array, view: DataView, slab: Slab | undefined, start: number, end: number): number {
    const { session } = this;
    let at = start;
    let requests = 0;
    while (at < end && !this.disconnecting && this.violation === undefined) {
      if (this.#skip > 0) {
        at = this.#skipPayload(at, end);
        continue;
      }
      if (session.full || this.#turnLeft <= 0 || ((++requests & 7) === 0 && performance.now() > this.#turnEnd)) return at;
      if (this.#write !== undefined) {
        const taken = this.#write.take(bytes, at, end);
        this.#turnLeft -= taken;
        at += taken;
        if (this.#write.complete) this.#write = undefined;
        continue;
      }
      let valid: boolean;
      if (this.#partsLength === 0 && end - at >= REQUEST_BYTES) {
        valid = parseRequest(view, at, this.#header);
        at += REQUEST_BYTES;
      } else {
        const piece = Math.min(REQUEST_BYTES - this.#partsLength, end - at);
        this.#parts.set(bytes.subarray(at, at + piece), this.#partsLength);
        this.#partsLength += piece;
        at += piece;
        if (this.#partsLength < REQUEST_BYTES) return at;
        this.#partsLength = 0;
        valid = parseRequest(this.#partsView, 0, this.#header);
      }
      if (!valid) this.violation = 'bad magic of a request';
      else at = this.#run(bytes, slab, at, end);
    }
    return at;
  }

  /** The client is gone. */
  abandon(): void {
    this.#write?.abandon();
    this.#write = undefined;
  }

  #run(bytes: Uint8Array, slab: Slab | undefined, at: number, end: number): number {
    const { session } = this;
    const header = this.#header;
    switch (header.command) {
      case Command.Read:
        this.#turnLeft -= header.length;
        readCommand(session, header);
        return at;
      case Command.Write:
        return this.#startWrite(bytes, slab, at, end);
      case Command.Disconnect:
        this.disconnecting = true;
        return at;
      case Command.Flush:
        flushCommand(session, header);
        return at;
      case Command.Trim:
        trimCommand(session, header);
        return at;
      case Command.Cache:
        cacheCommand(session, header);
        return at;
      case Command.WriteZeroes:
        writeZeroesCommand(session, header);
        return at;
      case Command.BlockStatus:
        blockStatusCommand(session, header);
        return at;
      default:
        session.refuse(header.cookieHigh, header.cookieLow, NbdErrno.EINVAL, `Unknown command ${header.command}`);
        return at;
    }
  }

  #startWrite(bytes: Uint8Array, slab: Slab | undefined, at: number, end: number): number {
    const { session } = this;
    const header = this.#header;
    const { length } = header;
    if (length > session.limits.maxPayload) {
      this.violation = `a write of ${length} bytes; at most ${session.limits.maxPayload} are allowed`;
      return at;
    }
    const problem = writeProblem(session, header);
    if (problem !== 0) {
      this.#skipProblem = problem;
      this.#skip = length;
      return this.#skipPayload(at, end);
    }
    if (length === 0) {
      session.ok(header.cookieHigh, header.cookieLow);
      return at;
    }
    if (end - at >= length) {
      this.#turnLeft -= length;
      writeInPlace(session, header, slab ?? bytes, at);
      return at + length;
    }
    this.#write = new IncomingWrite(session, header);
    if (at < end) at += this.#write.take(bytes, at, end);
    return at;
  }

  #skipPayload(at: number, end: number): number {
    const piece = Math.min(this.#skip, end - at);
    this.#skip -= piece;
    if (this.#skip === 0) {
      const { cookieHigh, cookieLow } = this.#header;
      this.session.refuse(cookieHigh, cookieLow, this.#skipProblem, this.session.explain(this.#header, this.#skipProblem));
    }
    return at + piece;
  }
}
