/**
 * A connection that is asked one thing after the other (HTTP/1.1, RFC 9112). Plain ones are read by `onread` of `node:net`, straight into the
 * buffer of whoever reads where that can be; encrypted ones by their events.
 */
import type { HttpResponse } from '../../transport.js';
import { Exchange, type ExchangeHost } from './exchange.js';
import type { Head } from './head.js';

/** What a connection tells whoever keeps it. */
export interface ConnectionKeeper {
  /** It may be asked again. */
  free(connection: Connection): void;
  /** It is of no use any more. */
  gone(connection: Connection): void;
}

/** What is needed of a socket of `node:net`. */
export interface Wire {
  on(event: 'data', listener: (bytes: Uint8Array) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end' | 'close', listener: () => void): unknown;
  write(text: string, encoding: 'latin1'): unknown;
  pause(): unknown;
  resume(): unknown;
  /** What it holds still, though it may have ended; null: nothing. */
  read(): Uint8Array | null;
  ref(): unknown;
  unref(): unknown;
  destroy(): unknown;
  setKeepAlive(enable: boolean, delay: number): unknown;
}

/** Bytes that are read at once where they do not go straight to their place, and those while a head is due, which are copied once more. */
const SPACE = 128 * 1024;
const HEAD_SPACE = 8 * 1024;
/** Milliseconds before a server ends a connection by its own word, from which on it is not asked any more. */
const MARGIN = 1000;
const NOTHING = new Uint8Array(0);

export class Connection implements ExchangeHost {
  /** For a socket that is made: reads it into here. */
  readonly onread = {
    buffer: (): Uint8Array => this.#nextSpace(),
    callback: (length: number, bytes: Uint8Array): boolean => this.#received(bytes, length),
  };
  #socket: Wire | undefined;
  #exchange: Exchange | undefined;
  #explain: (error: unknown) => Error = (error) => error as Error;
  #space: Uint8Array | undefined;
  /** The place of the caller's that the next bytes go to. */
  #direct: Uint8Array | undefined;
  /** What the exchange has not taken yet. */
  #rest: Uint8Array = NOTHING;
  /** The head of an answer that is over, until it is known whether anything followed that nobody asked for. */
  #done: Head | undefined;
  #gone = false;
  /** Requests so far. */
  #asked = 0;
  /** The connection has ended, which the exchange is told when it has taken what came before. */
  #end: { readonly error: unknown } | undefined;
  /** As `performance.now` counts. */
  #usableUntil = Infinity;

  constructor(private readonly keeper: ConnectionKeeper) {}

  /** Takes a socket that is connected. `events`: it is not one that reads by `onread`. */
  use(socket: Wire, { events }: { readonly events: boolean }): void {
    this.#socket = socket;
    if (this.#gone) {
      socket.destroy();
      return;
    }
    if (events) socket.on('data', (bytes) => { if (!this.#received(bytes, bytes.length)) socket.pause(); });
    socket.on('error', (error) => { this.#ended(error); });
    socket.on('end', () => { this.#ended(undefined); });
    socket.on('close', () => { this.#ended(undefined); });
    socket.setKeepAlive(true, 1000);
  }

  /** A server may have given it up by now. */
  get stale(): boolean {
    return this.#gone || performance.now() >= this.#usableUntil;
  }

  /** It was good once, and ended without a word when it was asked again: the server gave it up just then, or at once without having said so. */
  get outlived(): boolean {
    return this.#asked > 1 && this.#exchange?.begun === false;
  }

  /** `request`: all of it, each character a byte. One at a time. */
  ask(request: string, signal: AbortSignal, explain: (error: unknown) => Error): Promise<HttpResponse> {
    this.#explain = explain;
    const exchange = new Exchange(this, signal);
    this.#exchange = exchange;
    this.#asked++;
    this.#socket?.ref();
    if (signal.aborted) exchange.fail(signal.reason as Error);
    else this.#socket?.write(request, 'latin1');
    return exchange.answer;
  }

  goOn(): void {
    const rest = this.#rest;
    this.#rest = NOTHING;
    if (!this.#take(rest, rest.length)) return;
    if (this.#end === undefined) this.#socket?.resume();
    else this.#ended(this.#end.error);
  }

  over(head: Head): void {
    this.#done = head;
  }

  drop(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#socket?.destroy();
    this.keeper.gone(this);
  }

  explain(error: unknown): Error {
    return this.#explain(error);
  }

  #nextSpace(): Uint8Array {
    this.#direct = this.#exchange?.place();
    if (this.#direct !== undefined) return this.#direct;
    this.#space ??= new Uint8Array(SPACE);
    return this.#exchange?.flowing === true ? this.#space : this.#space.subarray(0, HEAD_SPACE);
  }

  /** Gives back whether it may be read on. */
  #received(bytes: Uint8Array, length: number): boolean {
    if (this.#gone) return false;
    if (bytes !== this.#direct) return this.#take(bytes, length);
    this.#direct = undefined;
    this.#exchange?.filled(bytes.subarray(0, length));
    return this.#take(bytes, 0);
  }

  #take(bytes: Uint8Array, length: number): boolean {
    const exchange = this.#exchange;
    const at = exchange?.feed(bytes, 0, length) ?? 0;
    if (this.#gone) return false;
    if (exchange?.paused === true) {
      this.#rest = bytes.subarray(at, length);
      return false;
    }
    if (this.#done !== undefined || exchange === undefined) return this.#endOfAnswer(at < length);
    return true;
  }

  /** Bytes that nobody asked for make the next answer unsure. */
  #endOfAnswer(more: boolean): boolean {
    const head = this.#done;
    this.#done = undefined;
    this.#exchange = undefined;
    if (more || head?.persistent === false) {
      this.drop();
      return false;
    }
    if (head === undefined) return true;
    const [, seconds] = /timeout=(\d{1,9})/i.exec(head.fields.get('keep-alive') ?? '') ?? [];
    this.#usableUntil = seconds === undefined ? Infinity : performance.now() + Number(seconds) * 1000 - MARGIN;
    // The program may end though the connection is open still.
    this.#socket?.unref();
    this.keeper.free(this);
    return true;
  }

  #ended(error: unknown): void {
    if (this.#gone) return;
    if (this.#exchange?.paused === true) {
      this.#end ??= { error };
      this.#keepHeld();
      return;
    }
    this.#exchange?.ended(error);
    this.drop();
  }

  /** An encrypted socket reads on while it is paused, and does not hand out what it has once it has ended. */
  #keepHeld(): void {
    for (let held = this.#socket?.read(); held instanceof Uint8Array; held = this.#socket?.read()) this.#rest = Buffer.concat([this.#rest, held]);
  }
}
