/** Transfers in libuv's thread pool: whole, however short the system's single calls are. */
import { read, write, writev } from 'node:fs';

/** Longest single call; Linux moves at most 2 GiB less a page. */
const MAX_CALL = 1024 * 1024 * 1024;

/**
 * Reads until `length` bytes are there or the file ends; resolves with how many there are. `alignment`: a count that is no
 * multiple of it can only be the end of the file (O_DIRECT).
 */
export function poolRead(
  fd: number,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  alignment: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let done = 0;
    const next = (): void => {
      read(fd, buffer, start + done, Math.min(length - done, MAX_CALL), offset + done, (error, count) => {
        if (error) {
          reject(error);
          return;
        }
        done += count;
        if (done === length || count === 0 || count % alignment !== 0) resolve(done);
        else next();
      });
    };
    next();
  });
}

/** Writes all of `length` bytes. */
export function poolWrite(fd: number, offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let done = 0;
    const next = (): void => {
      write(fd, buffer, start + done, Math.min(length - done, MAX_CALL), offset + done, (error, count) => {
        if (error) {
          reject(error);
          return;
        }
        done += count;
        if (done === length) resolve();
        // A device that takes nothing more says so by a count of zero.
        else if (count === 0) reject(Object.assign(new Error('nothing was written'), { code: 'ENOSPC' }));
        else next();
      });
    };
    next();
  });
}

/** Writes buffers, `length` bytes in all, one behind the other. */
export async function poolWritev(fd: number, offset: number, buffers: readonly Uint8Array[], length: number): Promise<void> {
  let done = await new Promise<number>((resolve, reject) => {
    writev(fd, buffers, offset, (error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
  });
  if (done === length) return;
  // The system took a part: a full disk, or its limit. The rest buffer by buffer, which finds out why.
  let at = 0;
  for (const buffer of buffers) {
    const start = Math.max(0, done - at);
    if (start < buffer.length) {
      await poolWrite(fd, offset + at + start, buffer, start, buffer.length - start);
      done = at + buffer.length;
    }
    at += buffer.length;
  }
}
