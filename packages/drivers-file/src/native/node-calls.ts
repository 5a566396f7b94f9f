/** `Calls` by Node alone. */
import { readSync, readvSync, writeSync, writevSync } from 'node:fs';
import { Errno, type Calls } from './native.js';

export const nodeCalls: Calls = {
  read: (fd, offset, buffer, start, length) => attempt(() => readSync(fd, buffer, start, length, offset)),
  readv: (fd, offset, buffers) => attempt(() => readvSync(fd, buffers, offset)),
  write: (fd, offset, buffer, start, length) => attempt(() => writeSync(fd, buffer, start, length, offset)),
  writev: (fd, offset, buffers) => attempt(() => writevSync(fd, buffers, offset)),
};

/** The errno of a system error as a result; any other error is the caller's fault and goes on. */
function attempt(call: () => number): number {
  try {
    return call();
  } catch (error) {
    const { errno } = error as { errno?: unknown };
    if (typeof errno !== 'number') throw error;
    return errno < 0 ? errno : Errno.EINVAL;
  }
}
