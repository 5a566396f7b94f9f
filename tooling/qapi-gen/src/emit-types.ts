/** The checked schema as TypeScript declarations: one exported type a definition, wire names kept. */
import { baseMembers } from './check.js';
import type { CommandDef, EventDef, Member, Schema, SimpleUnionDef, StructDef, TypeDef, TypeRef, UnionDef } from './model.js';

/** Text of the generated module. */
export function emitTypes(schema: Schema, header: string): string {
  const parts = [header, preamble];
  const taken = new Set(schema.types.keys());
  for (const type of schema.types.values()) parts.push(emitType(type, schema));
  const commands = [...schema.commands.values()].map((command) => emitCommand(command, taken));
  const events = [...schema.events.values()].map((event) => emitEvent(event, taken));
  parts.push(...commands.flatMap(({ own }) => own), ...events.flatMap(({ own }) => own));
  parts.push(table('QmpCommands', 'Every command: what it takes and what it returns.', commands));
  parts.push(table('QmpEvents', 'Every event: the type of its data.', events));
  parts.push(table('QapiTypeMap', 'Every named type of the schema.', typeEntries(schema)));
  return `${parts.join('\n')}`;
}

const preamble = `import type { EmptyObject, Int64, Uint64 } from '../integers.js';
`;

const scalars: Readonly<Record<string, string>> = {
  str: 'string',
  number: 'number',
  int: 'Int64',
  int8: 'number',
  int16: 'number',
  int32: 'number',
  int64: 'Int64',
  uint8: 'number',
  uint16: 'number',
  uint32: 'number',
  uint64: 'Uint64',
  size: 'Uint64',
  bool: 'boolean',
  null: 'null',
  any: 'unknown',
  QType: 'string',
};

function emitType(type: TypeDef, schema: Schema): string {
  const doc = comment(type.doc?.body, type.doc?.since);
  switch (type.kind) {
    case 'enum':
      return `${doc}export type ${identifier(type.name)} =${alternatives(type.values.map((value) => `'${value}'`))};\n`;
    case 'struct':
      return doc + emitStruct(type);
    case 'union':
      return doc + emitUnion(type, schema);
    case 'simple':
      return doc + emitSimple(type);
    case 'alternate': {
      const branches = [...type.branches.values()].map(typeText);
      return `${doc}export type ${identifier(type.name)} =${alternatives(branches)};\n`;
    }
  }
}

function emitStruct(type: StructDef): string {
  const base = type.base === undefined ? '' : ` extends ${identifier(type.base)}`;
  return declaration(identifier(type.name) + base, type.members);
}

function declaration(head: string, members: readonly Member[]): string {
  if (members.length === 0 && !head.includes(' ')) return `export type ${head} = EmptyObject;\n`;
  return `export interface ${head} {\n${members.map(memberText).join('')}}\n`;
}

/** Branches over the same base are told apart by the tag; values without a branch have the base alone. */
function emitUnion(union: UnionDef, schema: Schema): string {
  const name = identifier(union.name);
  const own = typeof union.base === 'string' ? '' : `${declaration(`${name}Base`, union.base)}\n`;
  const base = typeof union.base === 'string' ? identifier(union.base) : `${name}Base`;
  const tag = baseMembers(schema, union).find((member) => member.name === union.discriminator)!;
  const values = schema.types.get(tag.type as string);
  const branches = (values?.kind === 'enum' ? values.values : []).map((value) => {
    const branch = union.branches.get(value);
    const head = `${base} & { ${key(union.discriminator)}: '${value}' }`;
    return branch === undefined ? head : `(${head} & ${identifier(branch)})`;
  });
  return `${own}export type ${name} =${alternatives(branches)};\n`;
}

function emitSimple(union: SimpleUnionDef): string {
  const branches = [...union.branches].map(([name, type]) => `{ type: '${name}'; data: ${typeText(type)} }`);
  return `export type ${identifier(union.name)} =${alternatives(branches)};\n`;
}

interface Entry {
  readonly name: string;
  readonly type: string;
  readonly own: readonly string[];
  readonly doc: string | undefined;
}

function emitCommand(command: CommandDef, taken: Set<string>): Entry {
  const args = dataText(command, 'Arguments', taken);
  const returns = command.returns === undefined ? 'EmptyObject' : typeText(command.returns);
  return { ...args, type: `{ arguments: ${args.type}; returns: ${returns} }` };
}

function emitEvent(event: EventDef, taken: Set<string>): Entry {
  return dataText(event, 'Data', taken);
}

function dataText(definition: CommandDef | EventDef, suffix: string, taken: Set<string>): Entry {
  const { data, doc, name } = definition;
  const entry = { name, doc: doc?.body };
  if (typeof data === 'string') return { ...entry, type: identifier(data), own: [] };
  if (data.length === 0) return { ...entry, type: 'EmptyObject', own: [] };
  const type = pascal(name) + suffix;
  if (taken.has(type)) throw new Error(`the generated name '${type}' for '${name}' is taken by a type`);
  taken.add(type);
  const kind = definition.kind === 'command' ? 'Arguments of' : 'Data of';
  return { ...entry, type, own: [`/** ${kind} \`${name}\`. */\n${declaration(type, data)}`] };
}

function table(name: string, doc: string, entries: readonly Pick<Entry, 'name' | 'type' | 'doc'>[]): string {
  const lines = entries.map((entry) => comment(entry.doc, undefined, '  ') + `  ${key(entry.name)}: ${entry.type};\n`);
  return `/** ${doc} */\nexport interface ${name} {\n${lines.join('')}}\n`;
}

function typeEntries(schema: Schema): Pick<Entry, 'name' | 'type' | 'doc'>[] {
  return [...schema.types.keys()].map((name) => ({ name, type: identifier(name), doc: undefined }));
}

function memberText(member: Member): string {
  const mark = member.optional ? '?' : '';
  return `${comment(member.doc, undefined, '  ')}  ${key(member.name)}${mark}: ${typeText(member.type)};\n`;
}

function typeText(ref: TypeRef): string {
  if (typeof ref === 'string') return scalars[ref] ?? identifier(ref);
  return `${typeText(ref[0])}[]`;
}

function alternatives(items: readonly string[]): string {
  const line = ` ${items.join(' | ')}`;
  return line.length <= 90 ? line : items.map((item) => `\n  | ${item}`).join('');
}

function key(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : `'${name}'`;
}

function identifier(name: string): string {
  return name.replace(/[^A-Za-z0-9_]/g, '_');
}

/** `block-job-cancel` and `BLOCK_JOB_READY` to `BlockJobCancel` and `BlockJobReady`. */
function pascal(name: string): string {
  const words = name.split(/[-_.]/).filter((word) => word !== '');
  return words.map((word) => word[0].toUpperCase() + word.slice(1).toLowerCase()).join('');
}

function comment(body: string | undefined, since: string | undefined, indent = ''): string {
  const text = (body ?? '').replace(/\*\//g, '*\\/').replace(/(?<!\w)@([\w-]+)/g, '`$1`');
  const lines = text === '' ? [] : text.split('\n');
  if (since !== undefined) lines.push(...(lines.length > 0 ? [''] : []), `Since: ${since}`);
  if (lines.length === 0) return '';
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd() + '\n').join('')}${indent} */\n`;
}
