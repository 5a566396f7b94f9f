/** Opening files of the host: what they are is looked at first, since merely opening a pipe or a tape may wait forever. */
import { close, constants, fstat, fsync, fdatasync, open, stat, type BigIntStats } from 'node:fs';
import { promisify } from 'node:util';
import { BlockError, MAX_SIZE } from '@blk/core-graph';
import { cannotOpen, isCode, noName } from './errors.js';

export const closeFile = promisify(close);
export const openFile = promisify(open);
export const syncData = promisify(fdatasync);
export const syncAll = promisify(fsync);
const statFile = promisify(stat);
const fstatFile = promisify(fstat);

/** An open file and what it is. */
export interface HostFile {
  readonly fd: number;
  readonly filename: string;
  readonly stats: BigIntStats;
}

/** `stat` with exact numbers; errors in the words of opening. */
export async function statusOf(driver: string, filename: string): Promise<BigIntStats> {
  checkName(driver, filename);
  try {
    return await statFile(filename, { bigint: true });
  } catch (error) {
    throw cannotOpen(filename, error);
  }
}

export function statusOfOpen(fd: number): Promise<BigIntStats> {
  return fstatFile(fd, { bigint: true });
}

/** Names that no system call takes. */
export function checkName(driver: string, filename: string): void {
  if (filename === '') throw noName(driver);
  if (filename.includes('\0')) {
    throw new BlockError('invalid-argument', `The file name ${JSON.stringify(filename)} contains a NUL character`, { driver });
  }
}

export interface HostAccess {
  readonly write: boolean;
  /** Past the page cache. */
  readonly direct: boolean;
  /** Also a drive without a medium. */
  readonly empty?: boolean;
}

/** Opens for reading, or for both. The caller closes `fd`. */
export async function openHostFile(filename: string, access: HostAccess): Promise<HostFile> {
  const mode = (access.write ? constants.O_RDWR : constants.O_RDONLY) | (access.empty === true ? constants.O_NONBLOCK : 0);
  let fd: number;
  try {
    fd = await openFile(filename, access.direct ? mode | (constants.O_DIRECT ?? 0) : mode);
  } catch (error) {
    if (access.direct && isCode(error, 'EINVAL')) throw noDirect(filename, error);
    throw cannotOpen(filename, error);
  }
  try {
    if (access.direct && constants.O_DIRECT === undefined) throw noDirect(filename);
    return { fd, filename, stats: await statusOfOpen(fd) };
  } catch (error) {
    await closeFile(fd);
    throw error;
  }
}

/** A size as a number that offsets can be. */
export function checkedSize(filename: string, size: bigint): number {
  if (size > BigInt(MAX_SIZE)) {
    throw new BlockError('too-large', `'${filename}' has ${size} bytes, beyond the limit of ${MAX_SIZE}`, { filename });
  }
  return Number(size);
}

/** Major and minor number out of a device number of `stat`. */
export function deviceNumbers(device: bigint): { readonly major: bigint; readonly minor: bigint } {
  return {
    major: ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n),
    minor: (device & 0xffn) | ((device >> 12n) & 0xffffff00n),
  };
}

function noDirect(filename: string, cause?: unknown): BlockError {
  return new BlockError(
    'invalid-argument',
    `Could not open '${filename}': filesystem does not support O_DIRECT`,
    { filename, code: 'EINVAL' },
    cause,
  );
}
