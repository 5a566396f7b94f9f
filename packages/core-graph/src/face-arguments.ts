/** What JavaScript lets through at the embedder's face, and types would not: named before a driver meets it. */
import { BlockError } from './errors.js';

/** Throws kind `invalid-argument` unless `value` is a `Uint8Array` (a `Buffer` is one), of whatever realm. */
export function checkBytes(value: unknown): asserts value is Uint8Array {
  if (value instanceof Uint8Array || Object.prototype.toString.call(value) === '[object Uint8Array]') return;
  throw new BlockError('invalid-argument', `Bytes have to be a Uint8Array, found ${nameOf(value)}`);
}

/** Throws kind `invalid-argument` unless both are numbers. Whether they are in the image is for the request to say. */
export function checkPlace(offset: unknown, length: unknown): void {
  checkNumber('Offset', offset);
  checkNumber('Length', length);
}

/** Throws kind `invalid-argument` unless it is a list of drivers. */
export function checkDrivers(drivers: unknown): void {
  if (!Array.isArray(drivers)) throw new BlockError('invalid-argument', `'drivers' has to be a list, such as [file, qcow2], found ${nameOf(drivers)}`);
  for (const [index, driver] of (drivers as readonly unknown[]).entries()) {
    if (typeof driver === 'object' && driver !== null && 'name' in driver && typeof driver.name === 'string') continue;
    throw new BlockError('invalid-argument', `Entry ${index} of 'drivers' has to be a driver, found ${nameOf(driver)}`);
  }
}

function checkNumber(what: string, value: unknown): void {
  if (typeof value !== 'number') throw new BlockError('invalid-argument', `${what} has to be a number of bytes, found ${nameOf(value)}`);
}

/** The value itself where it is short, else what it is. */
function nameOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'string') return value.length > 40 ? 'a string' : `the string '${value}'`;
  if (typeof value === 'bigint') return `the bigint ${value}n`;
  if (typeof value === 'object') return Object.prototype.toString.call(value).slice(8, -1);
  return typeof value;
}
