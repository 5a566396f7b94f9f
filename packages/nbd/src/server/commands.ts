/** The commands without a payload besides reading: flush, trim, zero, cache. */
import { andThen, WriteFlag, type Completion } from '@blk/core-graph';
import { CommandFlag } from '../codec/constants.js';
import { NbdErrno } from '../codec/errno.js';
import type { RequestHeader } from '../codec/transmission.js';
import type { Session } from './session.js';
import { SLAB_BYTES } from './slab.js';

/** Runs `request` and answers when it is done. */
function answer(session: Session, header: RequestHeader, request: () => Completion): void {
  const { cookieHigh, cookieLow } = header;
  let done;
  try {
    done = request();
  } catch (error) {
    session.failed(cookieHigh, cookieLow, error);
    return;
  }
  if (done === undefined) session.ok(cookieHigh, cookieLow);
  else void pending(session, done, cookieHigh, cookieLow);
}

async function pending(session: Session, done: Promise<void>, cookieHigh: number, cookieLow: number): Promise<void> {
  session.begin(0);
  try {
    await done;
    session.ok(cookieHigh, cookieLow);
  } catch (error) {
    session.failed(cookieHigh, cookieLow, error);
  } finally {
    session.end(0);
  }
}

export function flushCommand(session: Session, header: RequestHeader): void {
  if (!session.accepts(header, CommandFlag.Fua, NbdErrno.EINVAL)) return;
  if (header.offset !== 0 || header.length !== 0) {
    session.refuse(header.cookieHigh, header.cookieLow, NbdErrno.EINVAL, 'Flush takes neither offset nor length');
    return;
  }
  answer(session, header, () => session.source.flush());
}

export function trimCommand(session: Session, header: RequestHeader): void {
  if (!session.accepts(header, CommandFlag.Fua, NbdErrno.EINVAL) || !session.writable(header)) return;
  const { source } = session;
  const { flags, offset, length } = header;
  answer(session, header, () => {
    const done = length === 0 ? undefined : source.discard(offset, length);
    return (flags & CommandFlag.Fua) === 0 ? done : andThen(done, () => source.flush());
  });
}

export function writeZeroesCommand(session: Session, header: RequestHeader): void {
  const allowed = CommandFlag.Fua | CommandFlag.NoHole | CommandFlag.FastZero;
  if (!session.accepts(header, allowed, NbdErrno.ENOSPC) || !session.writable(header)) return;
  const { offset, length } = header;
  const flags =
    ((header.flags & CommandFlag.Fua) === 0 ? 0 : WriteFlag.Fua) |
    ((header.flags & CommandFlag.NoHole) === 0 ? WriteFlag.MayUnmap : 0) |
    ((header.flags & CommandFlag.FastZero) === 0 ? 0 : WriteFlag.NoFallback);
  answer(session, header, () => (length === 0 ? undefined : session.source.writeZeroes(offset, length, flags)));
}

/** Reads the range and throws it away: what can be cached below, is. */
export function cacheCommand(session: Session, header: RequestHeader): void {
  if (!session.accepts(header, CommandFlag.Fua, NbdErrno.EINVAL)) return;
  const { offset, length } = header;
  if (length > session.limits.maxPayload) {
    session.refuse(header.cookieHigh, header.cookieLow, NbdErrno.EINVAL, `Cache of ${length} bytes is longer than ${session.limits.maxPayload}`);
    return;
  }
  answer(session, header, () => prefetch(session, offset, length));
}

async function prefetch(session: Session, offset: number, length: number): Promise<void> {
  const slab = session.slabs.take(SLAB_BYTES);
  try {
    for (let at = 0; at < length; at += SLAB_BYTES) {
      const done = session.source.read(offset + at, slab.bytes, 0, Math.min(SLAB_BYTES, length - at));
      if (done !== undefined) await done;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  } finally {
    slab.release();
  }
}
