/** What the commands of one connection share: the export, the way to answer, and the count of what is under way. */
import { messageOf } from '@blk/core-graph';
import { ReplyFlag, Chunk, CHUNK_BYTES, MAX_STRING, SIMPLE_REPLY_BYTES } from '../codec/constants.js';
import { nbdErrnoOf, NbdErrno } from '../codec/errno.js';
import { utf8 } from '../codec/handshake.js';
import { putChunk, putErrorChunk, putSimpleReply, type RequestHeader } from '../codec/transmission.js';
import type { ExportSource, NbdExport } from './export.js';
import type { NbdLimits } from './limits.js';
import type { Agreement, SelectedContext } from './negotiation.js';
import type { ReplyWriter } from './reply-writer.js';
import type { Slabs } from './slab.js';

export class Session {
  readonly target: NbdExport;
  readonly source: ExportSource;
  readonly structured: boolean;
  readonly contexts: readonly SelectedContext[];
  /** Requests and bytes of memory that wait for the source. */
  inFlight = 0;
  inFlightBytes = 0;
  /** Requests get `ESHUTDOWN`. */
  draining = false;
  /** Resolves when the last request for block status so far is answered. */
  statuses: Promise<void> = Promise.resolve();
  #statusTurnEnd = 0;
  #waiting: (() => void)[] = [];

  /** `settled` is called whenever a request that had to wait is done. */
  constructor(
    agreement: Agreement,
    readonly out: ReplyWriter,
    readonly slabs: Slabs,
    readonly limits: NbdLimits,
    private readonly settled: () => void,
  ) {
    this.target = agreement.target;
    this.source = agreement.target.source;
    this.structured = agreement.structured;
    this.contexts = agreement.contexts;
  }

  /** Whether requests or replies take so much memory that nothing more may be accepted. */
  get full(): boolean {
    const { inFlight, inFlightBytes, limits } = this;
    return inFlight >= limits.maxInFlight || inFlightBytes >= limits.maxInFlightBytes || this.out.pendingBytes >= limits.maxUntakenBytes;
  }

  begin(bytes: number): void {
    this.inFlight++;
    this.inFlightBytes += bytes;
  }

  end(bytes: number): void {
    this.inFlight--;
    this.inFlightBytes -= bytes;
    this.settled();
  }

  /**
   * Sends what is ready and gives others their turn; resolves when the client has taken most of it. False: the client is
   * gone.
   */
  async room(): Promise<boolean> {
    this.out.flush();
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (!this.out.closed && this.out.pendingBytes >= this.limits.maxUntakenBytes) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return !this.out.closed;
  }

  /** Gives others their turn where block status has taken its own; else undefined. */
  statusTurn(): Promise<void> | undefined {
    if (performance.now() < this.#statusTurnEnd) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#statusTurnEnd = performance.now() + this.limits.turnTime;
        resolve();
      });
    });
  }

  /** Called when the client took something, or left. */
  taken(): void {
    if (this.#waiting.length === 0 || (this.out.pendingBytes >= this.limits.maxUntakenBytes && !this.out.closed)) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Success without data. */
  ok(cookieHigh: number, cookieLow: number): void {
    const at = this.out.reserve(SIMPLE_REPLY_BYTES);
    putSimpleReply(this.out.slab.view, at, 0, cookieHigh, cookieLow);
    this.out.commit(SIMPLE_REPLY_BYTES);
  }

  /** The end of a structured reply that succeeded. */
  done(cookieHigh: number, cookieLow: number): void {
    const at = this.out.reserve(CHUNK_BYTES);
    putChunk(this.out.slab.view, at, ReplyFlag.Done, Chunk.None, cookieHigh, cookieLow, 0);
    this.out.commit(CHUNK_BYTES);
  }

  /** Failure of a request by a thrown value. */
  failed(cookieHigh: number, cookieLow: number, error: unknown): void {
    this.refuse(cookieHigh, cookieLow, nbdErrnoOf(error), messageOf(error));
  }

  /** Failure with a number of `NbdErrno`, and words for clients that take structured replies. */
  refuse(cookieHigh: number, cookieLow: number, errno: number, message: string): void {
    const { out } = this;
    if (!this.structured) {
      const at = out.reserve(SIMPLE_REPLY_BYTES);
      putSimpleReply(out.slab.view, at, errno, cookieHigh, cookieLow);
      out.commit(SIMPLE_REPLY_BYTES);
      return;
    }
    const text = utf8(message.slice(0, MAX_STRING / 4));
    const header = CHUNK_BYTES + 6;
    const at = out.reserve(header + text.length);
    putErrorChunk(out.slab.view, at, cookieHigh, cookieLow, errno, text.length);
    out.slab.bytes.set(text, at + header);
    out.commit(header + text.length);
  }

  /** Checks flags and range of a request. False after a refusal; `beyond` is the error past the end of the export. */
  accepts(header: RequestHeader, flags: number, beyond: number): boolean {
    const problem = this.problem(header, flags, beyond);
    if (problem === 0) return true;
    this.refuse(header.cookieHigh, header.cookieLow, problem, this.explain(header, problem));
    return false;
  }

  /** Words for what `problem` found. */
  explain(header: RequestHeader, problem: number): string {
    const { command, flags, offset, length } = header;
    const { size } = this.source;
    if (problem === NbdErrno.ESHUTDOWN) return 'Server is shutting down';
    if (problem === NbdErrno.EPERM) return 'Export is read-only';
    if (offset + length > size) return `Request at ${offset} of ${length} bytes passes the end of the export at ${size}`;
    return `Flags 0x${flags.toString(16)} are not allowed with command ${command}`;
  }

  /** The number of what is wrong with a request, or 0. */
  problem(header: RequestHeader, flags: number, beyond: number): number {
    if (this.draining) return NbdErrno.ESHUTDOWN;
    if ((header.flags & ~flags) !== 0) return NbdErrno.EINVAL;
    if (header.offset + header.length > this.source.size) return beyond;
    return 0;
  }

  /** Refuses a change of a read-only export. */
  writable(header: RequestHeader): boolean {
    if (this.target.writable) return true;
    this.refuse(header.cookieHigh, header.cookieLow, NbdErrno.EPERM, 'Export is read-only');
    return false;
  }
}
