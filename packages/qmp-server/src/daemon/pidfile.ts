/** The file that holds the process id: there while the daemon runs, and a sign to a second one not to start. */
import { closeSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { strerror } from '@blk/core-graph';
import { genericError } from '../errors.js';

/**
 * Writes the file; the returned function removes it. A file that a process which is gone has left behind is replaced.
 * Throws in QEMU's words where another daemon holds it, or it cannot be written.
 */
export function writePidfile(path: string): () => void {
  const absolute = resolve(path);
  try {
    create(absolute);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw refusal(path, error);
    let held: boolean;
    try {
      held = isHeld(absolute);
    } catch (unreadable) {
      throw refusal(path, unreadable);
    }
    if (held) throw genericError(`cannot create PID file: Cannot lock pid file: ${strerror('EAGAIN')}`);
    try {
      // In one step: whoever looks meanwhile finds the old file or the new one.
      create(`${absolute}.${process.pid}`);
      renameSync(`${absolute}.${process.pid}`, absolute);
    } catch (again) {
      throw refusal(path, again);
    }
  }
  return () => {
    try {
      unlinkSync(absolute);
    } catch {
      // Somebody else tidied up.
    }
  };
}

function create(path: string): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeSync(fd, `${process.pid}\n`);
  } finally {
    closeSync(fd);
  }
}

/** Whether a process of that number runs, other than we ourselves: ours was somebody else's before. */
function isHeld(path: string): boolean {
  const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether the process has ended, and only its parent has not asked how: where the first process of a container never does. */
function isZombie(pid: number): boolean {
  try {
    return /\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    // No Linux.
    return false;
  }
}

function refusal(path: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code ?? 'EIO';
  return genericError(`cannot create PID file: Could not create '${path}': ${strerror(code)}`, error);
}
