/** What a checked schema is made of: plain data, in the order of the source. */
import type { Doc } from './doc.js';

/** A reference to a type: its name, or a list of it. */
export type TypeRef = string | readonly [string];

/** One member of a struct, of an argument list or of a union's base. */
export interface Member {
  readonly name: string;
  readonly type: TypeRef;
  readonly optional: boolean;
  readonly doc: string | undefined;
}

interface Named {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly doc: Doc | undefined;
}

export interface EnumDef extends Named {
  readonly kind: 'enum';
  readonly values: readonly string[];
}

export interface StructDef extends Named {
  readonly kind: 'struct';
  readonly base: string | undefined;
  readonly members: readonly Member[];
}

/** A flat union: the branch's members stand beside the base's. */
export interface UnionDef extends Named {
  readonly kind: 'union';
  /** A struct's name, or the members themselves. */
  readonly base: string | readonly Member[];
  readonly discriminator: string;
  readonly branches: ReadonlyMap<string, string>;
}

/** A simple union: `{ 'type': …, 'data': … }`. */
export interface SimpleUnionDef extends Named {
  readonly kind: 'simple';
  readonly branches: ReadonlyMap<string, TypeRef>;
}

export interface AlternateDef extends Named {
  readonly kind: 'alternate';
  readonly branches: ReadonlyMap<string, TypeRef>;
}

export type TypeDef = EnumDef | StructDef | UnionDef | SimpleUnionDef | AlternateDef;

export interface CommandDef extends Named {
  readonly kind: 'command';
  /** A struct or union by name, or the members themselves. */
  readonly data: string | readonly Member[];
  readonly returns: TypeRef | undefined;
  /** False: a command that never answers (`success-response`). */
  readonly answers: boolean;
}

export interface EventDef extends Named {
  readonly kind: 'event';
  readonly data: string | readonly Member[];
}

/** `{ 'extend': name, 'data': … }`: adds to a definition of another file. */
export interface ExtendDef extends Named {
  readonly kind: 'extend';
  /** Values of an enum; else members (as written, with their `*`) or branches. */
  readonly data: readonly string[] | ReadonlyMap<string, TypeRef>;
}

export type Definition = TypeDef | CommandDef | EventDef | ExtendDef;

export interface Schema {
  readonly types: ReadonlyMap<string, TypeDef>;
  readonly commands: ReadonlyMap<string, CommandDef>;
  readonly events: ReadonlyMap<string, EventDef>;
}

/** Built-in type names and the JSON type that introspection shows for each. */
export const builtins: ReadonlyMap<string, string> = new Map([
  ['str', 'string'],
  ['number', 'number'],
  ['int', 'int'],
  ['int8', 'int'],
  ['int16', 'int'],
  ['int32', 'int'],
  ['int64', 'int'],
  ['uint8', 'int'],
  ['uint16', 'int'],
  ['uint32', 'int'],
  ['uint64', 'int'],
  ['size', 'int'],
  ['bool', 'boolean'],
  ['null', 'null'],
  ['any', 'value'],
  ['QType', 'string'],
]);
