/** One complete text to its value. Where it starts, ends, and that it consists of tokens was seen to by the scanner. */
import { QmpError } from '../errors.js';
import { narrow } from '../integers.js';
import type { JsonObject, JsonValue } from './value.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parses bytes that hold exactly the tokens of one value. Throws a {@link QmpError}. */
export function parseValue(bytes: Uint8Array): JsonValue {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw parseError('invalid UTF-8 sequence in string');
  }
  if (text.length !== bytes.length && /\p{Noncharacter_Code_Point}/u.test(text)) {
    throw parseError('invalid UTF-8 sequence in string');
  }
  return new ValueParser(text).value();
}

/** `JSON parse error, …`. */
export function parseError(what: string): QmpError {
  return new QmpError('GenericError', `JSON parse error, ${what}`);
}

const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

class ValueParser {
  #at = 0;

  constructor(private readonly text: string) {}

  value(): JsonValue {
    const code = this.#peek();
    if (code === QUOTE || code === APOSTROPHE) return this.#string(code);
    if (code === OPEN_OBJECT) return this.#object();
    if (code === OPEN_LIST) return this.#list();
    if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.#number();
    if (code >= 0x61 && code <= 0x7a) return this.#keyword();
    throw parseError(Number.isNaN(code) ? 'premature EOI' : 'expecting value');
  }

  /** The next character that is no blank; NaN at the end. */
  #peek(): number {
    let code = this.text.charCodeAt(this.#at);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = this.text.charCodeAt((this.#at += 1));
    return code;
  }

  #object(): JsonObject {
    const object: JsonObject = {};
    this.#at += 1;
    if (this.#peek() === CLOSE_OBJECT) {
      this.#at += 1;
      return object;
    }
    for (;;) {
      const key = this.value();
      if (typeof key !== 'string') throw parseError('key is not a string in object');
      if (this.#peek() !== COLON) throw parseError('missing : in object pair');
      this.#at += 1;
      const value = this.value();
      if (Object.hasOwn(object, key)) throw parseError('duplicate key');
      if (key === '__proto__') Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
      else object[key] = value;
      const next = this.#peek();
      if (next !== COMMA && next !== CLOSE_OBJECT) throw parseError('expected separator in dict');
      this.#at += 1;
      if (next === CLOSE_OBJECT) return object;
    }
  }

  #list(): JsonValue[] {
    const list: JsonValue[] = [];
    this.#at += 1;
    if (this.#peek() === CLOSE_LIST) {
      this.#at += 1;
      return list;
    }
    for (;;) {
      list.push(this.value());
      const next = this.#peek();
      if (next !== COMMA && next !== CLOSE_LIST) throw parseError('expected separator in list');
      this.#at += 1;
      if (next === CLOSE_LIST) return list;
    }
  }

  #string(quote: number): string {
    const { text } = this;
    const start = this.#at + 1;
    const end = text.indexOf(quote === QUOTE ? '"' : "'", start);
    const raw = text.slice(start, end);
    if (!raw.includes('\\')) {
      this.#at = end + 1;
      return raw;
    }
    return this.#escapedString(quote, start);
  }

  #escapedString(quote: number, start: number): string {
    const { text } = this;
    let out = '';
    let from = start;
    let at = start;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === quote) break;
      if (code !== 0x5c) {
        at += 1;
        continue;
      }
      out += text.slice(from, at);
      const [char, length] = unescape(text, at);
      out += char;
      at += length;
      from = at;
    }
    this.#at = at + 1;
    return out + text.slice(from, at);
  }

  #number(): number | bigint {
    const { text } = this;
    const start = this.#at;
    let whole = true;
    let at = start + 1;
    for (; ; at += 1) {
      const code = text.charCodeAt(at);
      if (code >= 0x30 && code <= 0x39) continue;
      // A sign belongs to the number only behind an exponent's letter.
      const isSign = (code === 0x2b || code === 0x2d) && (text.charCodeAt(at - 1) | 0x20) === 0x65;
      if (!isSign && code !== 0x2e && code !== 0x65 && code !== 0x45) break;
      whole = false;
    }
    this.#at = at;
    const digits = text.slice(start, at);
    if (!whole) return Number(digits);
    // The integer -0 is 0; only a double has a negative zero.
    return digits.length > 15 ? bigInteger(digits) : Number(digits) + 0;
  }

  #keyword(): null | boolean {
    const start = this.#at;
    let at = start;
    for (let code = text(this.text, at); code >= 0x61 && code <= 0x7a; code = text(this.text, at)) at += 1;
    this.#at = at;
    const word = this.text.slice(start, at);
    if (word === 'true') return true;
    if (word === 'false') return false;
    if (word === 'null') return null;
    throw parseError(`invalid keyword '${word.slice(0, MAX_QUOTED)}'`);
  }
}

/** No more of a hostile text than this is repeated in an error. */
export const MAX_QUOTED = 1024;

function text(of: string, at: number): number {
  return of.charCodeAt(at);
}

/** Exact within 64 bits, beyond them a double. A text of many digits never becomes a large bigint. */
function bigInteger(digits: string): number | bigint {
  if (digits.length > 20) return Number(digits);
  const value = BigInt(digits);
  return value >= -(1n << 63n) && value < 1n << 64n ? narrow(value) : Number(digits);
}

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** The character that the escape sequence at `at` stands for, and the length of the sequence. */
function unescape(source: string, at: number): [string, number] {
  const letter = source[at + 1];
  if (letter !== 'u') {
    const char = escapes[letter];
    if (char === undefined) throw parseError('invalid escape sequence in string');
    return [char, 2];
  }
  const high = codeUnit(source, at);
  const isHigh = high !== undefined && high >= 0xd800 && high < 0xdc00;
  const low = isHigh ? codeUnit(source, at + 6) : undefined;
  const paired = low !== undefined && low >= 0xdc00 && low < 0xe000;
  const char = high === undefined ? '' : paired ? String.fromCharCode(high, low) : String.fromCharCode(high);
  if (char === '' || (char.length === 1 && high! >= 0xd800 && high! < 0xe000) || /\p{Noncharacter_Code_Point}/u.test(char)) {
    const shown = /^\\u[^"']{0,3}./su.exec(source.slice(at, at + 6));
    throw parseError(`${shown?.[0] ?? ''} is not a valid Unicode character`);
  }
  return [char, char.length * 6];
}

function codeUnit(source: string, at: number): number | undefined {
  const match = /^\\u([0-9a-fA-F]{4})$/.exec(source.slice(at, at + 6));
  return match === null ? undefined : parseInt(match[1], 16);
}
