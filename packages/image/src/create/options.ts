/** Options of creation as command lines write them: `name=value,name=value`, checked in the words of the reference tools. */
import { BlockError, type BlockDriver, type CreateOptionSpec, type CreateOptionTable } from '@blk/core-graph';

/** Splits `a=1,b=x,,y` at single commas; a doubled comma stands for one. Throws for an empty list. */
export function splitOptions(text: string): [string, string | undefined][] {
  if (text === '' || text.startsWith(',') || /(^|[^,])(,,)*,$/.test(text)) {
    throw new BlockError('invalid-argument', `Invalid option list: ${text}`);
  }
  const items: string[] = [];
  let item = '';
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== ',') item += text[at];
    else if (text[at + 1] === ',') {
      item += ',';
      at++;
    } else {
      items.push(item);
      item = '';
    }
  }
  items.push(item);
  return items.map((part) => {
    const equals = part.indexOf('=');
    return equals < 0 ? [part, undefined] : [part.slice(0, equals), part.slice(equals + 1)];
  });
}

/** Whether one of the texts asks for help. */
export function wantsHelp(texts: readonly string[]): boolean {
  return texts.some((text) => splitOptions(text).some(([name, value]) => value === undefined && (name === 'help' || name === '?')));
}

const SIZE: CreateOptionSpec = { type: { type: 'size' }, help: 'Virtual disk size' };

/** Options of a format, and of the protocol below where it is known. */
export function optionTable(format: BlockDriver, protocol?: BlockDriver): CreateOptionTable {
  // What raw offers by itself is its protocol's to do.
  const own = format.name === 'raw' ? {} : format.createOptions;
  return { ...protocol?.createOptions, size: SIZE, ...own };
}

/** The list that `amend -o help` prints. */
export function amendHelp(format: BlockDriver): string {
  if (format.amendOptions === undefined) throw noAmend(format);
  return `Amend options for '${format.name}':\n${optionLines(format.amendOptions)}`;
}

/** Options of an amendment from their texts. Throws where the format has none, or not these. */
export function parseAmendOptions(texts: readonly string[], format: BlockDriver): Record<string, string | number | boolean> {
  const { amendOptions, createOptions } = format;
  if (amendOptions === undefined) throw noAmend(format);
  for (const text of texts) {
    for (const [name] of splitOptions(text)) {
      if (Object.hasOwn(amendOptions, name) || createOptions === undefined || !Object.hasOwn(createOptions, name)) continue;
      throw new BlockError('invalid-argument', `Invalid parameter '${name}'\nThis option is only supported for image creation`);
    }
  }
  return parseCreateOptions(texts, amendOptions);
}

function noAmend(format: BlockDriver): BlockError {
  return new BlockError('unsupported', `Format driver '${format.name}' does not support option amendment`);
}

function optionLines(table: CreateOptionTable): string {
  return Object.keys(table)
    .sort()
    .map((name) => `  ${`${name}=<${typeName(table[name])}>`.padEnd(22)} - ${table[name].help}\n`)
    .join('');
}

/** The list that `-o help` prints. */
export function optionHelp(format: BlockDriver, protocol?: BlockDriver): string {
  if (format.create === undefined && format.createFile === undefined) {
    throw new BlockError('unsupported', `Format driver '${format.name}' does not support image creation`);
  }
  const { createOptions = {} } = protocol ?? {};
  const told = Object.entries(optionTable(format, protocol)).map(([name, spec]) => [name, spec.ofProtocol === true ? createOptions[name] : spec] as const);
  const lines = optionLines(Object.fromEntries(told.filter(([, spec]) => spec !== undefined)));
  if (protocol !== undefined) return `Supported options:\n${lines}`;
  return (
    `Supported ${format.name} options:\n${lines}\n` +
    'The protocol level may support further options.\nSpecify the target filename to include those options.\n'
  );
}

function typeName({ type }: CreateOptionSpec): string {
  switch (type.type) {
    case 'bool':
      return 'bool (on/off)';
    case 'size':
      return 'size';
    case 'int':
    case 'uint':
      return 'num';
    default:
      return 'str';
  }
}

/** The options of `-o` texts by name, each of its type; later ones win. Throws where one is unknown or its value wrong. */
export function parseCreateOptions(texts: readonly string[], table: CreateOptionTable): Record<string, string | number | boolean> {
  const values: Record<string, string | number | boolean> = {};
  for (const text of texts) {
    for (const [given, value] of splitOptions(text)) {
      const negated = value === undefined && !Object.hasOwn(table, given) && given.startsWith('no');
      const name = negated ? given.slice(2) : given;
      const spec = Object.hasOwn(table, name) ? table[name] : undefined;
      if (spec === undefined) throw new BlockError('invalid-argument', `Invalid parameter '${given}'`);
      values[name] = parseValue(name, value ?? (negated ? 'off' : 'on'), spec);
    }
  }
  return values;
}

/** Switches that are spelled otherwise than `on` and `off`, by name: the reference shows them as they were given. */
export function spelledSwitches(texts: readonly string[], table: CreateOptionTable): ReadonlyMap<string, string> {
  const given = texts.flatMap((text) => splitOptions(text));
  return new Map(given.flatMap(([name, value]) => (value !== undefined && Object.hasOwn(table, name) && table[name].type.type === 'bool' ? [[name, value]] : [])));
}

const ON = ['on', 'yes', 'true', 'y'];
const OFF = ['off', 'no', 'false', 'n'];

function parseValue(name: string, text: string, spec: CreateOptionSpec): string | number | boolean {
  switch (spec.type.type) {
    case 'bool':
      if (ON.includes(text) || OFF.includes(text)) return ON.includes(text);
      throw new BlockError('invalid-argument', `Parameter '${name}' expects 'on' or 'off'`);
    case 'size':
      return parseSizeOption(name, text);
    case 'int':
    case 'uint':
      return parseNumber(name, text);
    default:
      return text;
  }
}

/** A number of 64 bits, those from 2^63 on standing for negative ones, as in the reference. */
function parseNumber(name: string, text: string): number {
  const match = /^([+-]?)(0x[0-9a-f]+|\d+)$/i.exec(text);
  if (match === null) throw new BlockError('invalid-argument', `Parameter '${name}' expects a number`);
  const size = BigInt(match[2]);
  if (size >= 1n << 64n) throw new BlockError('invalid-argument', `Value '${text}' is too large for parameter '${name}'`);
  return Number(BigInt.asIntN(64, match[1] === '-' ? -size : size));
}

/** A size with an optional suffix, as options and `resize` take it. */
export function parseSizeOption(name: string, text: string): number {
  const match = /^\s*\+?(?:(0x[0-9a-f]+)|(\d+(?:\.\d*)?)([bkmgtpe]?))$/i.exec(text);
  if (match === null) throw sizeExpected(name);
  // A part of a byte.
  if (!Number.isInteger(Number(match[1] ?? match[2])) && ['', 'b'].includes((match[3] ?? '').toLowerCase())) throw sizeExpected(name);
  const unit = 1024 ** Math.max(0, 'bkmgtpe'.indexOf((match[3] ?? '').toLowerCase() || 'b'));
  const size = Math.floor(Number(match[1] ?? match[2]) * unit);
  if (size >= 2 ** 64) throw new BlockError('invalid-argument', `Value '${text}' is out of range for parameter '${name}'`);
  return size;
}

function sizeExpected(name: string): BlockError {
  return new BlockError(
    'invalid-argument',
    `Parameter '${name}' expects a non-negative number below 2^64\n` +
      'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.',
  );
}
