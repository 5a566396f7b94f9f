/** `NBD_CMD_BLOCK_STATUS`: the runs of a range, for every context that the client selected. */
import { Chunk, CHUNK_BYTES, CommandFlag, ReplyFlag } from '../codec/constants.js';
import { NbdErrno } from '../codec/errno.js';
import { putChunk, type RequestHeader } from '../codec/transmission.js';
import type { SelectedContext } from './negotiation.js';
import type { Session } from './session.js';

/** Most runs in one chunk; a client asks again for the rest. */
const MAX_RUNS = 8192;

export function blockStatusCommand(session: Session, header: RequestHeader): void {
  if (!session.accepts(header, CommandFlag.Fua | CommandFlag.ReqOne, NbdErrno.EINVAL)) return;
  const { cookieHigh, cookieLow, offset, length } = header;
  if (session.contexts.length === 0) {
    session.refuse(cookieHigh, cookieLow, NbdErrno.EINVAL, 'No metadata context was selected');
    return;
  }
  if (length === 0) {
    session.refuse(cookieHigh, cookieLow, NbdErrno.EINVAL, 'Block status of no bytes');
    return;
  }
  const most = (header.flags & CommandFlag.ReqOne) === 0 ? MAX_RUNS : 1;
  session.begin(0);
  // One after the other: they are work for the processor, and together they would keep all other clients waiting.
  session.statuses = session.statuses.then(() => answer(session, cookieHigh, cookieLow, offset, length, most));
}

async function answer(
  session: Session,
  cookieHigh: number,
  cookieLow: number,
  offset: number,
  length: number,
  most: number,
): Promise<void> {
  try {
    const collected: { readonly id: number; readonly runs: readonly number[] }[] = [];
    for (const selected of session.contexts) {
      collected.push({ id: selected.id, runs: await collect(session, selected, offset, length, most) });
    }
    if (session.out.closed) return;
    collected.forEach(({ id, runs }, index) => {
      const last = index === collected.length - 1;
      putStatus(session, last ? ReplyFlag.Done : 0, cookieHigh, cookieLow, id, runs);
    });
  } catch (error) {
    session.failed(cookieHigh, cookieLow, error);
  } finally {
    session.end(0);
  }
}

/** Lengths and flags in turn, neighbours with the same flags merged; at most `most` pairs. */
async function collect(session: Session, { context }: SelectedContext, offset: number, length: number, most: number): Promise<number[]> {
  const runs: number[] = [];
  let left = length;
  const turn = session.statusTurn();
  if (turn !== undefined) await turn;
  for await (const run of context.runs(offset, length)) {
    const piece = Math.min(run.length, left);
    const count = runs.length;
    if (count > 0 && runs[count - 1] === run.flags) runs[count - 2] = (runs[count - 2]) + piece;
    else if (count === most * 2) break;
    else runs.push(piece, run.flags);
    left -= piece;
    if (left === 0 || session.out.closed) break;
    const next = session.statusTurn();
    if (next !== undefined) await next;
  }
  // A context that knows nothing of the range says so with no flags.
  if (runs.length === 0) runs.push(length, 0);
  return runs;
}

function putStatus(
  session: Session,
  flags: number,
  cookieHigh: number,
  cookieLow: number,
  id: number,
  runs: readonly number[],
): void {
  const { out } = session;
  const payload = 4 + runs.length * 4;
  let at = out.reserve(CHUNK_BYTES + payload);
  const { view } = out.slab;
  putChunk(view, at, flags, Chunk.BlockStatus, cookieHigh, cookieLow, payload);
  view.setUint32(at + CHUNK_BYTES, id);
  at += CHUNK_BYTES + 4;
  for (const word of runs) {
    view.setUint32(at, word);
    at += 4;
  }
  out.commit(CHUNK_BYTES + payload);
}
