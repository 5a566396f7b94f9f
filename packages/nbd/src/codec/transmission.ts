/** Messages of the transmission phase, encoded in place: nothing here allocates. */
import { Chunk, CHUNK_BYTES, Magic, ReplyFlag } from './constants.js';

/** A request's header, taken apart. One object is used again for every request of a connection. */
export interface RequestHeader {
  flags: number;
  command: number;
  /** The client's cookie, in two halves. */
  cookieHigh: number;
  cookieLow: number;
  /** Bytes; above 2^53 it is no longer exact, which no export reaches. */
  offset: number;
  length: number;
}

export function emptyHeader(): RequestHeader {
  return { flags: 0, command: 0, cookieHigh: 0, cookieLow: 0, offset: 0, length: 0 };
}

/** Takes the 28 bytes at `at` apart. False where they are not a request. */
export function parseRequest(view: DataView, at: number, into: RequestHeader): boolean {
  if (view.getUint32(at) !== Magic.Request) return false;
  const kind = view.getUint32(at + 4);
  into.flags = kind >>> 16;
  into.command = kind & 0xffff;
  into.cookieHigh = view.getUint32(at + 8);
  into.cookieLow = view.getUint32(at + 12);
  into.offset = view.getUint32(at + 16) * 2 ** 32 + view.getUint32(at + 20);
  into.length = view.getUint32(at + 24);
  return true;
}

/** Writes a request's header; `offset` is at most 2^53-1. */
export function putRequest(view: DataView, at: number, header: Readonly<RequestHeader>): void {
  view.setUint32(at, Magic.Request);
  view.setUint32(at + 4, (header.flags * 65536 + header.command) >>> 0);
  view.setUint32(at + 8, header.cookieHigh);
  view.setUint32(at + 12, header.cookieLow);
  putU64(view, at + 16, header.offset);
  view.setUint32(at + 24, header.length);
}

/** 16 bytes. */
export function putSimpleReply(view: DataView, at: number, error: number, cookieHigh: number, cookieLow: number): void {
  view.setUint32(at, Magic.SimpleReply);
  view.setUint32(at + 4, error);
  view.setUint32(at + 8, cookieHigh);
  view.setUint32(at + 12, cookieLow);
}

/** 20 bytes; `length` counts what follows. */
export function putChunk(
  view: DataView,
  at: number,
  flags: number,
  type: number,
  cookieHigh: number,
  cookieLow: number,
  length: number,
): void {
  view.setUint32(at, Magic.StructuredReply);
  view.setUint32(at + 4, flags * 65536 + type);
  view.setUint32(at + 8, cookieHigh);
  view.setUint32(at + 12, cookieLow);
  view.setUint32(at + 16, length);
}

/** 28 bytes, before `length` bytes of data. */
export function putDataChunk(
  view: DataView,
  at: number,
  flags: number,
  cookieHigh: number,
  cookieLow: number,
  offset: number,
  length: number,
): void {
  putChunk(view, at, flags, Chunk.OffsetData, cookieHigh, cookieLow, length + 8);
  putU64(view, at + CHUNK_BYTES, offset);
}

/** 32 bytes. */
export function putHoleChunk(
  view: DataView,
  at: number,
  flags: number,
  cookieHigh: number,
  cookieLow: number,
  offset: number,
  length: number,
): void {
  putChunk(view, at, flags, Chunk.OffsetHole, cookieHigh, cookieLow, 12);
  putU64(view, at + CHUNK_BYTES, offset);
  view.setUint32(at + CHUNK_BYTES + 8, length);
}

/** 26 bytes, before `messageLength` bytes of text. */
export function putErrorChunk(
  view: DataView,
  at: number,
  cookieHigh: number,
  cookieLow: number,
  error: number,
  messageLength: number,
): void {
  putChunk(view, at, ReplyFlag.Done, Chunk.Error, cookieHigh, cookieLow, 6 + messageLength);
  view.setUint32(at + CHUNK_BYTES, error);
  view.setUint16(at + CHUNK_BYTES + 4, messageLength);
}

function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}
