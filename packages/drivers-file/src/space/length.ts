/** Length of a regular file, with or without space behind it. */
import { ftruncate as ftruncateCallback } from 'node:fs';
import { promisify } from 'node:util';
import { BlockError, type LongWork, type Preallocation, type TruncateOptions } from '@blk/core-graph';
import { failed } from '../errors.js';
import { syncAll } from '../host-file.js';
import { poolWrite } from '../io/pool.js';
import { Errno, Fallocate, type Native } from '../native/native.js';

const ftruncate = promisify(ftruncateCallback);

/** Bytes of zeroes written at once. */
const PIECE = 1024 * 1024;

/** Changes the length of a file. New space reads as zeroes; where it can't be had, the file stays as it was. */
export async function changeLength(
  fd: number,
  filename: string,
  native: Pick<Native, 'fallocateLater'> | undefined,
  from: number,
  to: number,
  { preallocation, work }: TruncateOptions,
): Promise<void> {
  checkPreallocation(preallocation);
  if (preallocation !== 'off' && to < from) {
    throw new BlockError('invalid-argument', 'Preallocation cannot be used for shrinking files', { filename });
  }
  if (preallocation === 'off' || to === from) {
    try {
      await ftruncate(fd, to);
    } catch (error) {
      throw failed('Failed to resize', filename, error);
    }
    return;
  }
  try {
    if (preallocation === 'full' || !(await reserve(fd, filename, native, from, to))) await writeZeroes(fd, from, to, work);
    // Only now is it certain that the space is there: file systems allocate late.
    await syncAll(fd);
  } catch (error) {
    await ftruncate(fd, from).catch(() => undefined);
    work?.signal?.throwIfAborted();
    throw failed('Could not allocate space for', filename, error);
  }
}

/** Refuses what a file can't do; other formats have more kinds. */
export function checkPreallocation(preallocation: Preallocation): void {
  if (preallocation === 'metadata') {
    throw new BlockError('unsupported', `Unsupported preallocation mode: ${preallocation}`);
  }
}

/** Reserves space without writing it. False where the file system, or the program, can't. */
async function reserve(
  fd: number,
  filename: string,
  native: Pick<Native, 'fallocateLater'> | undefined,
  from: number,
  to: number,
): Promise<boolean> {
  if (native === undefined) return false;
  for (;;) {
    const done = await native.fallocateLater(fd, Fallocate.Allocate, from, to - from);
    if (done === Errno.EINTR) continue;
    if (done === Errno.EOPNOTSUPP || done === Errno.ENOSYS || done === Errno.ENODEV) return false;
    if (done < 0) throw failed('Could not allocate space for', filename, done);
    return true;
  }
}

async function writeZeroes(fd: number, from: number, to: number, work: LongWork | undefined): Promise<void> {
  const zeroes = new Uint8Array(Math.min(PIECE, to - from));
  for (let at = from; at < to; at += PIECE) {
    work?.signal?.throwIfAborted();
    work?.progress?.(at - from, to - from);
    await poolWrite(fd, at, zeroes, 0, Math.min(PIECE, to - at));
  }
}
