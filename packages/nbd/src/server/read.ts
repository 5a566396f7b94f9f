/** `NBD_CMD_READ`: data read straight behind its header; zeroes are sent as holes to who takes structured replies. */
import { isZero } from '@blk/core-graph';
import { CommandFlag, DATA_CHUNK_BYTES, ReplyFlag, SIMPLE_REPLY_BYTES } from '../codec/constants.js';
import { NbdErrno } from '../codec/errno.js';
import { putDataChunk, putHoleChunk, putSimpleReply, type RequestHeader } from '../codec/transmission.js';
import type { Region } from './reply-writer.js';
import type { Session } from './session.js';

/** Longest content chunk, in bytes, where a reply may be fragmented: keeps the memory of long reads bounded. */
const PIECE = 1024 * 1024;
/** Length of a hole chunk. */
const HOLE_BYTES = 32;

export function readCommand(session: Session, header: RequestHeader): void {
  const { structured, out } = session;
  if (!session.accepts(header, structured ? CommandFlag.Fua | CommandFlag.Df : CommandFlag.Fua, NbdErrno.EINVAL)) return;
  const { offset, length, cookieHigh, cookieLow } = header;
  if (length > session.limits.maxPayload) {
    session.refuse(cookieHigh, cookieLow, NbdErrno.EINVAL, `Read of ${length} bytes is longer than ${session.limits.maxPayload}`);
    return;
  }
  if (length === 0) {
    if (structured) session.done(cookieHigh, cookieLow);
    else session.ok(cookieHigh, cookieLow);
    return;
  }
  if (structured && length > PIECE && (header.flags & CommandFlag.Df) === 0) {
    void longRead(session, cookieHigh, cookieLow, offset, length);
    return;
  }
  const head = structured ? DATA_CHUNK_BYTES : SIMPLE_REPLY_BYTES;
  const room = Math.max(head + length, HOLE_BYTES);
  const at = out.reserve(room);
  const { slab } = out;
  let done;
  try {
    done = session.source.read(offset, slab.bytes, at + head, length);
  } catch (error) {
    session.failed(cookieHigh, cookieLow, error);
    return;
  }
  if (done !== undefined) void pendingRead(session, done, out.detach(room), cookieHigh, cookieLow, offset, length);
  else if (structured) out.commit(putContent(slab.bytes, slab.view, at, ReplyFlag.Done, cookieHigh, cookieLow, offset, length));
  else {
    putSimpleReply(slab.view, at, 0, cookieHigh, cookieLow);
    out.commit(head + length);
  }
}

/** Puts a chunk of content around the data behind it and gives its length: data, or a hole where all is zero. */
function putContent(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  flags: number,
  cookieHigh: number,
  cookieLow: number,
  offset: number,
  length: number,
): number {
  if (isZero(bytes, at + DATA_CHUNK_BYTES, length)) {
    putHoleChunk(view, at, flags, cookieHigh, cookieLow, offset, length);
    return HOLE_BYTES;
  }
  putDataChunk(view, at, flags, cookieHigh, cookieLow, offset, length);
  return DATA_CHUNK_BYTES + length;
}

async function pendingRead(
  session: Session,
  done: Promise<void>,
  region: Region,
  cookieHigh: number,
  cookieLow: number,
  offset: number,
  length: number,
): Promise<void> {
  const { slab, start } = region;
  session.begin(length);
  try {
    await done;
    if (session.structured) {
      session.out.send(region, putContent(slab.bytes, slab.view, start, ReplyFlag.Done, cookieHigh, cookieLow, offset, length));
    } else {
      putSimpleReply(slab.view, start, 0, cookieHigh, cookieLow);
      session.out.send(region, SIMPLE_REPLY_BYTES + length);
    }
  } catch (error) {
    session.out.drop(region);
    session.failed(cookieHigh, cookieLow, error);
  } finally {
    session.end(length);
  }
}

/** A long read in chunks; the next one is read when the client has taken what came before. */
async function longRead(
  session: Session,
  cookieHigh: number,
  cookieLow: number,
  from: number,
  length: number,
): Promise<void> {
  const { out, source } = session;
  session.begin(PIECE);
  try {
    const end = from + length;
    // Cut where the export's offsets are multiples of the piece, so that no piece needs padding below.
    for (let offset = from; offset < end; ) {
      const piece = Math.min(PIECE - (offset % PIECE), end - offset);
      const at = out.reserve(Math.max(DATA_CHUNK_BYTES + piece, HOLE_BYTES));
      const { slab } = out;
      const region = out.detach(Math.max(DATA_CHUNK_BYTES + piece, HOLE_BYTES));
      try {
        const done = source.read(offset, slab.bytes, at + DATA_CHUNK_BYTES, piece);
        if (done !== undefined) await done;
      } catch (error) {
        out.drop(region);
        throw error;
      }
      out.send(region, putContent(slab.bytes, slab.view, at, 0, cookieHigh, cookieLow, offset, piece));
      offset += piece;
      if (!(await session.room())) return;
    }
    session.done(cookieHigh, cookieLow);
  } catch (error) {
    session.failed(cookieHigh, cookieLow, error);
  } finally {
    session.end(PIECE);
  }
}
