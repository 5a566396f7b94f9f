/** Numbers as command lines write them: C's integers, and sizes with a suffix. */

/** An integer as `strtoll(…, 0)` takes it: blanks and a sign first, `0x` hexadecimal, `0` octal. Nothing may follow. */
export function parseCInteger(text: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  if (match === null || match[2].length > MAX_DIGITS) return undefined;
  const digits = match[2];
  const octal = /^0[0-7]+$/.test(digits);
  const magnitude = BigInt(octal ? `0o${digits}` : digits);
  return match[1] === '-' ? -magnitude : magnitude;
}

/** A number with a fraction and an exponent. */
export function parseCNumber(text: string): number | undefined {
  if (!/^[ \t\n\v\f\r]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/**
 * A size in bytes: a decimal number, maybe with a fraction, and a suffix `B`, `K`, `M`, `G`, `T`, `P` or `E` in either case;
 * or a hexadecimal number. Bytes have no fraction, and everything stays below 2^64.
 */
export function parseSize(text: string): bigint | undefined {
  const hex = /^[ \t\n\v\f\r]*\+?0[xX]([0-9a-fA-F]+)([kKmMgGtTpP]?)$/.exec(text);
  if (hex !== null) {
    if (hex[1].length > MAX_DIGITS) return undefined;
    return inRange(BigInt(`0x${hex[1]}`) << BigInt(shiftOf(hex[2])));
  }
  const decimal = /^[ \t\n\v\f\r]*\+?(\d+)(?:\.(\d*))?([bBkKmMgGtTpPeE]?)$/.exec(text);
  if (decimal === null) return undefined;
  const [, whole, fraction = '', suffix] = decimal;
  if (whole.length > MAX_DIGITS || fraction.length > MAX_DIGITS) return undefined;
  const shift = shiftOf(suffix);
  if (shift === 0 && /[1-9]/.test(fraction)) return undefined;
  const part = fraction === '' ? 0n : roundedShare(BigInt(fraction), 10n ** BigInt(fraction.length), shift);
  return inRange((BigInt(whole) << BigInt(shift)) + part);
}

/** Longer runs of digits are refused before any arithmetic on them. */
const MAX_DIGITS = 64;

function shiftOf(suffix: string): number {
  return Math.max(0, 'BKMGTPE'.indexOf(suffix.toUpperCase())) * 10 * (suffix === '' ? 0 : 1);
}

function roundedShare(numerator: bigint, denominator: bigint, shift: number): bigint {
  return ((numerator << BigInt(shift)) * 2n + denominator) / (denominator * 2n);
}

function inRange(value: bigint): bigint | undefined {
  return value < 1n << 64n ? value : undefined;
}
