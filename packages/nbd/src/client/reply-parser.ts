/**
 * Takes replies apart as they come in, in whatever pieces, and hands payloads of reads to their place. Every byte is hostile:
 * what is not a reply to a request of ours, or not as the protocol wants it, ends the connection by a throw.
 */
import { BlockError, strerror } from '@blk/core-graph';
import { printable } from '@blk/remote';
import { Chunk, CHUNK_BYTES, Command, Magic, ReplyFlag, SIMPLE_REPLY_BYTES } from '../codec/constants.js';
import { errnoOfNbd } from '../codec/errno.js';
import { Reader } from '../codec/handshake.js';
import type { Request } from './request.js';

export interface ReplyHost {
  readonly structured: boolean;
  /** The server has agreed to tell of this one. */
  hasContext(id: number): boolean;
  /** The request under way with this cookie, or undefined. */
  find(high: number, low: number): Request | undefined;
  /** The request has got all of its reply. */
  finished(request: Request): void;
}

/** Longest payload of a chunk that is no data: an error's text, or status runs. */
const MAX_SMALL = 1024 * 1024;

/** Error chunks in one reply: a read may fail in several places. */
const MOST_ERRORS = 1024;

/** Smallest rest of a payload that is worth a read into its own place. */
const DIRECT = 4096;
/** After a payload of so many bytes the next one is expected to be long too. */
const LONG = 128 * 1024;
/** Bytes that are read with the head of a long one: those of the payload are copied once more. */
const HEAD_SPACE = 4096;

export class ReplyParser {
  readonly #head = new Uint8Array(32);
  readonly #view = new DataView(this.#head.buffer);
  readonly #space = new Uint8Array(64 * 1024);
  readonly #headSpace = this.#space.subarray(0, HEAD_SPACE);
  #state: 'magic' | 'simple' | 'chunk' | 'offset' | 'data' | 'small' = 'magic';
  #have = 0;
  #need = 4;
  #request: Request | undefined;
  #last = false;
  #long = false;
  #type = 0;
  /** Payload that goes into the request's buffer: place and rest, in bytes. */
  #at = 0;
  #left = 0;
  #small = this.#head;

  constructor(private readonly host: ReplyHost) {}

  /** Where the next bytes go. */
  space(): Uint8Array {
    const buffer = this.#state === 'data' && this.#left >= DIRECT ? this.#request?.buffer : undefined;
    if (buffer === undefined) return this.#long ? this.#headSpace : this.#space;
    return buffer.subarray(this.#at, this.#at + this.#left);
  }

  /** Takes the first `length` bytes of `bytes`. Throws at the first that is wrong. */
  received(bytes: Uint8Array, length: number): void {
    const target = this.#state === 'data' ? this.#request?.buffer : undefined;
    if (target !== undefined && bytes.buffer === target.buffer && bytes.byteOffset === target.byteOffset + this.#at) {
      this.#filled(length);
      return;
    }
    for (let at = 0; at < length; ) {
      if (this.#state === 'data') {
        const piece = Math.min(this.#left, length - at);
        this.#request?.buffer?.set(bytes.subarray(at, at + piece), this.#at);
        at += piece;
        this.#filled(piece);
        continue;
      }
      const piece = Math.min(this.#need - this.#have, length - at);
      this.#small.set(bytes.subarray(at, at + piece), this.#have);
      this.#have += piece;
      at += piece;
      if (this.#have === this.#need) this.#complete();
    }
  }

  #filled(length: number): void {
    this.#at += length;
    this.#left -= length;
    if (this.#left === 0) this.#endOfChunk();
  }

  #complete(): void {
    switch (this.#state) {
      case 'magic':
        this.#magic();
        break;
      case 'simple':
        this.#simple();
        break;
      case 'chunk':
        this.#chunk();
        break;
      case 'offset':
        this.#data(this.#view.getUint32(CHUNK_BYTES) * 2 ** 32 + this.#view.getUint32(CHUNK_BYTES + 4));
        break;
      case 'small':
        this.#payload(this.#small.subarray(0, this.#need));
        this.#endOfChunk();
    }
  }

  #expect(state: 'magic' | 'simple' | 'chunk' | 'offset', need: number): void {
    this.#state = state;
    this.#need = need;
  }

  #next(): void {
    this.#request = undefined;
    this.#small = this.#head;
    this.#have = 0;
    this.#expect('magic', 4);
  }

  #magic(): void {
    const magic = this.#view.getUint32(0);
    if (magic === Magic.SimpleReply) this.#expect('simple', SIMPLE_REPLY_BYTES);
    else if (magic !== Magic.StructuredReply) throw violation(`invalid magic 0x${magic.toString(16)} of a reply`);
    else if (!this.host.structured) throw violation('a structured reply, which was not agreed on');
    else this.#expect('chunk', CHUNK_BYTES);
  }

  #find(): Request {
    const high = this.#view.getUint32(8);
    const low = this.#view.getUint32(12);
    const request = this.host.find(high, low);
    if (request === undefined) throw violation(`a reply to a request that was not made (cookie 0x${high.toString(16)}:0x${low.toString(16)})`);
    return request;
  }

  #simple(): void {
    const request = this.#find();
    const error = this.#view.getUint32(4);
    this.#request = request;
    this.#last = true;
    if (error !== 0) {
      request.error = failure(error, '');
      this.#endOfChunk();
    } else if (request.command === Command.BlockStatus) throw violation('a simple reply to a request for block status');
    else if (request.command !== Command.Read) this.#endOfChunk();
    else if (this.host.structured) throw violation('a simple reply to a read, where a structured one was agreed on');
    else this.#dataFor(request, 0, request.length);
  }

  #chunk(): void {
    const request = this.#find();
    const flags = this.#view.getUint16(4);
    const length = this.#view.getUint32(16);
    this.#request = request;
    this.#last = (flags & ReplyFlag.Done) !== 0;
    this.#type = this.#view.getUint16(6);
    if (this.#type === Chunk.OffsetData) {
      if (length <= 8) throw violation(`a data chunk of ${length} bytes`);
      this.#left = length - 8;
      this.#expect('offset', CHUNK_BYTES + 8);
      return;
    }
    if (this.#type === Chunk.None && (!this.#last || length !== 0)) throw violation('a chunk without content that does not end its reply');
    if (length > MAX_SMALL) throw violation(`a chunk of ${length} bytes; at most ${MAX_SMALL} are taken`);
    if (length === 0) {
      if (this.#type !== Chunk.None) throw violation(`an empty chunk of type ${this.#type}`);
      this.#endOfChunk();
      return;
    }
    this.#small = length <= this.#head.length ? this.#head : new Uint8Array(length);
    this.#state = 'small';
    this.#have = 0;
    this.#need = length;
  }

  #data(offset: number): void {
    const request = this.#request as Request;
    if (request.command !== Command.Read) throw violation('data in a reply to a request that reads none');
    const from = offset - request.offset;
    if (from < 0 || from + this.#left > request.length) throw violation(`data for ${this.#left} bytes at ${offset}, outside of the request`);
    this.#dataFor(request, from, this.#left);
  }

  #dataFor(request: Request, from: number, length: number): void {
    if (!request.cover(from, from + length)) throw violation('data for bytes that were sent before, or in too many pieces');
    this.#state = 'data';
    this.#at = request.start + from;
    this.#left = length;
    this.#long = length >= LONG;
    if (length === 0) this.#endOfChunk();
  }

  #payload(data: Uint8Array): void {
    const request = this.#request as Request;
    const reader = new Reader(data);
    if (this.#type === Chunk.OffsetHole) {
      const from = reader.u64() - request.offset;
      const length = reader.u32();
      reader.end();
      if (request.command !== Command.Read) throw violation('a hole in a reply to a request that reads nothing');
      if (length === 0 || from < 0 || from + length > request.length) throw violation('a hole outside of the request');
      if (!request.cover(from, from + length)) throw violation('a hole for bytes that were sent before, or in too many pieces');
      request.buffer?.fill(0, request.start + from, request.start + from + length);
    } else if (this.#type === Chunk.BlockStatus) this.#status(request, reader);
    else if (this.#type >= ERROR_CHUNKS) {
      const error = reader.u32();
      if (error === 0) throw violation('an error chunk without an error');
      if (++request.errors > MOST_ERRORS) throw violation(`more than ${MOST_ERRORS} errors in one reply`);
      request.error ??= failure(error, reader.text(reader.u16()));
    } else throw violation(`a chunk of unknown type ${this.#type}`);
  }

  #status(request: Request, reader: Reader): void {
    if (request.command !== Command.BlockStatus) throw violation('block status in a reply to another request');
    if (reader.left < 12 || (reader.left - 4) % 8 !== 0) throw violation(`a block status chunk of ${reader.left} bytes`);
    const contextId = reader.u32();
    if (!this.host.hasContext(contextId)) throw violation(`block status of context ${contextId}, which was not agreed on`);
    if (request.statuses.some((status) => status.contextId === contextId)) throw violation('two answers for one context');
    const runs: number[] = [];
    let total = 0;
    while (reader.left > 0) {
      const length = reader.u32();
      // Only the last run may go beyond the request.
      if (length === 0 || total >= request.length) throw violation('block status for bytes that were not asked about');
      total += length;
      runs.push(length, reader.u32());
    }
    request.statuses.push({ contextId, runs });
  }

  #endOfChunk(): void {
    const request = this.#request as Request;
    const last = this.#last;
    this.#next();
    if (!last) return;
    if (request.error === undefined) {
      if (request.command === Command.Read && !request.complete) throw violation('a reply to a read that leaves bytes out');
      if (request.command === Command.BlockStatus && request.statuses.length === 0) throw violation('a reply without block status');
    }
    this.host.finished(request);
  }
}

/** Characters of a server's text that are shown. */
const LONGEST_TEXT = 1000;

/** Types from here on are errors. */
const ERROR_CHUNKS = 0x8000;

function failure(number: number, message: string): BlockError {
  const code = errnoOfNbd(number);
  return new BlockError('io', message === '' ? `Server failed the request: ${strerror(code)}` : `Server failed the request: ${printable(message, LONGEST_TEXT)}`, { code });
}

function violation(what: string): BlockError {
  return new BlockError('io', `Protocol error: server sent ${what}`, { reason: 'nbd/protocol' });
}
