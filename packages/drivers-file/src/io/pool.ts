/** Transfers in libuv's thread pool: whole, however short the system's single calls are. */
import { read, write } from 'node:fs';

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
