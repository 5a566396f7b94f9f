/**
 * Sees the locks of others in `/proc/locks`, where none can be taken: for programs without the native helper, and for those
 * that look at an image only for a moment.
 */
import { readFileSync } from 'node:fs';
import { deviceNumbers } from '../host-file.js';
import type { ByteLocks } from './locks.js';

/** Which file: numbers of `stat`. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** Locks that are never taken; those of others are read once, when first asked for. `read` is for tests. */
export function seenLocks({ dev, ino }: FileIdentity, read: () => string = readLocks): ByteLocks {
  let ranges: readonly (readonly [number, number])[] | undefined;
  return {
    lock: () => {
      ranges = undefined;
      return 0;
    },
    isLocked(byte) {
      ranges ??= parseLocks(read(), deviceName(dev), String(ino));
      return Number(ranges.some(([first, last]) => first <= byte && byte <= last));
    },
  };
}

/** Ranges of open file description locks on a file; lines of `N: OFDLCK ADVISORY READ PID MAJOR:MINOR:INODE FIRST LAST`. */
function parseLocks(text: string, device: string, inode: string): [number, number][] {
  const found: [number, number][] = [];
  for (const line of text.split('\n')) {
    const match = /^\d+: OFDLCK +ADVISORY +\w+ +-?\d+ +([0-9a-f]+:[0-9a-f]+):(\d+) +(\d+) +(\d+|EOF)$/.exec(line.trimEnd());
    if (match?.[1] !== device || match[2] !== inode) continue;
    found.push([Number(match[3]), match[4] === 'EOF' ? Infinity : Number(match[4])]);
  }
  return found;
}

/** Major and minor number of a device as `/proc/locks` prints them. */
function deviceName(dev: bigint): string {
  const { major, minor } = deviceNumbers(dev);
  return `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')}`;
}

function readLocks(): string {
  try {
    return readFileSync('/proc/locks', 'latin1');
  } catch {
    // Another system, or a sandbox: nothing can be seen.
    return '';
  }
}
