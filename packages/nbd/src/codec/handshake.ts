/** Messages of the handshake, both ways: greeting, options, replies to options and their payloads. */
import { BlockError } from '@blk/core-graph';
import { HandshakeFlag, Info, Magic, MAX_STRING, OPTION_BYTES, OPTION_REPLY_BYTES } from './constants.js';

/** Bytes being put together, big-endian. */
export class Writer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }
  u16(value: number): this {
    this.#view.setUint16(this.#at, value);
    this.#at += 2;
    return this;
  }
  u32(value: number): this {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
    return this;
  }
  u64(value: number): this {
    return this.u32(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32);
  }
  raw(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }
}

/** Untrusted bytes being taken apart, big-endian; reading past the end throws kind `invalid-argument`. */
export class Reader {
  readonly #view: DataView;
  #at = 0;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  get left(): number {
    return this.bytes.length - this.#at;
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }
  /** Throws where the number is beyond 2^53 - 1: no size that this side could handle. */
  u64(): number {
    const value = this.u32() * 2 ** 32 + this.u32();
    if (value > Number.MAX_SAFE_INTEGER) throw malformed(`a size of ${value} bytes; at most ${Number.MAX_SAFE_INTEGER} are supported`);
    return value;
  }
  /** A string of `length` bytes; at most 4096, valid UTF-8 and without NUL, as the protocol asks. */
  text(length: number): string {
    if (length > MAX_STRING) throw malformed(`a string of ${length} bytes; at most ${MAX_STRING} are allowed`);
    const from = this.#take(length);
    try {
      const text = UTF8.decode(this.bytes.subarray(from, from + length));
      if (text.includes('\0')) throw malformed('a string with a NUL in it');
      return text;
    } catch (error) {
      throw error instanceof BlockError ? error : malformed('a string that is not UTF-8');
    }
  }
  /** Throws unless everything was read. */
  end(): void {
    if (this.left !== 0) throw malformed(`${this.left} bytes too many`);
  }
  #take(length: number): number {
    if (length > this.left) throw malformed(`${this.left} bytes where ${length} were announced`);
    const from = this.#at;
    this.#at += length;
    return from;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

export function malformed(what: string): BlockError {
  return new BlockError('invalid-argument', `NBD message with ${what}`, { reason: 'nbd/malformed' });
}

/** What a fixed newstyle server says first. */
export function encodeGreeting(): Uint8Array {
  return new Writer(18)
    .u32(Magic.InitHigh)
    .u32(Magic.InitLow)
    .u32(Magic.OptionHigh)
    .u32(Magic.OptionLow)
    .u16(HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes).bytes;
}

/** An option as a client sends it. */
export function encodeOption(option: number, data: Uint8Array = EMPTY): Uint8Array {
  return new Writer(OPTION_BYTES + data.length)
    .u32(Magic.OptionHigh)
    .u32(Magic.OptionLow)
    .u32(option)
    .u32(data.length)
    .raw(data).bytes;
}

/** A reply to an option as a server sends it. */
export function encodeOptionReply(option: number, type: number, data: Uint8Array = EMPTY): Uint8Array {
  return new Writer(OPTION_REPLY_BYTES + data.length)
    .u32(Magic.OptionReplyHigh)
    .u32(Magic.OptionReplyLow)
    .u32(option)
    .u32(type)
    .u32(data.length)
    .raw(data).bytes;
}

/** Payload of `NBD_REP_SERVER`. */
export function encodeServer(name: string, description: string): Uint8Array {
  const bytes = utf8(name);
  const details = utf8(description);
  return new Writer(4 + bytes.length + details.length).u32(bytes.length).raw(bytes).raw(details).bytes;
}

/** Payload of `NBD_REP_META_CONTEXT`. */
export function encodeMetaContext(id: number, name: string): Uint8Array {
  const bytes = utf8(name);
  return new Writer(4 + bytes.length).u32(id).raw(bytes).bytes;
}

/** What `NBD_OPT_EXPORT_NAME` is answered with; `zeroes` adds the 124 bytes that old clients wait for. */
export function encodeExportName(size: number, flags: number, zeroes: boolean): Uint8Array {
  return new Writer(zeroes ? 134 : 10).u64(size).u16(flags).bytes;
}

export function encodeInfoExport(size: number, flags: number): Uint8Array {
  return new Writer(12).u16(Info.Export).u64(size).u16(flags).bytes;
}

export function encodeInfoText(info: number, text: string): Uint8Array {
  const bytes = utf8(text);
  return new Writer(2 + bytes.length).u16(info).raw(bytes).bytes;
}

export function encodeInfoBlockSize(minimum: number, preferred: number, maximum: number): Uint8Array {
  return new Writer(14).u16(Info.BlockSize).u32(minimum).u32(preferred).u32(maximum).bytes;
}

/** Data of `NBD_OPT_INFO` and `NBD_OPT_GO`. */
export interface InfoRequest {
  readonly name: string;
  readonly infos: readonly number[];
}

export function parseInfoRequest(data: Uint8Array): InfoRequest {
  const reader = new Reader(data);
  const name = reader.text(reader.u32());
  const infos: number[] = [];
  const count = reader.u16();
  if (reader.left !== count * 2) throw malformed(`${reader.left} bytes for ${count} information requests`);
  for (let i = 0; i < count; i++) infos.push(reader.u16());
  return { name, infos };
}

/** Data of `NBD_OPT_LIST_META_CONTEXT` and `NBD_OPT_SET_META_CONTEXT`. */
export interface MetaContextRequest {
  readonly name: string;
  readonly queries: readonly string[];
}

/** Throws where there are more than `maxQueries` queries. */
export function parseMetaContextRequest(data: Uint8Array, maxQueries: number): MetaContextRequest {
  const reader = new Reader(data);
  const name = reader.text(reader.u32());
  const count = reader.u32();
  if (count > maxQueries) throw malformed(`${count} queries; at most ${maxQueries} are allowed`);
  const queries: string[] = [];
  for (let i = 0; i < count; i++) queries.push(reader.text(reader.u32()));
  reader.end();
  return { name, queries };
}

const EMPTY = new Uint8Array(0);
