/**
 * Our own expression `{ 'extend': NAME, 'data': … }`: adds to a definition that stands in another file, so that a file
 * which mirrors somebody else's contract can stay word for word as it is.
 *
 * An extension may only widen: further values of an enum, optional members of a struct or of a command's inline
 * arguments, branches of a union. What exists may be exchanged for what takes more: a branch for a struct that takes all
 * that it takes, an optional member's alternate for one with further branches.
 */
import type { Definition, ExtendDef, Member, TypeDef, TypeRef } from './model.js';
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
      return { ...target, members: widened(target.members, added, extension, types, fail) };
    case 'command':
    case 'event':
      if (typeof target.data === 'string') return fail(`its arguments are the type '${target.data}'; extend that`);
      return { ...target, data: widened(target.data, added, extension, types, fail) };
    case 'union': {
      const branches = new Map(target.branches);
      for (const [name, type] of added) {
        if (typeof type !== 'string') return fail(`branch '${name}' cannot be a list`);
        const old = branches.get(name);
        if (old !== undefined && !takesAllOf(type, old, types)) {
          fail(`branch '${name}' may only become a struct that takes all that '${old}' takes`);
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

/** The members with further ones behind them, or with another type in their old place. */
function widened(
  old: readonly Member[],
  added: ReadonlyMap<string, TypeRef>,
  extension: ExtendDef,
  types: ReadonlyMap<string, TypeDef>,
  fail: (what: string) => never,
): Member[] {
  const members = [...old];
  for (const [key, type] of added) {
    const name = key.replace(/^\*/, '');
    if (!key.startsWith('*')) fail(`member '${name}' must be optional`);
    const index = members.findIndex((member) => member.name === name);
    const before = members[index];
    if (before !== undefined && !(before.optional && includes(type, before.type, types))) {
      fail(`member '${name}' exists already, and '${String(type)}' does not take all that '${String(before.type)}' takes`);
    }
    const doc = extension.doc?.members.get(name) ?? before?.doc;
    members.splice(before === undefined ? members.length : index, 1, { name, type, optional: true, doc });
  }
  return members;
}

/** Whether one alternate has all branches of another. */
function includes(wide: TypeRef, narrow: TypeRef, types: ReadonlyMap<string, TypeDef>): boolean {
  const [all, some] = [wide, narrow].map((type) => types.get(String(type)));
  if (all?.kind !== 'alternate' || some?.kind !== 'alternate') return false;
  return [...some.branches].every(([branch, type]) => String(all.branches.get(branch)) === String(type));
}

/** Whether one struct has all members of another, some of them perhaps optional now, and no further one that is needed. */
function takesAllOf(wide: string, narrow: string, types: ReadonlyMap<string, TypeDef>): boolean {
  const [all, some] = [membersOf(wide, types), membersOf(narrow, types)];
  if (all === undefined || some === undefined) return false;
  const same = (one: Member, other: Member): boolean => String(one.type) === String(other.type) && (one.optional || !other.optional);
  return (
    some.every((old) => all.some((member) => member.name === old.name && same(member, old))) &&
    all.every((member) => member.optional || some.some((old) => old.name === member.name))
  );
}

/** A struct's members, those of its bases first. */
function membersOf(name: string, types: ReadonlyMap<string, TypeDef>): Member[] | undefined {
  const members: Member[] = [];
  for (let at: string | undefined = name, steps = 0; at !== undefined; steps += 1) {
    const type: TypeDef | undefined = types.get(at);
    if (type?.kind !== 'struct' || steps > types.size) return undefined;
    members.unshift(...type.members);
    at = type.base;
  }
  return members;
}
