/** Numbers and sizes in the words of qemu-io: parsing with suffixes, printing in binary units. */
import { BlockError, parseSize } from '@blk/core-graph';

/** A number argument that can't be used; `message` is the line to print. */
export class ArgumentError extends Error {}

/** Parses an offset or length: digits with an optional suffix k to E. */
export function parseNumber(text: string): number {
  try {
    return parseSize('number', text);
  } catch (error) {
    const large = (error instanceof BlockError && error.kind === 'too-large') || /^\d{16,}$/.test(text);
    throw new ArgumentError(
      large
        ? `Parsing error: argument too large -- ${text}`
        : `Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- ${text}`,
    );
  }
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
  const text = threeDigits(value);
  return `${text.endsWith('.000') ? text.slice(0, -4) : text} ${UNITS[unit]}`;
}

/** Three decimals as the C library rounds them: a tie goes to the even digit (`toFixed` takes the larger). */
function threeDigits(value: number): string {
  const scaled = value * 1000;
  const below = Math.floor(scaled);
  return scaled - below === 0.5 && below % 2 === 0 ? (below / 1000).toFixed(3) : value.toFixed(3);
}
