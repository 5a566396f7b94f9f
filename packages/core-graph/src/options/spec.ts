/**
 * Checking of driver options at the door: a small table per driver, and one interpreter that speaks in QEMU's words.
 * Values come as JSON (numbers, booleans) or as strings from a command line; both are accepted where the text is exact.
 */
import { BlockError } from '../errors.js';

/** Type of one option. `bool` takes on/off texts, `size` takes suffixes, an array lists the allowed words. */
export type OptionType = 'string' | 'int' | 'uint' | 'size' | 'bool' | 'any' | 'child' | readonly string[];

export interface OptionSpec {
  readonly type: OptionType;
  readonly required?: boolean;
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

/**
 * Checks `values` against `table` and gives them back with their right types; `unknown` words the message about an option
 * that is not in the table. Throws a `BlockError` and nothing else.
 */
export function checkOptions(
  values: Record<string, unknown>,
  table: OptionTable,
  unknown: (option: string) => string,
): Record<string, unknown> {
  const checked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    const spec = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!spec) throw new BlockError('invalid-argument', unknown(name));
    if (value !== undefined && value !== null) checked[name] = checkOption(name, value, spec.type);
  }
  for (const [name, spec] of Object.entries(table)) {
    if (spec.required === true && checked[name] === undefined) {
      throw new BlockError('invalid-argument', `Parameter '${name}' is missing`);
    }
  }
  return checked;
}

/** One value checked and converted. */
export function checkOption(name: string, value: unknown, type: OptionType): unknown {
  if (typeof type === 'object') {
    if (typeof value !== 'string') throw wrongType(name, 'string');
    if (!type.includes(value)) {
      throw new BlockError('invalid-argument', `Parameter '${name}' does not accept value '${value}'`);
    }
    return value;
  }
  switch (type) {
    case 'string':
      if (typeof value !== 'string') throw wrongType(name, 'string');
      return value;
    case 'bool':
      return checkBool(name, value);
    case 'int':
      return checkInteger(name, value, Number.MIN_SAFE_INTEGER);
    case 'uint':
      return checkInteger(name, value, 0);
    case 'size':
      return typeof value === 'string' ? parseSize(name, value) : checkInteger(name, value, 0);
    case 'any':
    case 'child':
      return value;
  }
}

function checkBool(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 'on' || value === 'yes' || value === 'true' || value === 'y') return true;
  if (value === 'off' || value === 'no' || value === 'false' || value === 'n') return false;
  if (typeof value === 'string') throw new BlockError('invalid-argument', `Parameter '${name}' expects 'on' or 'off'`);
  throw wrongType(name, 'boolean');
}

function checkInteger(name: string, value: unknown, min: number): number {
  let number: number;
  if (typeof value === 'number') number = value;
  else if (typeof value === 'bigint') number = Number(value);
  else if (typeof value === 'string' && /^[+-]?(\d+|0x[0-9a-f]+)$/i.test(value)) number = Number(value);
  else throw wrongType(name, 'integer');
  if (!Number.isInteger(number)) throw wrongType(name, 'integer');
  if (number < min) {
    throw new BlockError('invalid-argument', `Parameter '${name}' expects a non-negative number, found ${String(value)}`);
  }
  if (number > Number.MAX_SAFE_INTEGER || number < Number.MIN_SAFE_INTEGER) {
    throw new BlockError('too-large', `Parameter '${name}' is ${String(value)}, beyond the limit of ${Number.MAX_SAFE_INTEGER}`);
  }
  return number;
}

const SUFFIXES = 'bkmgtpe';

/**
 * A size as QEMU's command lines take it: a number, with a fraction where a suffix follows, and one of b, k, M, G, T, P, E
 * in either case (powers of 1024). Throws where the text is no size, or the size is beyond 2^53-1 bytes.
 */
export function parseSize(name: string, text: string): number {
  const match = /^\s*\+?(?:(0x[0-9a-f]+)|(\d+(?:\.\d*)?))([bkmgtpe]?)$/i.exec(text);
  const unit = 1024 ** Math.max(0, SUFFIXES.indexOf((match?.[3] ?? '').toLowerCase() || 'b'));
  const number = Number(match?.[1] ?? match?.[2]);
  // There are no parts of a byte.
  if (!match || (unit === 1 && !Number.isInteger(number))) {
    throw new BlockError('invalid-argument', `Parameter '${name}' expects a non-negative number below 2^64`);
  }
  const size = Math.round(number * unit);
  if (size > Number.MAX_SAFE_INTEGER) {
    throw new BlockError('too-large', `Parameter '${name}' is ${text}, beyond the limit of ${Number.MAX_SAFE_INTEGER} bytes`);
  }
  return size;
}

function wrongType(name: string, expected: string): BlockError {
  return new BlockError('invalid-argument', `Invalid parameter type for '${name}', expected: ${expected}`);
}
