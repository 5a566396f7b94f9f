/** The form of the generated table, and lookups in it that no hostile name can confuse. */

/** A type by name, or a list of it. */
export type TypeRef = string | readonly [string];

/** Members in the order of the schema; a `*` before the name marks an optional one. */
export type MemberTable = Readonly<Record<string, TypeRef>>;

/** One named type. */
export interface TypeEntry {
  readonly enum?: readonly string[];
  readonly struct?: MemberTable;
  readonly base?: string | MemberTable;
  readonly union?: Readonly<Record<string, string>>;
  readonly tag?: string;
  readonly simple?: Readonly<Record<string, TypeRef>>;
  readonly alternate?: Readonly<Record<string, TypeRef>>;
}

/** One event; the arguments of a command. */
export interface DataEntry {
  readonly data?: string | MemberTable;
}

/** One command. */
export interface CommandEntry extends DataEntry {
  readonly returns?: TypeRef;
  readonly answers?: false;
}

/** A whole schema. */
export interface SchemaTable {
  readonly types: Readonly<Record<string, TypeEntry>>;
  readonly commands: Readonly<Record<string, CommandEntry>>;
  readonly events: Readonly<Record<string, DataEntry>>;
}

/** The entry of that very name; undefined for names like `constructor`. */
export function lookup<T>(entries: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(entries, name) ? entries[name] : undefined;
}

/** A member as the table spells it, taken apart. */
export interface Member {
  readonly name: string;
  readonly type: TypeRef;
  readonly optional: boolean;
}

/** The members of one table, in order. */
export function membersOf(table: MemberTable): Member[] {
  return Object.entries(table).map(([key, type]) => {
    const optional = key.startsWith('*');
    return { name: optional ? key.slice(1) : key, type, optional };
  });
}

/** The members of a struct with those of its bases, bases first; or those written in place. */
export function allMembers(schema: SchemaTable, data: string | MemberTable): Member[] {
  if (typeof data !== 'string') return membersOf(data);
  const entry = lookup(schema.types, data);
  const base = entry?.base === undefined ? [] : allMembers(schema, entry.base);
  return [...base, ...membersOf(entry?.struct ?? {})];
}
