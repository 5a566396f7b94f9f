/** Paths of unix sockets: longer ones than the system takes would be cut short without a word, and lead elsewhere. */
import { BlockError } from '@blk/core-graph';

/** Bytes. */
const MAX_PATH = 107;

export function checkSocketPath(path: string): void {
  if (new TextEncoder().encode(path).length <= MAX_PATH) return;
  throw new BlockError('invalid-argument', `UNIX socket path '${path}' is too long\nPath must be less than ${MAX_PATH + 1} bytes`);
}
