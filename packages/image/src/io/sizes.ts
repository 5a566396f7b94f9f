/** Numbers and sizes in the words of qemu-io: parsing with suffixes, printing in binary units. */

/** A number argument that can't be used; `message` is the line to print. */
export class ArgumentError extends Error {}

const SUFFIXES = 'bkmgtpe';

/**
 * Parses an offset or length: digits with an optional suffix k to E (powers of 1024); a fraction only before a suffix from k
 * on. What is beyond 2^53 is no longer exact, and beyond every image.
 */
export function parseNumber(text: string): number {
  const match = /^\+?(?:(0x[0-9a-f]+)|(\d+)(\.\d*)?)([bkmgtpe]?)$/i.exec(text);
  const [, hexadecimal, whole, fraction = '', suffix = ''] = match ?? [];
  const unit = 1024 ** Math.max(0, SUFFIXES.indexOf(suffix.toLowerCase() || 'b'));
  const partial = /[1-9]/.test(fraction);
  if (match === null || (partial && unit === 1)) {
    throw new ArgumentError(`Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- ${text}`);
  }
  const value = Number(hexadecimal ?? whole) * unit + (partial ? Math.floor(Number(`0${fraction}`) * unit) : 0);
  // A double cannot tell 2^63 - 1 from 2^63, so the digits decide.
  if (value >= 2 ** 63 && (unit > 1 || BigInt(hexadecimal ?? whole) >= 2n ** 63n)) {
    throw new ArgumentError(`Parsing error: argument too large -- ${text}`);
  }
  return value;
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** A number of bytes in the largest unit that keeps it above one: `64 KiB`, `1.062 MiB`, `512 bytes`. */
export function humanSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  // Only a rate has parts of a byte.
  if (unit === 0) return `${Number.isInteger(value) ? value : value.toFixed(6)} ${UNITS[0]}`;
  const text = threeDigits(value);
  return `${text.endsWith('.000') ? text.slice(0, -4) : text} ${UNITS[unit]}`;
}

/** Three decimals as the C library rounds them: a tie goes to the even digit (`toFixed` takes the larger). */
function threeDigits(value: number): string {
  const scaled = value * 1000;
  const below = Math.floor(scaled);
  return scaled - below === 0.5 && below % 2 === 0 ? (below / 1000).toFixed(3) : value.toFixed(3);
}
