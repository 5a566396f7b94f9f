/** Numbers and values as the reference tools print them. */
const UNITS = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** Three significant digits in the unit that keeps the number below a thousand: `10 MiB`, `0.977 MiB`, `1.46 MiB`. */
export function shortSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = threeDigits(value);
  // What rounds up to a thousand is printed as C prints it.
  return `${digits >= 1000 ? '1e+03' : digits} ${UNITS[unit]}B`;
}

/** Rounded as the C library does it: a tie goes to the even digit (`toPrecision` takes the larger). */
function threeDigits(value: number): number {
  const step = value >= 100 ? 1 : value >= 10 ? 10 : 100;
  const below = Math.floor(value * step);
  return value * step - below === 0.5 && below % 2 === 0 ? below / step : Number(value.toPrecision(3));
}

/** JSON in their style: four blanks a step, empty lists on two lines, everything beyond ASCII escaped. */
export function jsonText(value: unknown): string {
  // An empty list or object ends its line nowhere but where it is a value: text ends with a quotation mark.
  const text = JSON.stringify(value, null, 4).replace(/^( *)(.*)([[{])([\]}])(,?)$/gm, '$1$2$3\n$1$4$5');
  return `${escapeBeyondAscii(text.replaceAll(/\\(?:u[0-9a-f]{4}|.)/g, (escape) => (escape[1] === 'u' ? `\\u${escape.slice(2).toUpperCase()}` : escape)))}\n`;
}

export function escapeBeyondAscii(text: string): string {
  return text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`);
}

/** A hexadecimal number as C's `%#x` prints it. */
export function hex(value: number): string {
  return value === 0 ? '0' : `0x${value.toString(16)}`;
}

const INT64_MAX = 2n ** 63n - 1n;

export type Size = { readonly size: number } | { readonly fault: 'syntax' | 'range' } | { readonly fault: 'limit'; readonly about: number };

/** A size with an optional suffix k to E: no minus sign, a fraction only before a suffix. `limit`: more than this program can count. */
export function readSize(text: string): Size {
  const match = /^\s*\+?(?:(0x[0-9a-f]+)|(\d+)(\.\d*)?([bkmgtpe]?))$/i.exec(text);
  if (match === null) return { fault: 'syntax' };
  const [, hexadecimal, whole, fraction = '', suffix = ''] = match;
  const scale = 'bkmgtpe'.indexOf(suffix.toLowerCase() || 'b');
  if (Number(`0${fraction}`) !== 0 && scale === 0) return { fault: 'syntax' };
  const exact = BigInt(hexadecimal ?? whole) * 1024n ** BigInt(scale);
  if (exact > INT64_MAX) return { fault: 'range' };
  const size = Number(exact) + Math.floor(Number(`0${fraction}`) * 1024 ** scale);
  return Number.isSafeInteger(size) ? { size } : { fault: 'limit', about: size };
}
