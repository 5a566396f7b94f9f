/** Values to JSON text as QEMU writes it: ASCII only, `", "` and `": "`, doubles with 17 digits. */

/** How the text is laid out. */
export interface StringifyOptions {
  /** One member a line, indented by four, as a monitor with `pretty=on` writes. Default: all on one line. */
  readonly pretty?: boolean;
}

/**
 * Text of a value. Bigints are written as integers; members that are undefined are left out; objects with `toJSON` are
 * asked for their value.
 *
 * @throws TypeError for what JSON has no form for
 */
export function stringify(value: unknown, options: StringifyOptions = {}): string {
  return write(value, options.pretty === true ? '\n' : '', 0);
}

/** A value that holds itself would never end. */
const MAX_DEPTH = 1536;

/** @param newline a line break with the indentation of the current level; empty: everything on one line */
function write(value: unknown, newline: string, depth: number): string {
  if (depth > MAX_DEPTH) throw new TypeError('the value is nested too deeply to be written as JSON');
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
      return writeNumber(value);
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'object':
      if (value === null) return 'null';
      if ('toJSON' in value && typeof value.toJSON === 'function') return write((value.toJSON as () => unknown)(), newline, depth + 1);
      return Array.isArray(value) ? writeList(value, newline, depth) : writeObject(value, newline, depth);
    default:
      throw new TypeError(`a ${typeof value} cannot be written as JSON`);
  }
}

function writeObject(object: object, newline: string, depth: number): string {
  const inner = newline === '' ? '' : `${newline}    `;
  const parts: string[] = [];
  for (const [key, value] of Object.entries(object) as [string, unknown][]) {
    if (value !== undefined) parts.push(`${inner}${quote(key)}: ${write(value, inner, depth + 1)}`);
  }
  return enclose('{', parts, '}', newline);
}

function writeList(list: readonly unknown[], newline: string, depth: number): string {
  const inner = newline === '' ? '' : `${newline}    `;
  return enclose('[', list.map((item) => inner + write(item, inner, depth + 1)), ']', newline);
}

function enclose(open: string, parts: readonly string[], close: string, newline: string): string {
  if (parts.length === 0) return open + newline + close;
  return open + parts.join(newline === '' ? ', ' : ',') + newline + close;
}

const special = /["\\]|[^ -~]/;

function quote(text: string): string {
  if (!special.test(text)) return `"${text}"`;
  let out = '"';
  for (const char of text) out += escape(char);
  return `${out}"`;
}

const short: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

function escape(char: string): string {
  const known = short.get(char);
  if (known !== undefined) return known;
  if (char >= ' ' && char <= '~') return char;
  if (char.length === 1 && char >= '\ud800' && char <= '\udfff') return '\\uFFFD';
  return char.split('').map((unit) => `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`).join('');
}

function writeNumber(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? '-0' : String(value);
  if (Number.isNaN(value)) throw new TypeError('NaN cannot be written as JSON');
  // Every parser reads this as an infinity again; JSON has no word for one.
  if (!Number.isFinite(value)) return value > 0 ? '1e999' : '-1e999';
  return general(value);
}

/** C's `%.17g`. */
function general(value: number): string {
  const [mantissa, power] = value.toExponential(16).split('e') as [string, string];
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 17) {
    const digits = Math.abs(exponent).toString().padStart(2, '0');
    return `${trim(mantissa)}e${exponent < 0 ? '-' : '+'}${digits}`;
  }
  return trim(value.toFixed(Math.max(0, 16 - exponent)));
}

function trim(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
}
