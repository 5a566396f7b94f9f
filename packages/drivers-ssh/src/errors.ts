/** Every way a file on a server is refused, in QEMU's words where it has some. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

export function invalid(message: string): BlockError {
  return new BlockError('invalid-argument', message, { driver: 'ssh' });
}

/** The server did not prove that it is the one that was meant. */
export function unknownServer(message: string, place: string): BlockError {
  return new BlockError('permission', message, { driver: 'ssh', reason: 'ssh/host-key', node: place });
}

/** The connection is gone, or never was. */
export function lost(place: string, cause: unknown): BlockError {
  const why = cause instanceof Error && cause.message !== '' ? `: ${printable(cause.message)}` : '';
  return new BlockError('io', `The connection to the SSH server ${place} was lost${why}`, { driver: 'ssh', reason: 'ssh/lost' }, cause);
}

/** The server is there, and what it runs for us does not answer. */
export function silent(place: string, ms: number): BlockError {
  return new BlockError('timeout', `The SSH server ${place} did not answer for ${ms / 1000} s while requests were under way`, { driver: 'ssh', reason: 'ssh/silent' });
}

/** The server's answer to a request. `what` begins a sentence. */
export function refused(what: string, error: unknown): BlockError {
  if (error instanceof BlockError) return error;
  const { code, message } = error as { code?: unknown; message?: string };
  const status = typeof code === 'number' ? ` (sftp error code: ${code})` : '';
  const kind = (typeof code === 'number' ? KIND_OF_STATUS[code] : undefined) ?? 'io';
  return new BlockError(kind, `${what}: SFTP server: ${printable(message ?? '')}${status}`, { driver: 'ssh' }, error);
}

/** Status of the SFTP protocol, version 3, section 7. All else is "failure". */
const KIND_OF_STATUS: Readonly<Record<number, BlockErrorKind>> = { 2: 'not-found', 3: 'permission', 8: 'unsupported' };

/** A server's text, without what would disturb a terminal. */
export function printable(text: string): string {
  return text.slice(0, 200).replace(/\p{Cc}/gu, '?');
}
