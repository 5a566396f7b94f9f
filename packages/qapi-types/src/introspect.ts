/** What `query-qmp-schema` returns: the commands and events with every type that they reach, names masked. */
import { table } from './generated/table.js';
import type { SchemaInfo, SchemaInfoObjectVariant } from './generated/types.js';
import { isBuiltin } from './scalars.js';
import { allMembers, lookup, membersOf, type Member, type MemberTable, type SchemaTable, type TypeRef } from './table.js';

/** Narrows the description to what a server really has. */
export interface IntrospectionFilter {
  /** Names of the commands; default: all of the schema. */
  readonly commands?: Iterable<string>;
  /** Names of the events; default: all of the schema. */
  readonly events?: Iterable<string>;
  /** Names of the commands that may be given out of band; default: none. */
  readonly outOfBand?: ReadonlySet<string>;
}

/**
 * The schema's description of itself, as QEMU gives it: types other than built-in ones are numbered in the order in which
 * commands and events reach them, all integers are `int`, and only what is reached is there.
 */
export function introspection(filter: IntrospectionFilter = {}): SchemaInfo[] {
  return new Introspection(table).describe(filter);
}

/** JSON types of the built-in types that remain once all integers are one. */
const jsonTypes = { str: 'string', number: 'number', int: 'int', bool: 'boolean', null: 'null', any: 'value' } as const;

class Introspection {
  /** Masked name by the type's own name, or by what stands in for one. */
  readonly #names = new Map<string, string>();
  readonly #queue: (() => SchemaInfo)[] = [];
  #count = 0;

  constructor(private readonly schema: SchemaTable) {}

  describe(filter: IntrospectionFilter): SchemaInfo[] {
    const commands = new Set(filter.commands ?? Object.keys(this.schema.commands));
    const events = new Set(filter.events ?? Object.keys(this.schema.events));
    const info: SchemaInfo[] = [];
    for (const [name, entry] of Object.entries(this.schema.commands)) {
      if (!commands.has(name)) continue;
      const argType = this.#data(`arguments of ${name}`, entry.data);
      const retType = entry.returns === undefined ? this.#empty() : this.#use(entry.returns);
      const oob = filter.outOfBand?.has(name) === true ? { 'allow-oob': true } : {};
      info.push({ name, 'meta-type': 'command', 'arg-type': argType, 'ret-type': retType, ...oob });
    }
    for (const [name, entry] of Object.entries(this.schema.events)) {
      if (events.has(name)) info.push({ name, 'meta-type': 'event', 'arg-type': this.#data(`data of ${name}`, entry.data) });
    }
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) info.push(next());
    return info;
  }

  /** The name to refer to a type by; the first use also puts its description into the queue. */
  #use(ref: TypeRef): string {
    if (typeof ref !== 'string') {
      const element = this.#use(ref[0]);
      const name = `[${element}]`;
      return this.#once(name, name, () => ({ name, 'meta-type': 'array', 'element-type': element }));
    }
    if (isBuiltin(ref)) {
      const name = (ref in jsonTypes ? ref : ref === 'QType' ? 'str' : 'int') as keyof typeof jsonTypes;
      return this.#once(name, name, () => ({ name, 'meta-type': 'builtin', 'json-type': jsonTypes[name] }));
    }
    return this.#once(ref, undefined, (name) => this.#type(ref, name));
  }

  #once(key: string, fixed: string | undefined, describe: (name: string) => SchemaInfo): string {
    let name = this.#names.get(key);
    if (name === undefined) {
      name = fixed ?? String(this.#count++);
      this.#names.set(key, name);
      const own = name;
      this.#queue.push(() => describe(own));
    }
    return name;
  }

  #empty(): string {
    return this.#once('nothing at all', undefined, (name) => ({ name, 'meta-type': 'object', members: [] }));
  }

  #data(key: string, data: string | MemberTable | undefined): string {
    if (data === undefined) return this.#empty();
    if (typeof data === 'string') return this.#use(data);
    return this.#once(key, undefined, (name) => ({ name, 'meta-type': 'object', members: this.#members(membersOf(data)) }));
  }

  #type(ref: string, name: string): SchemaInfo {
    const entry = lookup(this.schema.types, ref)!;
    if (entry.enum !== undefined) return this.#enum(name, entry.enum);
    if (entry.alternate !== undefined) {
      const members = Object.values(entry.alternate).map((type) => ({ type: this.#use(type) }));
      return { name, 'meta-type': 'alternate', members };
    }
    if (entry.simple !== undefined) return this.#simple(ref, name, entry.simple);
    const members = this.#members(allMembers(this.schema, entry.union === undefined ? ref : entry.base!));
    if (entry.union === undefined) return { name, 'meta-type': 'object', members };
    const variants = this.#variants(entry.union, entry.base!, entry.tag!);
    return { name, 'meta-type': 'object', members, tag: entry.tag!, variants };
  }

  /** One variant a value of the tag; those without a branch add nothing. */
  #variants(branches: Readonly<Record<string, string>>, base: string | MemberTable, tag: string): SchemaInfoObjectVariant[] {
    const type = allMembers(this.schema, base).find((member) => member.name === tag)!.type as string;
    const values = lookup(this.schema.types, type)!.enum!;
    return values.map((value) => {
      const branch = lookup(branches, value);
      return { case: value, type: branch === undefined ? this.#empty() : this.#use(branch) };
    });
  }

  /** A simple union is a flat one whose tag is `type` and whose branches have the one member `data`. */
  #simple(ref: string, name: string, branches: Readonly<Record<string, TypeRef>>): SchemaInfo {
    const tag = this.#once(`kinds of ${ref}`, undefined, (own) => this.#enum(own, Object.keys(branches)));
    const variants = Object.entries(branches).map(([value, type]) => ({
      case: value,
      type: this.#once(`wrapper of ${JSON.stringify(type)}`, undefined, (own) => ({
        name: own,
        'meta-type': 'object',
        members: [{ name: 'data', type: this.#use(type) }],
      })),
    }));
    return { name, 'meta-type': 'object', members: [{ name: 'type', type: tag }], tag: 'type', variants };
  }

  #enum(name: string, values: readonly string[]): SchemaInfo {
    return { name, 'meta-type': 'enum', members: values.map((value) => ({ name: value })), values: [...values] };
  }

  #members(members: readonly Member[]): { name: string; type: string; default?: null }[] {
    return members.map(({ name, type, optional }) => ({ name, ...(optional ? { default: null } : {}), type: this.#use(type) }));
  }
}
