/** Every way a file of the host is refused, in QEMU's words. */
import { getSystemErrorName } from 'node:util';
import { BlockError, errnoOf, systemError } from '@blk/core-graph';

export function noName(driver: string): BlockError {
  return new BlockError('invalid-argument', `The '${driver}' block driver requires a file name`, { driver });
}

export function wrongKind(driver: string, filename: string, wanted: string): BlockError {
  return new BlockError('invalid-argument', `'${driver}' driver requires '${filename}' to be ${wanted}`, { driver, filename });
}

export function cannotOpen(filename: string, error: unknown): BlockError {
  return systemError(`Could not open '${filename}'`, named(error), { filename });
}

export function cannotCreate(filename: string, error: unknown): BlockError {
  return systemError(`Could not create '${filename}'`, named(error), { filename });
}

/** An error of a system call; `error` may be a thrown value, or the negative errno. */
export function failed(what: string, filename: string, error: unknown): BlockError {
  return systemError(`${what} '${filename}'`, named(error), { filename });
}

export function unsupported(what: string, filename: string): BlockError {
  return new BlockError('unsupported', `${what} is not supported for '${filename}'`, { filename });
}

export function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(errnoOf(named(error)));
}

/** A negative errno as something that has a `code`. */
function named(error: unknown): unknown {
  return typeof error === 'number' ? { code: getSystemErrorName(error) } : error;
}
