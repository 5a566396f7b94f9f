/** One request under way: a slot of the connection, used again and again, with the header that it sends. */
import type { BlockError } from '@blk/core-graph';
import { REQUEST_BYTES } from '../codec/constants.js';

/** A run of one context of a block status reply. */
export interface StatusRuns {
  readonly contextId: number;
  /** Lengths and flags in turn. */
  readonly runs: readonly number[];
}

/** Parts of one reply that lie apart; servers of good will send them in order, and few. */
const MOST_PIECES = 1024;

export class Request {
  readonly header = new Uint8Array(REQUEST_BYTES);
  readonly view = new DataView(this.header.buffer);
  /** Counts the uses of the slot: a late reply to an earlier use is no reply to this one. */
  generation = 0;
  command = 0;
  offset = 0;
  length = 0;
  /** Where a read goes. */
  buffer: Uint8Array | undefined;
  start = 0;
  error: BlockError | undefined;
  statuses: StatusRuns[] = [];
  resolve!: () => void;
  reject!: (error: Error) => void;
  /** Error chunks of the reply so far. */
  errors = 0;
  /** Bytes that came in order from the start; what came elsewhere is in `#pieces`, those that touch joined. */
  #covered = 0;
  #pieces: { readonly from: number; readonly to: number }[] = [];

  constructor(readonly index: number) {}

  begin(command: number, offset: number, length: number, buffer: Uint8Array | undefined, start: number): void {
    this.generation = (this.generation + 1) >>> 0;
    this.command = command;
    this.offset = offset;
    this.length = length;
    this.buffer = buffer;
    this.start = start;
    this.error = undefined;
    this.statuses = [];
    this.errors = 0;
    this.#covered = 0;
    this.#pieces = [];
  }

  /** Notes that `[from, to)`, counted from the request's start, was told. False where it was told before, or all lies in too many pieces. */
  cover(from: number, to: number): boolean {
    if (from === this.#covered && this.#pieces.length === 0) {
      this.#covered = to;
      return true;
    }
    if (from < this.#covered || this.#pieces.some((piece) => from < piece.to && piece.from < to)) return false;
    const before = this.#pieces.find((piece) => piece.to === from);
    const behind = this.#pieces.find((piece) => piece.from === to);
    if (before !== undefined || behind !== undefined) this.#pieces = this.#pieces.filter((piece) => piece !== before && piece !== behind);
    this.#pieces.push({ from: before?.from ?? from, to: behind?.to ?? to });
    return this.#pieces.length <= MOST_PIECES;
  }

  /** Every byte was told, each once. */
  get complete(): boolean {
    return this.#pieces.reduce((sum, { from, to }) => sum + to - from, this.#covered) === this.length;
  }
}
