/** Errors of requests as the tools print them: what was tried, then the system's text. */
import { BlockError, errnoOf, strerror } from '@blk/core-graph';

/** `what: No space left on device`. `reason` is for programs, as in `BlockErrorContext`. */
export function errnoText(error: unknown, what: string, reason?: string): BlockError {
  const code = errnoOf(error);
  const kind = error instanceof BlockError ? error.kind : 'io';
  return new BlockError(kind, `${what}: ${strerror(code)}`, { code, ...(reason === undefined ? {} : { reason }) }, error);
}
