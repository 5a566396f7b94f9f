/** Values of the built-in types: from JSON as they are, from a command line out of strings. Texts are QEMU's. */
import { QmpError } from './errors.js';
import { integerRanges, narrow, type Int64 } from './integers.js';
import { fullName, type Path } from './path.js';
import { parseCInteger, parseCNumber, parseSize } from './text-numbers.js';

/** Built-in type names; integers are in {@link integerRanges}. */
export function isBuiltin(name: string): boolean {
  return name in expected || Object.hasOwn(integerRanges, name);
}

/** What errors call the types that are not integers. */
const expected: Readonly<Record<string, string>> = {
  str: 'string',
  QType: 'string',
  bool: 'boolean',
  number: 'number',
  null: 'null',
  any: 'value',
};

/** Checks a value of a built-in type. Throws a {@link QmpError}. */
export function visitBuiltin(type: string, value: unknown, path: Path, keyval: boolean): unknown {
  if (type === 'any') return value;
  if (keyval) {
    if (typeof value !== 'string') throw new QmpError('GenericError', `Parameters '${fullName(path, true)}.*' are unexpected`);
    return fromText(type, value, path);
  }
  if (Object.hasOwn(integerRanges, type)) return visitInteger(type, value, path);
  switch (type) {
    case 'bool':
      if (typeof value === 'boolean') return value;
      break;
    case 'number':
      if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
      break;
    case 'null':
      if (value === null) return value;
      break;
    default:
      if (typeof value === 'string') return value;
  }
  throw wrongType(path, expected[type] ?? type, keyval);
}

/** `Invalid parameter type for 'x', expected: y`. */
export function wrongType(path: Path, what: string, keyval: boolean): QmpError {
  return new QmpError('GenericError', `Invalid parameter type for '${fullName(path, keyval)}', expected: ${what}`);
}

const INT64 = integerRanges.int64;
const UINT64_SPAN = 1n << 64n;

function visitInteger(type: string, value: unknown, path: Path): Int64 {
  const unsigned = isUnsigned(type);
  const refuse = (): QmpError => (unsigned ? expects(path, 'uint64', false) : wrongType(path, 'integer', false));
  if (typeof value === 'number' ? !Number.isSafeInteger(value) : typeof value !== 'bigint') throw refuse();
  return ranged(type, BigInt(value as Int64), path, false, refuse);
}

/** Like QEMU, an unsigned type takes a negative number for what its 64 bits are. */
function ranged(type: string, value: bigint, path: Path, keyval: boolean, refuse: () => QmpError): Int64 {
  const unsigned = isUnsigned(type);
  if (value < INT64[0] || value > (unsigned ? UINT64_SPAN - 1n : INT64[1])) throw refuse();
  const wrapped = unsigned && value < 0n ? value + UINT64_SPAN : value;
  const [least, most] = integerRanges[type];
  if (wrapped < least || wrapped > most) throw expects(path, `${type}_t`, keyval);
  return narrow(wrapped);
}

function isUnsigned(type: string): boolean {
  return type === 'size' || type.startsWith('u');
}

function fromText(type: string, text: string, path: Path): unknown {
  switch (type) {
    case 'bool':
      if (['on', 'yes', 'true', 'y'].includes(text)) return true;
      if (['off', 'no', 'false', 'n'].includes(text)) return false;
      throw expects(path, "'on' or 'off'", true);
    case 'number': {
      const number = parseCNumber(text);
      if (number === undefined) throw expects(path, 'number', true);
      return number;
    }
    case 'null':
      if (text === '') return null;
      throw wrongType(path, 'null', true);
    case 'size': {
      const size = parseSize(text);
      if (size === undefined) throw expects(path, 'size', true);
      return narrow(size);
    }
  }
  if (!Object.hasOwn(integerRanges, type)) return text;
  const integer = parseCInteger(text);
  const refuse = (): QmpError => expects(path, 'integer', true);
  if (integer === undefined) throw refuse();
  // strtoull() takes the whole unsigned range behind a minus sign.
  const folded = isUnsigned(type) && integer < 0n && integer > -UINT64_SPAN ? integer + UINT64_SPAN : integer;
  return ranged(type, folded, path, true, refuse);
}

function expects(path: Path, what: string, keyval: boolean): QmpError {
  return new QmpError('GenericError', `Parameter '${fullName(path, keyval)}' expects ${what}`);
}
