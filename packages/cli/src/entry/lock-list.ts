/**
 * The kernel's list of file locks, asked for at the program's start. Its first read waits until every processor has passed a
 * quiet point (10 to 20 ms); in another thread, that time is used for loading the program and for opening the image.
 */
import { closeSync, openSync, read, readSync } from 'node:fs';

/** More than the kernel gives at once. */
const PIECE = 65536;

/** The text of `/proc/locks`; its result is undefined where there is no such file. Never rejects. */
export function startLockList(path = '/proc/locks'): Promise<string | undefined> | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  const buffer = Buffer.allocUnsafe(PIECE);
  return new Promise((resolve) => {
    // One call, so that it runs to its end while this thread is busy.
    read(fd, buffer, 0, PIECE, null, (error, length) => {
      resolve(error === null ? restOf(fd, buffer, length) : undefined);
      closeSync(fd);
    });
  });
}

/** What was read, and all that follows: that no longer waits. */
function restOf(fd: number, buffer: Buffer, first: number): string | undefined {
  let text = '';
  try {
    for (let length = first; length > 0; length = readSync(fd, buffer, 0, PIECE, null)) text += buffer.toString('latin1', 0, length);
  } catch {
    return undefined;
  }
  return text;
}
