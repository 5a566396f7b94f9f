/** Every way in which a server can disappoint, in words. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';
import { printable } from '@blk/remote';
import type { Reply } from './reply.js';

/** `reason` names the defect for programs. */
export function ftpError(kind: BlockErrorKind, reason: string, message: string, code?: string, cause?: unknown): BlockError {
  return new BlockError(kind, message, { driver: 'ftp', reason: `ftp/${reason}`, ...(code === undefined ? {} : { code }) }, cause);
}

/** A reply that says no. Those that begin with 4 are for now only, and tried again. */
export function refusal(what: string, { code, text }: Reply): BlockError {
  if (code === 530 || code === 332) return ftpError('permission', 'login', `Access denied: ${code}`);
  const kind = code >= 400 && code < 500 ? 'io' : 'unsupported';
  return ftpError(kind, 'refused', `The server refuses ${what}: ${code} ${printable(text)}`);
}

/** The same, of a command about the file. */
export function fileRefusal(what: string, reply: Reply): BlockError {
  return reply.code === 550 ? ftpError('not-found', 'file', 'The file does not exist') : refusal(what, reply);
}

/** Bytes of two versions would be mixed. */
export function changedError(what: string): BlockError {
  return ftpError('corrupt', 'changed', `The file on the server has changed since it was opened: ${what}`);
}

export function isChanged(error: unknown): error is BlockError {
  return error instanceof BlockError && error.context.reason === 'ftp/changed';
}
