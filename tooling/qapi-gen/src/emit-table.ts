/** The checked schema as data, small and in order: what the validator and the introspection are driven by. */
import type { CommandDef, EventDef, Member, Schema, TypeDef, TypeRef } from './model.js';

/** Text of the generated module. */
export function emitTable(schema: Schema, header: string): string {
  return [
    header,
    "import type { SchemaTable } from '../table.js';\n",
    '/** Types, commands and events in the order of the schema. A `*` marks an optional member. */',
    'export const table: SchemaTable = {',
    section('types', schema.types, typeEntry),
    section('commands', schema.commands, commandEntry),
    section('events', schema.events, (event) => dataEntry(event)),
    '};',
    '',
  ].join('\n');
}

function section<T>(name: string, entries: ReadonlyMap<string, T>, text: (entry: T) => unknown): string {
  const lines = [...entries].map(([key, value]) => `    ${JSON.stringify(key)}: ${JSON.stringify(text(value))},`);
  return [`  ${name}: {`, ...lines, '  },'].join('\n');
}

function typeEntry(type: TypeDef): unknown {
  switch (type.kind) {
    case 'enum':
      return { enum: type.values };
    case 'struct':
      return { struct: members(type.members), ...(type.base === undefined ? {} : { base: type.base }) };
    case 'union':
      return {
        union: Object.fromEntries(type.branches),
        base: typeof type.base === 'string' ? type.base : members(type.base),
        tag: type.discriminator,
      };
    case 'simple':
      return { simple: Object.fromEntries(type.branches) };
    case 'alternate':
      return { alternate: Object.fromEntries(type.branches) };
  }
}

function commandEntry(command: CommandDef): unknown {
  return {
    ...dataEntry(command),
    ...(command.returns === undefined ? {} : { returns: command.returns }),
    ...(command.answers ? {} : { answers: false }),
  };
}

function dataEntry(definition: CommandDef | EventDef): { data?: unknown } {
  const { data } = definition;
  if (typeof data === 'string') return { data };
  return data.length === 0 ? {} : { data: members(data) };
}

function members(list: readonly Member[]): Record<string, TypeRef> {
  return Object.fromEntries(list.map(({ name, optional, type }) => [optional ? `*${name}` : name, type]));
}
