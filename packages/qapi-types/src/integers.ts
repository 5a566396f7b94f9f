/** 64-bit integers as JavaScript meets them, and how to get a safe number out of one. */
import { QmpError } from './errors.js';

/** A signed 64-bit integer. A number where it is a safe integer, else a bigint: never a rounded number. */
export type Int64 = number | bigint;

/** An unsigned 64-bit integer (`uint64`, `size`). A number where it is a safe integer, else a bigint. */
export type Uint64 = number | bigint;

/** An object without members: no arguments, nothing returned. */
export type EmptyObject = Record<string, never>;

/** Smallest and largest value of each integer type of the schema. */
export const integerRanges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int: [-(2n ** 63n), 2n ** 63n - 1n],
  int8: [-128n, 127n],
  int16: [-32768n, 32767n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n],
  uint16: [0n, 65535n],
  uint32: [0n, 2n ** 32n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  size: [0n, 2n ** 64n - 1n],
};

/**
 * A 64-bit integer as a number that is exact.
 *
 * @param name how the error calls the value
 * @throws QmpError if it is beyond 2^53 - 1 either way
 */
export function toSafeInteger(value: Int64, name: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new QmpError(
    'GenericError',
    `Parameter '${name}' expects an integer between -9007199254740991 and 9007199254740991, got ${value}`,
  );
}

/** The shortest form of an exact integer: a number if it is safe. */
export function narrow(value: bigint): Int64 {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
