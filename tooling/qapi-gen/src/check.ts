/** All expressions of a schema to one checked {@link Schema}: names resolved, unions and bases sound. */
import { define } from './define.js';
import { extend } from './extend.js';
import { builtins, type CommandDef, type Definition, type EventDef, type ExtendDef } from './model.js';
import type { Member, Schema, TypeDef, TypeRef, UnionDef } from './model.js';
import { SchemaError, type Expression } from './parse.js';

/** Builds the schema. Throws a {@link SchemaError} that names file and line. */
export function checkSchema(expressions: readonly Expression[]): Schema {
  const definitions = expressions.map(define);
  const byName = new Map<string, Exclude<Definition, ExtendDef>>();
  for (const definition of definitions) {
    if (definition.kind === 'extend') continue;
    const first = byName.get(definition.name);
    if (first !== undefined) fail(definition, `'${definition.name}' is already defined at ${first.file}:${first.line}`);
    if (builtins.has(definition.name)) fail(definition, `'${definition.name}' is a built-in type`);
    byName.set(definition.name, definition);
  }
  const typesBefore = typesOf(byName);
  for (const definition of definitions) {
    if (definition.kind !== 'extend') continue;
    const target = byName.get(definition.name);
    if (target === undefined) fail(definition, `there is no '${definition.name}' to extend`);
    byName.set(definition.name, extend(target, definition, typesBefore));
  }
  const schema: Schema = {
    types: typesOf(byName),
    commands: pick<CommandDef>(byName, 'command'),
    events: pick<EventDef>(byName, 'event'),
  };
  for (const definition of byName.values()) check(definition, schema);
  return schema;
}

/** Members of a struct with those of its bases, bases first. */
export function allMembers(schema: Schema, name: string): Member[] {
  const type = schema.types.get(name);
  if (type?.kind !== 'struct') return [];
  return [...(type.base === undefined ? [] : allMembers(schema, type.base)), ...type.members];
}

/** Members of a flat union's base. */
export function baseMembers(schema: Schema, union: UnionDef): readonly Member[] {
  return typeof union.base === 'string' ? allMembers(schema, union.base) : union.base;
}

type Real = Exclude<Definition, ExtendDef>;

function check(definition: Real, schema: Schema): void {
  switch (definition.kind) {
    case 'enum':
      return;
    case 'struct':
      return checkStruct(definition, schema);
    case 'union':
      return checkUnion(definition, schema);
    case 'simple':
      for (const type of definition.branches.values()) need(definition, type, schema);
      return;
    case 'alternate':
      return checkAlternate(definition, schema);
    case 'command':
      if (definition.returns !== undefined) need(definition, definition.returns, schema);
      return checkData(definition, schema);
    case 'event':
      return checkData(definition, schema);
  }
}

function checkStruct(definition: TypeDef & { kind: 'struct' }, schema: Schema): void {
  const seen = new Set([definition.name]);
  for (let base = definition.base; base !== undefined; ) {
    if (seen.has(base)) fail(definition, `struct '${definition.name}' is its own base`);
    seen.add(base);
    const type = schema.types.get(base);
    if (type === undefined) fail(definition, `unknown type '${base}' as base of '${definition.name}'`);
    if (type.kind !== 'struct') fail(definition, `base '${base}' of '${definition.name}' is not a struct`);
    base = type.base;
  }
  checkMembers(definition, allMembers(schema, definition.name), schema);
}

function checkUnion(definition: UnionDef, schema: Schema): void {
  if (typeof definition.base === 'string' && schema.types.get(definition.base)?.kind !== 'struct') {
    fail(definition, `base '${definition.base}' of union '${definition.name}' is not a struct`);
  }
  const base = baseMembers(schema, definition);
  checkMembers(definition, base, schema);
  const where = `discriminator '${definition.discriminator}' of union '${definition.name}'`;
  const tag = base.find((member) => member.name === definition.discriminator);
  if (tag === undefined) fail(definition, `${where} is not a member of its base`);
  if (tag.optional) fail(definition, `${where} cannot be optional`);
  const type = typeof tag.type === 'string' ? schema.types.get(tag.type) : undefined;
  if (type?.kind !== 'enum') fail(definition, `${where} is not an enumeration`);
  for (const [branch, name] of definition.branches) {
    if (!type.values.includes(branch)) fail(definition, `branch '${branch}' is not a value of '${type.name}'`);
    const struct = schema.types.get(name);
    if (struct === undefined) fail(definition, `unknown type '${name}' as branch '${branch}'`);
    if (struct.kind !== 'struct') fail(definition, `branch '${branch}' must be a struct, '${name}' is not`);
    checkMembers(definition, [...base, ...allMembers(schema, name)], schema);
  }
}

function checkAlternate(definition: TypeDef & { kind: 'alternate' }, schema: Schema): void {
  const taken = new Map<string, string>();
  for (const [branch, ref] of definition.branches) {
    need(definition, ref, schema);
    const json = jsonTypeOf(ref, schema);
    if (json === 'value') fail(definition, `branch '${branch}' of alternate '${definition.name}' cannot be told apart`);
    const other = taken.get(json);
    if (other !== undefined) fail(definition, `branches '${other}' and '${branch}' cannot be told apart`);
    taken.set(json, branch);
  }
}

/** JSON type by which an alternate tells its branches apart. */
export function jsonTypeOf(ref: TypeRef, schema: Schema): string {
  if (typeof ref !== 'string') return 'array';
  const builtin = builtins.get(ref);
  if (builtin !== undefined) return builtin === 'int' ? 'number' : builtin;
  const kind = schema.types.get(ref)?.kind;
  return kind === 'enum' ? 'string' : kind === 'alternate' ? 'value' : 'object';
}

function checkData(definition: CommandDef | EventDef, schema: Schema): void {
  const { data } = definition;
  if (typeof data !== 'string') return checkMembers(definition, data, schema);
  const type = schema.types.get(data);
  if (type === undefined) fail(definition, `unknown type '${data}' as arguments of '${definition.name}'`);
  if (type.kind !== 'struct' && type.kind !== 'union') {
    fail(definition, `arguments of '${definition.name}' must be a struct or a flat union, '${data}' is not`);
  }
}

function checkMembers(definition: Real, members: readonly Member[], schema: Schema): void {
  const seen = new Set<string>();
  for (const member of members) {
    if (seen.has(member.name)) fail(definition, `duplicate member '${member.name}' in '${definition.name}'`);
    seen.add(member.name);
    need(definition, member.type, schema);
  }
}

function need(definition: Real, ref: TypeRef, schema: Schema): void {
  const name = typeof ref === 'string' ? ref : ref[0];
  if (!builtins.has(name) && !schema.types.has(name)) {
    fail(definition, `unknown type '${name}' in '${definition.name}'`);
  }
}

function typesOf(byName: ReadonlyMap<string, Real>): Map<string, TypeDef> {
  const entries = [...byName].filter(([, d]) => d.kind !== 'command' && d.kind !== 'event');
  return new Map(entries as [string, TypeDef][]);
}

function pick<T extends Real>(byName: ReadonlyMap<string, Real>, kind: T['kind']): Map<string, T> {
  return new Map([...byName].filter(([, d]) => d.kind === kind) as [string, T][]);
}

function fail(definition: Definition, what: string): never {
  throw new SchemaError(definition.file, definition.line, what);
}
