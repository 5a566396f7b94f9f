/** One request's answer on a connection: promises towards the driver, bytes towards the connection. */
import type { Completion } from '@blk/core-graph';
import { brokenAnswer } from '../../errors.js';
import type { HttpResponse } from '../../transport.js';
import { AnswerParser } from './answer-parser.js';
import { Violation, type Head } from './head.js';

/** What an exchange asks of its connection. */
export interface ExchangeHost {
  /** The exchange takes bytes again. */
  goOn(): void;
  /** The answer is over; the connection is free, or of no use any more. */
  over(head: Head): void;
  /** Nothing of the answer is wanted any more. */
  drop(): void;
  /** In words what broke the connection. */
  explain(error: unknown): Error;
}

/** A body that nobody wants is read, so that its connection can be used again, unless it is longer than this, or takes so many milliseconds. */
const WORTH_READING = 64 * 1024;
const WORTH_WAITING = 2000;
/**
 * Bytes at the end of a body that do not go straight to their place: read into other memory, they come together with whatever a server sends
 * behind them that nobody asked for, which else would be taken for the next answer.
 */
const TAIL = 2048;
/** Smallest part that is worth a read into its own place. */
const DIRECT = 4096;

type Sink = (chunk: Uint8Array) => Completion;
type Place = () => Uint8Array | undefined;

export class Exchange {
  /** Rejects where there is none. */
  readonly answer: Promise<HttpResponse>;
  /** It takes no bytes for now; `goOn` says when it does. */
  paused = false;
  readonly #parser = new AnswerParser();
  readonly #signal: AbortSignal;
  readonly #abort = (): void => { this.fail(this.#signal.reason as Error); };
  #resolveAnswer!: (response: HttpResponse) => void;
  #rejectAnswer!: (error: Error) => void;
  #sink: Sink | undefined;
  #place: Place | undefined;
  #body: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  /** The sink's work on the last chunk. */
  #taking: Promise<void> | undefined;
  #over = false;
  #failure: Error | undefined;

  constructor(private readonly host: ExchangeHost, signal: AbortSignal) {
    this.#signal = signal;
    this.answer = new Promise((resolve, reject) => {
      this.#resolveAnswer = resolve;
      this.#rejectAnswer = reject;
    });
    signal.addEventListener('abort', this.#abort, { once: true });
  }

  /** Some of the answer has come. */
  get begun(): boolean {
    return this.#parser.begun;
  }

  /** What comes next is body, and somebody takes it. */
  get flowing(): boolean {
    return this.#parser.head !== undefined && !this.paused && !this.#over;
  }

  /** Where the next bytes may go straight to: the caller's own buffer. */
  place(): Uint8Array | undefined {
    if (this.#place === undefined || !this.flowing) return undefined;
    const most = this.#parser.left - TAIL;
    const place = most < DIRECT ? undefined : this.#place();
    if (place === undefined || place.length < DIRECT) return undefined;
    return place.length > most ? place.subarray(0, most) : place;
  }

  /** `bytes` have come, into the place that was given. */
  filled(bytes: Uint8Array): void {
    this.#parser.filled(bytes.length);
    this.#hand(bytes);
  }

  /** Takes `bytes[from, to)`, until it pauses or is over. Gives back where it stopped. */
  feed(bytes: Uint8Array, from: number, to: number): number {
    const parser = this.#parser;
    let at = from;
    try {
      while (!this.paused && !this.#over) {
        at = parser.step(bytes, at, to);
        if (parser.found === 'more') return at;
        if (parser.found === 'head') this.#answered(parser.head as Head);
        else if (parser.found === 'data') this.#hand(bytes.subarray(parser.dataStart, parser.dataEnd));
        else this.#finish();
      }
    } catch (error) {
      this.fail(this.host.explain(error));
    }
    return at;
  }

  /** The connection has ended, by `error` or by itself, and all that had come was taken. */
  ended(error: unknown): void {
    if (this.#over) return;
    if (error === undefined && this.#parser.mayEnd) this.#finish();
    else this.fail(this.host.explain(error ?? this.#cutOff()));
  }

  /** Ends everything that goes on; what the sink has begun to keep is kept before anybody is told. */
  fail(error: Error): void {
    if (this.#over) return;
    this.#end();
    this.#failure = error;
    this.host.drop();
    this.#rejectAnswer(error);
    void (this.#taking ?? Promise.resolve()).then(() => { this.#body?.reject(error); });
  }

  #end(): void {
    this.#over = true;
    this.#signal.removeEventListener('abort', this.#abort);
  }

  #cutOff(): Error {
    if (this.#parser.head !== undefined) return brokenAnswer('broken-off', 'The server closed the connection in the middle of the file');
    if (this.#parser.begun) return new Violation('it ends in the middle of its head');
    return brokenAnswer('no-answer', 'The server closed the connection without an answer');
  }

  #answered(head: Head): void {
    // Until somebody says what is to become of the body.
    this.paused = true;
    this.#resolveAnswer({
      status: head.status,
      delimited: head.body !== 'connection',
      header: (name) => head.fields.get(name),
      body: (sink, place) => this.#read(sink, place),
      cancel: () => { this.#cancel(head.body); },
    });
  }

  #read(sink: Sink, place: Place | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#body = { resolve, reject };
      this.#sink = sink;
      this.#place = place;
      this.#goOn();
    });
  }

  #cancel(body: Head['body']): void {
    if (this.#over) return;
    if (typeof body !== 'number' || body > WORTH_READING) {
      this.fail(brokenAnswer('cancelled', 'Nobody wanted the rest of the answer'));
      return;
    }
    this.#goOn();
    // One that never ends would keep its connection for ever, of which there are few.
    const late = setTimeout(() => { this.fail(brokenAnswer('cancelled', 'The rest of an answer did not come')); }, WORTH_WAITING).unref();
    this.#body = { resolve: () => { clearTimeout(late); }, reject: () => { clearTimeout(late); } };
  }

  #goOn(): void {
    this.paused = false;
    this.host.goOn();
  }

  #hand(chunk: Uint8Array): void {
    try {
      const taken = this.#sink?.(chunk);
      if (taken === undefined) return;
      this.paused = true;
      this.#taking = taken.then(() => { if (!this.#over) this.#goOn(); }, (error: unknown) => { this.fail(error as Error); });
    } catch (error) {
      this.fail(error as Error);
    }
  }

  #finish(): void {
    this.#end();
    this.host.over(this.#parser.head as Head);
    this.#body?.resolve();
  }
}
