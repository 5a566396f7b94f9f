/**
 * Takes an answer apart as it comes in, in whatever pieces (RFC 9112): heads before the one that counts, the head, the body by its length,
 * in chunks or until the connection ends. It keeps no more than one line, and copies no byte of the body.
 */
import { HeadReader, Violation, type Head } from './head.js';

/** Bytes of all heads of one answer, and of what may follow its last chunk. */
const LONGEST_HEAD = 64 * 1024;
/** Bytes of the line before a chunk: a number, and extensions that nobody reads. */
const LONGEST_CHUNK_LINE = 1024;
/** Heads that only say that an answer is to come. */
const MOST_INTERIM = 16;
const BEGINNING = 'HTTP/1.';

export class AnswerParser {
  /** What the last step came upon; `more`: nothing, and all bytes are used. */
  found: 'more' | 'head' | 'data' | 'end' = 'more';
  /** There from the moment on that it was found. */
  head: Head | undefined;
  /** Where in the bytes of the last step the found data lie. */
  dataStart = 0;
  dataEnd = 0;
  #state: 'status' | 'fields' | 'data' | 'chunk' | 'chunk-end' | 'trailers' | 'over' = 'status';
  #reader = new HeadReader();
  #line = '';
  #lineBytes = 0;
  #headBytes = 0;
  #interim = 0;
  #left = 0;

  /** Bytes that certainly belong to the body and come next; `filled` may tell of them instead of `step`. */
  get left(): number {
    return this.#state === 'data' ? this.#left : 0;
  }

  /** Some of the answer has come. */
  get begun(): boolean {
    return this.#headBytes > 0 || this.#line !== '';
  }

  /** It lasts until the connection ends, and that would be a good end. */
  get mayEnd(): boolean {
    return this.#state === 'data' && this.head?.body === 'connection';
  }

  /** Looks at `bytes[from, to)` up to the next thing that can be told. Gives back where it stopped. Throws a `Violation`. */
  step(bytes: Uint8Array, from: number, to: number): number {
    this.found = 'more';
    let at = from;
    while (this.#state !== 'over' && this.found === 'more' && at < to) {
      if (this.#state === 'data') return this.#data(at, to);
      at = this.#text(bytes, at, to);
    }
    if (this.#state === 'over' && this.found === 'more') this.found = 'end';
    return at;
  }

  /** The next `length` bytes of the body, `left` at most, have come by another way. */
  filled(length: number): void {
    this.#left -= length;
    if (this.#left === 0) this.#state = this.head?.body === 'chunks' ? 'chunk-end' : 'over';
  }

  #data(from: number, to: number): number {
    const length = Math.min(this.#left, to - from);
    this.dataStart = from;
    this.dataEnd = from + length;
    this.filled(length);
    this.found = 'data';
    return this.dataEnd;
  }

  /** Up to the end of a line, which must not be longer than what is left of the allowed. */
  #text(bytes: Uint8Array, from: number, to: number): number {
    const newline = bytes.subarray(from, to).indexOf(LINE_FEED);
    const end = newline < 0 ? to : from + newline + 1;
    const most = this.#state === 'chunk' || this.#state === 'chunk-end' ? LONGEST_CHUNK_LINE : LONGEST_HEAD - this.#headBytes;
    this.#lineBytes += end - from;
    if (this.#lineBytes > most) throw new Violation(most === LONGEST_CHUNK_LINE ? 'a chunk has no size' : 'its head is too long');
    this.#line += Buffer.from(bytes.buffer, bytes.byteOffset + from, end - from).toString('latin1');
    if (this.#state === 'status' && !this.#line.startsWith(BEGINNING.slice(0, this.#line.length))) throw new Violation('it does not begin with a status');
    if (newline >= 0) this.#endOfLine();
    return end;
  }

  #endOfLine(): void {
    const line = this.#line;
    if (!line.endsWith('\r\n')) throw new Violation('a line does not end as lines do');
    if (this.#state !== 'chunk' && this.#state !== 'chunk-end') this.#headBytes += this.#lineBytes;
    this.#line = '';
    this.#lineBytes = 0;
    this.#take(line.slice(0, -2));
  }

  #take(line: string): void {
    switch (this.#state) {
      case 'status':
        this.#reader.begin(line);
        this.#state = 'fields';
        break;
      case 'fields':
        if (line === '') this.#endOfHead();
        else this.#reader.add(line);
        break;
      case 'chunk':
        this.#beginChunk(line);
        break;
      case 'chunk-end':
        if (line !== '') throw new Violation('a chunk is longer than it says');
        this.#state = 'chunk';
        break;
      default:
        if (line === '') this.#state = 'over';
    }
  }

  #endOfHead(): void {
    const head = this.#reader.end();
    if (head.status === 101) throw new Violation('it goes on in another protocol');
    if (head.status < 200) {
      if (++this.#interim > MOST_INTERIM) throw new Violation('it never comes to the point');
      this.#reader = new HeadReader();
      this.#state = 'status';
      return;
    }
    this.head = head;
    this.found = 'head';
    if (head.body === 'chunks') {
      this.#state = 'chunk';
      this.#headBytes = 0;
    } else {
      this.#left = head.body === 'connection' ? Infinity : head.body;
      this.#state = head.body === 0 ? 'over' : 'data';
    }
  }

  #beginChunk(line: string): void {
    const size = /^([0-9a-f]{1,12})[\t ]*(?:;|$)/i.exec(line)?.[1];
    if (size === undefined) throw new Violation('a chunk has no size');
    this.#left = Number.parseInt(size, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'data';
  }
}

const LINE_FEED = 10;
