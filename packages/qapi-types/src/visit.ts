/**
 * The validator: one interpreter over the generated table. Every value is looked at once, an alternate is chosen by the
 * JSON type alone, so the time is linear in the size of the value.
 */
import { QmpError } from './errors.js';
import { fullName, lastName, type Path } from './path.js';
import { isBuiltin, visitBuiltin, wrongType } from './scalars.js';
import { allMembers, lookup, membersOf, type Member, type MemberTable, type SchemaTable, type TypeEntry, type TypeRef } from './table.js';

/** Deeper values are refused; the JSON parser has the same limit. */
const MAX_DEPTH = 1024;

/** Checks values against one schema. Results are fresh objects that hold what the schema names and nothing else. */
export class Visitor {
  readonly #members = new Map<string, readonly Member[]>();
  readonly #enums = new Map<string, ReadonlySet<string>>();

  /** @param keyval values come from a command line: scalars are strings, and are converted */
  constructor(
    private readonly schema: SchemaTable,
    private readonly keyval: boolean,
  ) {}

  /** Checks one value. Throws a {@link QmpError}. */
  visit(type: TypeRef, value: unknown, path: Path, depth = 0): unknown {
    if (depth > MAX_DEPTH) throw this.#error(`Parameter '${this.#name(path)}' is nested too deeply`);
    if (typeof type !== 'string') return this.#list(type[0], value, path, depth);
    if (isBuiltin(type)) return visitBuiltin(type, value, path, this.keyval);
    const entry = lookup(this.schema.types, type);
    if (entry === undefined) throw new RangeError(`no type '${type}' in the schema`);
    if (entry.enum !== undefined) return this.#enum(type, entry.enum, value, path);
    if (entry.alternate !== undefined) return this.#alternate(type, entry.alternate, value, path, depth);
    const source = this.#object(value, path);
    const result: Record<string, unknown> = {};
    if (entry.union !== undefined) this.#union(entry, source, result, path, depth);
    else if (entry.simple !== undefined) this.#simple(entry.simple, source, result, path, depth);
    else this.#take(this.#membersOf(type), source, result, path, depth);
    this.#refuseOthers(source, result, path);
    return result;
  }

  /** Checks members that have no type of their own: inline arguments. */
  visitMembers(members: MemberTable, value: unknown, path: Path): Record<string, unknown> {
    const source = this.#object(value, path);
    const result: Record<string, unknown> = {};
    this.#take(membersOf(members), source, result, path, 0);
    this.#refuseOthers(source, result, path);
    return result;
  }

  #membersOf(type: string): readonly Member[] {
    let members = this.#members.get(type);
    if (members === undefined) this.#members.set(type, (members = allMembers(this.schema, type)));
    return members;
  }

  #take(members: readonly Member[], source: Source, result: Source, path: Path, depth: number): void {
    for (const { name, type, optional } of members) {
      const step = { parent: path, step: name };
      const value = Object.hasOwn(source, name) ? source[name] : undefined;
      if (value !== undefined) result[name] = this.visit(type, value, step, depth + 1);
      else if (!optional) throw this.#error(`Parameter '${this.#name(step)}' is missing`);
    }
  }

  #union(entry: TypeEntry, source: Source, result: Source, path: Path, depth: number): void {
    const { base, tag, union } = entry as Required<TypeEntry>;
    const common = typeof base === 'string' ? this.#membersOf(base) : allMembers(this.schema, base);
    this.#take(common, source, result, path, depth);
    const branch = lookup(union, result[tag] as string);
    if (branch !== undefined) this.#take(this.#membersOf(branch), source, result, path, depth);
  }

  #simple(branches: Readonly<Record<string, TypeRef>>, source: Source, result: Source, path: Path, depth: number): void {
    const step = { parent: path, step: 'type' };
    if (!Object.hasOwn(source, 'type')) throw this.#error(`Parameter '${this.#name(step)}' is missing`);
    const tag = visitBuiltin('str', source.type, step, this.keyval) as string;
    const branch = lookup(branches, tag);
    if (branch === undefined) throw this.#error(`Parameter 'type' does not accept value '${tag}'`);
    result.type = tag;
    this.#take([{ name: 'data', type: branch, optional: false }], source, result, path, depth);
  }

  #enum(type: string, values: readonly string[], value: unknown, path: Path): string {
    const text = visitBuiltin('str', value, path, this.keyval) as string;
    let known = this.#enums.get(type);
    if (known === undefined) this.#enums.set(type, (known = new Set(values)));
    if (!known.has(text)) throw this.#error(`Parameter '${lastName(path)}' does not accept value '${text}'`);
    return text;
  }

  #alternate(name: string, branches: Readonly<Record<string, TypeRef>>, value: unknown, path: Path, depth: number): unknown {
    const kind = jsonTypeOf(value);
    const types = Object.values(branches);
    const wanted = types.find((type) => this.#jsonTypeOf(type) === kind) ?? this.#fromString(types, kind);
    if (wanted === undefined) throw this.#error(`Invalid parameter type for '${lastName(path)}', expected: ${name}`);
    return this.visit(wanted, value, path, depth + 1);
  }

  /** On a command line every scalar is a string: the one scalar branch takes it. */
  #fromString(types: readonly TypeRef[], kind: string): TypeRef | undefined {
    if (!this.keyval || kind !== 'string') return undefined;
    return types.find((type) => ['number', 'boolean'].includes(this.#jsonTypeOf(type)));
  }

  #jsonTypeOf(type: TypeRef): string {
    if (typeof type !== 'string') return 'array';
    const entry = lookup(this.schema.types, type);
    if (entry !== undefined) return entry.enum === undefined ? 'object' : 'string';
    if (type === 'str' || type === 'QType') return 'string';
    return type === 'bool' ? 'boolean' : type === 'null' ? 'null' : 'number';
  }

  #list(element: string, value: unknown, path: Path, depth: number): unknown[] {
    if (!Array.isArray(value)) throw wrongType(path, 'array', this.keyval);
    return value.map((item: unknown, index) => this.visit(element, item, { parent: path, step: index }, depth + 1));
  }

  #object(value: unknown, path: Path): Source {
    if (jsonTypeOf(value) !== 'object') throw wrongType(path, 'object', this.keyval);
    return value as Source;
  }

  #refuseOthers(source: Source, result: Source, path: Path): void {
    for (const name of Object.keys(source)) {
      if (Object.hasOwn(result, name) || source[name] === undefined) continue;
      throw this.#error(`Parameter '${this.#name({ parent: path, step: name })}' is unexpected`);
    }
  }

  #name(path: Path): string {
    return fullName(path, this.keyval);
  }

  #error(desc: string): QmpError {
    return new QmpError('GenericError', desc);
  }
}

type Source = Record<string, unknown>;

function jsonTypeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'bigint' ? 'number' : typeof value;
}
