/**
 * Our own expression `{ 'extend': NAME, 'data': … }`: adds to a definition that stands in another file, so that a file
 * which mirrors somebody else's contract can stay word for word as it is.
 *
 * An extension may only widen: further values of an enum, optional members of a struct or of a command's inline
 * arguments, branches of a union; a branch that exists may be exchanged for a struct derived from it.
 */
import type { CommandDef, Definition, ExtendDef, Member, StructDef, TypeDef, TypeRef } from './model.js';
import { SchemaError } from './parse.js';

/** The definition with the extension applied. Throws a {@link SchemaError}. */
export function extend(
  target: Exclude<Definition, ExtendDef>,
  extension: ExtendDef,
  types: ReadonlyMap<string, TypeDef>,
): Exclude<Definition, ExtendDef> {
  const fail = (what: string): never => {
    throw new SchemaError(extension.file, extension.line, `extension of '${target.name}': ${what}`);
  };
  const { data } = extension;
  if (target.kind === 'enum') {
    if (!Array.isArray(data)) return fail('an enumeration takes a list of further values');
    const added = data as readonly string[];
    const twice = added.find((value) => target.values.includes(value));
    if (twice !== undefined) fail(`value '${twice}' exists already`);
    return { ...target, values: [...target.values, ...added] };
  }
  if (!(data instanceof Map)) return fail(`${target.kind} takes an object of further members`);
  const added = data as ReadonlyMap<string, TypeRef>;
  switch (target.kind) {
    case 'struct':
      return { ...target, members: [...target.members, ...newMembers(target.members, added, extension, fail)] };
    case 'command':
    case 'event':
      if (typeof target.data === 'string') return fail(`its arguments are the type '${target.data}'; extend that`);
      return { ...target, data: [...target.data, ...newMembers(target.data, added, extension, fail)] };
    case 'union': {
      const branches = new Map(target.branches);
      for (const [name, type] of added) {
        if (typeof type !== 'string') return fail(`branch '${name}' cannot be a list`);
        const old = branches.get(name);
        if (old !== undefined && !derives(type, old, types)) {
          fail(`branch '${name}' may only become a struct whose base is '${old}'`);
        }
        branches.set(name, type);
      }
      return { ...target, branches };
    }
    case 'simple':
    case 'alternate': {
      const branches = new Map(target.branches);
      for (const [name, type] of added) {
        if (branches.has(name)) fail(`branch '${name}' exists already`);
        branches.set(name, type);
      }
      return { ...target, branches };
    }
  }
}

function newMembers(
  old: readonly Member[],
  added: ReadonlyMap<string, TypeRef>,
  extension: ExtendDef,
  fail: (what: string) => never,
): Member[] {
  return [...added].map(([key, type]) => {
    const name = key.replace(/^\*/, '');
    if (!key.startsWith('*')) fail(`member '${name}' must be optional`);
    if (old.some((member) => member.name === name)) fail(`member '${name}' exists already`);
    return { name, type, optional: true, doc: extension.doc?.members.get(name) };
  });
}

function derives(name: string, base: string, types: ReadonlyMap<string, TypeDef>): boolean {
  for (let at: string | undefined = name, steps = 0; at !== undefined && steps < types.size; steps += 1) {
    if (at === base) return true;
    const type: TypeDef | undefined = types.get(at);
    at = type?.kind === 'struct' ? (type).base : undefined;
  }
  return false;
}
