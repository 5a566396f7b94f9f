/** Every way in which a server can disappoint, in words. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** `reason` names the defect for programs. */
export function httpError(kind: BlockErrorKind, reason: string, message: string, code?: string, cause?: unknown): BlockError {
  return new BlockError(kind, message, { driver: 'http', reason: `http/${reason}`, ...(code === undefined ? {} : { code }) }, cause);
}

/** An answer that is no file. Kinds `io` and `busy` are tried again. */
export function statusError(status: number): BlockError {
  return httpError(kindOf(status), 'status', `The requested URL returned error: ${status}`);
}

function kindOf(status: number): BlockErrorKind {
  if (status === 401 || status === 403 || status === 407) return 'permission';
  if (status === 404 || status === 410) return 'not-found';
  if (status === 429 || status === 503) return 'busy';
  return status === 408 || status === 425 || status >= 500 ? 'io' : 'invalid-argument';
}

/** Bytes of two versions would be mixed. */
export function changedError(what: string): BlockError {
  return httpError('corrupt', 'changed', `The file on the server has changed since it was opened: ${what}`);
}

export function isChanged(error: unknown): error is BlockError {
  return error instanceof BlockError && error.context.reason === 'http/changed';
}

/** There is more of an answer than there can be, or it is cut into pieces that do not fit: nothing tells which of its bytes were meant. */
export function isAskew(error: unknown): boolean {
  return error instanceof BlockError && (error.context.reason === 'http/long' || error.context.reason === 'http/parse');
}

/** A server, or what lies between, that does not keep to the protocol; perhaps it does the next time. */
export function brokenAnswer(reason: string, message: string): BlockError {
  return httpError('io', reason, message);
}
