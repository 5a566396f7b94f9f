/** Signals that a session sends to its own program. */
import { constants } from 'node:os';
import { BlockError } from '@blk/core-graph';

const NAMES = new Map<number, NodeJS.Signals>(Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]));

/** Node keeps this one for its debugger; the reference tool takes no notice of it. */
const RESERVED: NodeJS.Signals = 'SIGUSR1';

/**
 * Raises a signal as C does: where it ends programs, it ends this one at once, and nothing is written any more. Resolves
 * where the program lives on.
 */
export async function raise(number: number): Promise<void> {
  // Checks only that there is a process, and does nothing.
  if (number === 0) return;
  const signal = NAMES.get(number);
  if (signal === undefined) throw new BlockError('invalid-argument', `There is no signal ${number}`);
  if (signal === RESERVED) return;
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // The kernel delivers it at the next turn at the latest.
  await new Promise((resolve) => setImmediate(resolve));
}

/** Ends the program as a crash would: no image is closed. */
export function abort(): Promise<void> {
  return raise(constants.signals.SIGABRT);
}
