/** One parsed expression to one definition: the form of each kind of expression is checked here. */
import type { Definition, Member, TypeRef } from './model.js';
import { SchemaError, type Expression, type QapiObject, type QapiValue } from './parse.js';

/** Reads an expression. Throws a {@link SchemaError}. */
export function define(expression: Expression): Definition {
  return new Definer(expression).define();
}

const kinds = ['enum', 'struct', 'union', 'alternate', 'command', 'event', 'extend'] as const;

/** Keys that change nothing for us, allowed on every expression. */
const tolerated = ['if', 'features'];

/** Further keys of each kind. */
const keys = {
  enum: ['data', 'prefix'],
  struct: ['data', 'base'],
  union: ['data', 'base', 'discriminator'],
  alternate: ['data'],
  command: ['data', 'returns', 'boxed', 'gen', 'success-response', 'allow-oob', 'allow-preconfig', 'coroutine'],
  event: ['data', 'boxed'],
  extend: ['data'],
} as const;

class Definer {
  readonly #value: QapiObject;

  constructor(private readonly expression: Expression) {
    this.#value = expression.value;
  }

  define(): Definition {
    const kind = kinds.find((candidate) => this.#value.has(candidate));
    if (kind === undefined) this.#fail(`expression has none of the keys ${kinds.map((k) => `'${k}'`).join(', ')}`);
    const name = this.#value.get(kind);
    if (typeof name !== 'string' || !/^[A-Za-z_][\w.-]*$/.test(name)) this.#fail(`'${kind}' needs a name`);
    const unknown = [...this.#value.keys()].find(
      (key) => key !== kind && !tolerated.includes(key) && !(keys[kind] as readonly string[]).includes(key),
    );
    if (unknown !== undefined) this.#fail(`unknown key '${unknown}' in ${kind} '${name}'`);
    const { file, line, doc } = this.expression;
    const symbol = doc?.symbol;
    if (symbol !== undefined && symbol !== name) {
      this.#fail(`documentation of '${symbol}' stands before the definition of '${name}'`);
    }
    const named = { name, file, line, doc };
    const data = this.#value.get('data');
    switch (kind) {
      case 'enum':
        return { ...named, kind, values: this.#values(data) };
      case 'struct':
        return { ...named, kind, base: this.#optionalName('base'), members: this.#members(data) };
      case 'union':
        return this.#union(named, data);
      case 'alternate':
        return { ...named, kind, branches: this.#branches(data) };
      case 'command':
        return {
          ...named,
          kind,
          data: this.#dataOf(data),
          returns: this.#value.has('returns') ? this.#typeRef(this.#value.get('returns')!, 'returns') : undefined,
          answers: this.#value.get('success-response') !== false,
        };
      case 'event':
        return { ...named, kind, data: this.#dataOf(data) };
      case 'extend':
        return { ...named, kind, data: this.#extension(data) };
    }
  }

  #union(named: { name: string } & Pick<Expression, 'file' | 'line' | 'doc'>, data: QapiValue | undefined): Definition {
    const branches = this.#branches(data);
    const discriminator = this.#optionalName('discriminator');
    const base = this.#value.get('base');
    if (discriminator === undefined) {
      if (base !== undefined) this.#fail(`union '${named.name}' has a base and therefore needs a discriminator`);
      return { ...named, kind: 'simple', branches };
    }
    if (base === undefined) this.#fail(`union '${named.name}' has a discriminator and therefore needs a base`);
    for (const [branch, type] of branches) {
      if (typeof type !== 'string') this.#fail(`branch '${branch}' of flat union '${named.name}' cannot be a list`);
    }
    return {
      ...named,
      kind: 'union',
      base: typeof base === 'string' ? base : this.#members(base),
      discriminator,
      branches: branches as ReadonlyMap<string, string>,
    };
  }

  #dataOf(data: QapiValue | undefined): string | readonly Member[] {
    return typeof data === 'string' ? data : data === undefined ? [] : this.#members(data);
  }

  #extension(data: QapiValue | undefined): readonly string[] | ReadonlyMap<string, TypeRef> {
    return Array.isArray(data) ? this.#values(data) : this.#branches(data, true);
  }

  #values(data: QapiValue | undefined): string[] {
    if (!Array.isArray(data)) this.#fail("'data' must be a list of names");
    const values = data.map((item) => {
      const name = item instanceof Map ? item.get('name') : item;
      return typeof name === 'string' ? name : this.#fail('an enumeration value must be a name');
    });
    const twice = values.find((value, index) => values.indexOf(value) !== index);
    if (twice !== undefined) this.#fail(`duplicate value '${twice}'`);
    return values;
  }

  #branches(data: QapiValue | undefined, optionals = false): Map<string, TypeRef> {
    if (!(data instanceof Map)) this.#fail("'data' must be an object");
    const branches = new Map<string, TypeRef>();
    for (const [name, value] of data) {
      if (name.startsWith('*') && !optionals) this.#fail(`branch '${name}' cannot be optional`);
      branches.set(name, this.#typeRef(value, name));
    }
    return branches;
  }

  #members(data: QapiValue | undefined): Member[] {
    if (!(data instanceof Map)) this.#fail("'data' must be an object");
    const seen = new Set<string>();
    return [...data].map(([key, value]) => {
      const optional = key.startsWith('*');
      const name = optional ? key.slice(1) : key;
      if (seen.has(name)) this.#fail(`duplicate member '${name}'`);
      seen.add(name);
      return { name, optional, type: this.#typeRef(value, name), doc: this.expression.doc?.members.get(name) };
    });
  }

  #typeRef(value: QapiValue, where: string): TypeRef {
    if (typeof value === 'string') return value;
    if (Array.isArray(value) && value.length === 1 && typeof value[0] === 'string') return [value[0]];
    if (value instanceof Map && value.has('type')) return this.#typeRef(value.get('type')!, where);
    return this.#fail(`type of '${where}' must be a type's name or a list of one type's name`);
  }

  #optionalName(key: string): string | undefined {
    const value = this.#value.get(key);
    if (value !== undefined && typeof value !== 'string') this.#fail(`'${key}' must be a name`);
    return value;
  }

  #fail(what: string): never {
    throw new SchemaError(this.expression.file, this.expression.line, what);
  }
}
