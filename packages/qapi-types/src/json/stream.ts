/**
 * The byte stream of a monitor to JSON values. A scanner finds where a value ends, whatever pieces the bytes come in, and
 * keeps nothing but the bytes of the value that is open; a complete value is then parsed at once.
 *
 * Errors and recovery are QEMU's: after a character that starts no token everything up to the next `{}[]:,` or control
 * character is skipped; a byte that UTF-8 cannot contain (0xFE, 0xFF) ends whatever was open.
 */
import { QmpError } from '../errors.js';
import { afterNumber, Byte, classes, endsToken, State } from './lexer.js';
import { MAX_QUOTED, parseError, parseValue } from './parse-value.js';
import type { JsonLimits, JsonValue } from './value.js';

/** Who gets the values and the errors, in the order of the stream. They must neither throw nor push. */
export interface JsonStreamHandlers {
  onValue(value: JsonValue): void;
  onError(error: QmpError): void;
}

const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

/** An incremental parser for a stream of JSON values, separated by nothing or by blanks. */
export class JsonStream {
  readonly #handlers: JsonStreamHandlers;
  readonly #limits: Required<JsonLimits>;
  #state: State = State.Start;
  /** The bytes of the open value lie in `#kept[0, #keptLength)`. */
  #kept = new Uint8Array(0);
  #keptLength = 0;
  /** Where the open value and the open token start, in the buffer that is being scanned. */
  #valueStart = 0;
  #tokenStart = 0;
  #quote = 0;
  #braces = 0;
  #brackets = 0;
  #tokens = 0;

  constructor(handlers: JsonStreamHandlers, limits: JsonLimits = {}) {
    this.#handlers = handlers;
    this.#limits = { maxBytes: 64 << 20, maxDepth: 1024, maxTokens: 2 << 20, ...limits };
  }

  /** Whether a value has begun that is not complete. */
  get pending(): boolean {
    return this.#tokens > 0 || (this.#state !== State.Start && this.#state !== State.Recovery && this.#state !== State.Skip);
  }

  /** Takes the next bytes; they stay the caller's. Values and errors are handed over before it returns. */
  push(bytes: Uint8Array): void {
    if (this.#keptLength === 0) {
      this.#scan(bytes, 0, bytes.length);
      return;
    }
    // A piece never makes the buffer larger than the limit lets a value be.
    const step = Math.max(1, this.#limits.maxBytes);
    for (let from = 0; from < bytes.length; from += step) {
      const piece = bytes.subarray(from, from + step);
      if (this.#keptLength === 0) {
        this.#scan(piece, 0, piece.length);
        continue;
      }
      const old = this.#keptLength;
      this.#append(piece);
      this.#scan(this.#kept, old, old + piece.length);
    }
  }

  /** The stream is over: what is open is completed if it can be, else it is an error. */
  end(): void {
    const { pending } = this;
    const length = this.#keptLength;
    if (pending && endsToken(this.#state)) this.#token(this.#kept, length);
    else if (pending && this.#state !== State.Start) this.#stray(this.#kept, length - 1);
    if (this.#tokens > 0) this.#handlers.onError(parseError('premature EOI'));
    this.#reset();
    this.#state = State.Start;
    this.#keptLength = 0;
  }

  #append(bytes: Uint8Array): void {
    const length = this.#keptLength + bytes.length;
    if (length > this.#kept.length) {
      const larger = new Uint8Array(Math.max(length, this.#kept.length * 2, 256));
      larger.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = larger;
    }
    this.#kept.set(bytes, this.#keptLength);
    this.#keptLength = length;
  }

  #scan(buffer: Uint8Array, from: number, end: number): void {
    let at = from;
    while (at < end) {
      switch (this.#state) {
        case State.Start:
          at = this.#start(buffer, at);
          break;
        case State.String:
          at = this.#string(buffer, at, end);
          break;
        case State.Escape:
          if (buffer[at] < 0x20 || buffer[at] >= 0xfe) this.#stray(buffer, at);
          else this.#state = State.String;
          at += 1;
          break;
        case State.Keyword:
          while (at < end && (classes[buffer[at]] as Byte) === Byte.Letter) at += 1;
          if (at < end) this.#token(buffer, at);
          break;
        case State.Recovery:
          at = this.#recover(buffer, at);
          break;
        case State.Skip:
          while (at < end && buffer[at] !== 0x0a && buffer[at] !== 0xff) at += 1;
          if (at < end) this.#state = State.Start;
          break;
        default:
          at = this.#number(buffer, at);
      }
    }
    this.#keep(buffer, end);
  }

  /** Between tokens. Returns where to go on. */
  #start(buffer: Uint8Array, at: number): number {
    const kind = classes[buffer[at]] as Byte;
    if (kind === Byte.Blank) return at + 1;
    if (this.#tokens === 0) this.#valueStart = at;
    this.#tokenStart = at;
    switch (kind) {
      case Byte.Other:
        this.#stray(buffer, at);
        return at + 1;
      case Byte.Quote:
        this.#quote = buffer[at]!;
        this.#state = State.String;
        return at + 1;
      case Byte.Letter:
        this.#state = State.Keyword;
        return at + 1;
      case Byte.Minus:
        this.#state = State.Minus;
        return at + 1;
      case Byte.Zero:
        this.#state = State.Zero;
        return at + 1;
      case Byte.Digit:
        this.#state = State.Integer;
        return at + 1;
      case Byte.OpenObject:
        this.#braces += 1;
        break;
      case Byte.CloseObject:
        this.#braces -= 1;
        break;
      case Byte.OpenList:
        this.#brackets += 1;
        break;
      case Byte.CloseList:
        this.#brackets -= 1;
        break;
      case Byte.Separator:
    }
    this.#token(buffer, at + 1);
    return at + 1;
  }

  #string(buffer: Uint8Array, from: number, end: number): number {
    const quote = this.#quote;
    for (let at = from; at < end; at += 1) {
      const code = buffer[at];
      if (code === quote) {
        this.#token(buffer, at + 1);
        return at + 1;
      }
      if (code === 0x5c) {
        this.#state = State.Escape;
        return at + 1;
      }
      if (code < 0x20 || code >= 0xfe) {
        this.#stray(buffer, at);
        return at + 1;
      }
    }
    return end;
  }

  /** One byte within, or right behind, a number. */
  #number(buffer: Uint8Array, at: number): number {
    const code = buffer[at];
    const next = afterNumber(this.#state, code);
    if (next === State.Start) {
      this.#token(buffer, at);
      return at;
    }
    if (next === State.Recovery) this.#stray(buffer, at);
    else this.#state = next;
    return at + 1;
  }

  /** A token ends before `at`; the value too, if it closes everything or closes what was never opened. */
  #token(buffer: Uint8Array, at: number): void {
    this.#state = State.Start;
    this.#tokens += 1;
    const braces = this.#braces;
    const brackets = this.#brackets;
    if (braces + brackets > this.#limits.maxDepth) return this.#refuse('JSON nesting depth limit exceeded');
    if (this.#tokens > this.#limits.maxTokens) return this.#refuse('JSON token count limit exceeded');
    if (at - this.#valueStart > this.#limits.maxBytes) return this.#refuse('JSON token size limit exceeded');
    if (braces > 0 || brackets > 0) {
      if (braces >= 0 && brackets >= 0) return;
    }
    const value = buffer.subarray(this.#valueStart, at);
    this.#reset();
    this.#deliver(value);
  }

  #deliver(bytes: Uint8Array): void {
    let value: JsonValue;
    try {
      value = parseValue(bytes);
    } catch (error) {
      if (!(error instanceof QmpError)) throw error;
      this.#handlers.onError(error);
      return;
    }
    this.#handlers.onValue(value);
  }

  /** The byte at `at` cannot stand there: the open value is lost. */
  #stray(buffer: Uint8Array, at: number): void {
    const text = lenient.decode(buffer.subarray(this.#tokenStart, Math.min(at + 1, this.#tokenStart + MAX_QUOTED)));
    this.#reset();
    this.#state = State.Recovery;
    this.#handlers.onError(parseError(`stray '${text.split('\0', 1)[0]}'`));
  }

  #recover(buffer: Uint8Array, at: number): number {
    const code = buffer[at];
    const kind = classes[code] as Byte;
    const structural = kind >= Byte.OpenObject && kind <= Byte.Separator;
    if (!structural && (code >= 0x20 || code === 0x09) && code < 0xfe) return at + 1;
    this.#state = State.Start;
    return at;
  }

  #refuse(desc: string): void {
    this.#reset();
    this.#state = State.Skip;
    this.#handlers.onError(new QmpError('GenericError', desc));
  }

  #reset(): void {
    this.#braces = 0;
    this.#brackets = 0;
    this.#tokens = 0;
  }

  /** Holds on to the bytes of the open value, if there is one, until the next push. */
  #keep(buffer: Uint8Array, end: number): void {
    if (this.pending && end - this.#valueStart > this.#limits.maxBytes) this.#refuse('JSON token size limit exceeded');
    if (!this.pending) {
      this.#keptLength = 0;
      if (this.#kept.length > KEEP_CAPACITY) this.#kept = new Uint8Array(0);
      return;
    }
    const start = this.#valueStart;
    if (buffer === this.#kept) {
      if (start === 0) return;
      this.#kept.copyWithin(0, start, end);
      this.#keptLength = end - start;
    } else {
      this.#keptLength = 0;
      this.#append(buffer.subarray(start, end));
    }
    this.#tokenStart -= start;
    this.#valueStart = 0;
  }
}

/** A buffer that had to grow beyond this is given back once its value is done. */
const KEEP_CAPACITY = 64 << 10;
