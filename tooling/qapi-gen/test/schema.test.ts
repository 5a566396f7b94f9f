import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generate, SchemaError } from '../src/index.js';

function compile(files: Readonly<Record<string, string>> | string): Map<string, string> {
  const all = typeof files === 'string' ? { 'a.json': files } : files;
  return generate('a.json', {
    read: (path) => all[path] ?? fail(`no ${path}`),
    resolve: (from, included) => posix.join(posix.dirname(from), included),
  });
}

function fail(what: string): never {
  throw new Error(what);
}

const pair = "{ 'struct': 'P', 'data': { 'a': 'str', '*b': ['int'] } }\n";

describe('a schema', () => {
  it('becomes types with the names of the wire', () => {
    const types = compile(`${pair}
      { 'enum': 'E', 'data': [ 'x', { 'name': 'y-z', 'if': 'CONFIG' } ] }
      { 'struct': 'Q', 'base': 'P', 'data': { 'node-name': 'uint64', 'e': { 'type': 'E', 'if': 'C' }, '*any': 'any' } }
      { 'struct': 'B', 'data': { 'kind': 'E' } }
      { 'union': 'U', 'base': 'B', 'discriminator': 'kind', 'data': { 'x': 'P' } }
      { 'union': 'V', 'base': { 'k': 'E' }, 'discriminator': 'k', 'data': { 'y-z': 'P' } }
      { 'union': 'S', 'data': { 'p': 'P', 'n': 'int', 'l': ['str'] } }
      { 'alternate': 'A', 'data': { 'ref': 'str', 'def': 'Q', 'no': 'null' } }
      { 'command': 'do-it', 'data': { 'u': 'U' }, 'returns': ['P'], 'allow-oob': true }
      { 'command': 'query', 'gen': false, 'success-response': false }
      { 'command': 'whole', 'data': 'V', 'boxed': true }
      { 'event': 'IT_IS_DONE', 'data': { 's': 'size' } }`).get('types.ts')!;
    expect(types).toContain('export interface P {\n  a: string;\n  b?: Int64[];\n}');
    expect(types).toContain("export type E = 'x' | 'y-z';");
    expect(types).toContain("export interface Q extends P {\n  'node-name': Uint64;\n  e: E;\n  any?: unknown;\n}");
    expect(types).toContain("export type U = (B & { kind: 'x' } & P) | B & { kind: 'y-z' };");
    expect(types).toContain("export type V = VBase & { k: 'x' } | (VBase & { k: 'y-z' } & P);");
    expect(types).toContain("{ type: 'l'; data: string[] }");
    expect(types).toContain('export type A = string | Q | null;');
    expect(types).toContain("'do-it': { arguments: DoItArguments; returns: P[] };");
    expect(types).toContain('query: { arguments: EmptyObject; returns: EmptyObject };');
    expect(types).toContain('whole: { arguments: V; returns: EmptyObject };');
    expect(types).toContain('IT_IS_DONE: ItIsDoneData;');
  });

  it('becomes a table in the order of the source', () => {
    const table = compile(`${pair}{ 'command': 'c', 'data': 'P', 'success-response': false }`).get('table.ts')!;
    expect(table).toContain('"P": {"struct":{"a":"str","*b":["int"]}},');
    expect(table).toContain('"c": {"data":"P","answers":false},');
  });

  it('is the files it includes, each once', () => {
    const text = compile({
      'a.json': "{ 'include': 'd/b.json' }\n{ 'include': 'c.json' }\n{ 'struct': 'X', 'data': { 'p': 'P' } }",
      'd/b.json': "{ 'include': '../c.json' }",
      'c.json': pair,
    }).get('table.ts')!;
    expect(text.match(/"P":/g)).toHaveLength(1);
  });

  it.each([
    ["{ 'struct': 'X', 'data': { 'a': 'Y' } }", "a.json:1: unknown type 'Y' in 'X'"],
    ["{ 'struct': 'X', 'data': { 'a': 'str', '*a': 'str' } }", "duplicate member 'a'"],
    [`${pair}{ 'struct': 'X', 'base': 'P', 'data': { 'a': 'int' } }`, "a.json:2: duplicate member 'a' in 'X'"],
    [pair + pair, "a.json:2: 'P' is already defined at a.json:1"],
    ["{ 'struct': 'int', 'data': {} }", "'int' is a built-in type"],
    ["{ 'struct': 'X', 'base': 'X', 'data': {} }", "struct 'X' is its own base"],
    ["{ 'struct': 'X', 'base': 'Y', 'data': {} }", "unknown type 'Y' as base of 'X'"],
    ["{ 'enum': 'E', 'data': ['a', 'a'] }", "duplicate value 'a'"],
    ["{ 'struct': 'X', 'date': {} }", "unknown key 'date' in struct 'X'"],
    ["{ 'thing': 'X' }", 'expression has none of the keys'],
    ["{ 'enum': 'X' }", "'data' must be a list of names"],
    ["##\n# @Y:\n##\n{ 'enum': 'X', 'data': [] }", "a.json:4: documentation of 'Y' stands before the definition of 'X'"],
    [`${pair}{ 'union': 'U', 'base': 'P', 'data': {} }`, "union 'U' has a base and therefore needs a discriminator"],
    [`${pair}{ 'union': 'U', 'base': 'P', 'discriminator': 'z', 'data': {} }`, "discriminator 'z' of union 'U' is not a member of its base"],
    [`${pair}{ 'union': 'U', 'base': 'P', 'discriminator': 'a', 'data': {} }`, "discriminator 'a' of union 'U' is not an enumeration"],
    [
      `${pair}{ 'enum': 'E', 'data': ['x'] }{ 'union': 'U', 'base': { 'k': 'E' }, 'discriminator': 'k', 'data': { 'y': 'P' } }`,
      "branch 'y' is not a value of 'E'",
    ],
    ["{ 'alternate': 'A', 'data': { 'a': 'int', 'b': 'number' } }", "branches 'a' and 'b' cannot be told apart"],
    ["{ 'command': 'c', 'data': 'int' }", "unknown type 'int' as arguments of 'c'"],
    ["{ 'command': 'c', 'returns': 'Z' }", "unknown type 'Z' in 'c'"],
    ["{ 'include': 'z.json' }", "a.json:1: cannot read 'z.json': no z.json"],
    ["{ 'include': 'a.json' }", 'a.json:1: inclusion loop: a.json -> a.json'],
    ["{ 'extend': 'Z', 'data': {} }", "there is no 'Z' to extend"],
    [`${pair}{ 'extend': 'P', 'data': { 'c': 'str' } }`, "a.json:2: extension of 'P': member 'c' must be optional"],
    [`${pair}{ 'extend': 'P', 'data': { '*a': 'str' } }`, "extension of 'P': member 'a' exists already"],
    ["{ 'enum': 'E', 'data': ['x'] }{ 'extend': 'E', 'data': ['x'] }", "extension of 'E': value 'x' exists already"],
    [
      `${pair}{ 'enum': 'E', 'data': ['x'] }{ 'union': 'U', 'base': { 'k': 'E' }, 'discriminator': 'k', 'data': { 'x': 'P' } }
      { 'struct': 'R', 'data': {} }{ 'extend': 'U', 'data': { 'x': 'R' } }`,
      "branch 'x' may only become a struct that takes all that 'P' takes",
    ],
  ])('is refused with the place: %s', (text, message) => {
    expect(() => compile(text)).toThrow(SchemaError);
    expect(() => compile(text)).toThrow(message);
  });

  it('is widened by extensions, wherever they stand', () => {
    const table = compile(`{ 'extend': 'E', 'data': ['y'] }
      { 'enum': 'E', 'data': ['x'] }
      { 'alternate': 'A', 'data': { 's': 'str' } }
      { 'alternate': 'N', 'data': { 's': 'str', 'n': 'null' } }
      { 'struct': 'W', 'data': { '*m': 'A', 'z': 'str' } }
      { 'extend': 'W', 'data': { '*m': 'N', '*more': 'bool' } }
      { 'command': 'c', 'data': { 'p': 'P' } }
      { 'extend': 'c', 'data': { '*q': 'int' } }
      ${pair}{ 'struct': 'P2', 'base': 'P', 'data': {} }
      { 'union': 'U', 'base': { 'k': 'E' }, 'discriminator': 'k', 'data': { 'x': 'P' } }
      { 'extend': 'U', 'data': { 'x': 'P2', 'y': 'P' } }`).get('table.ts')!;
    expect(table).toContain('"E": {"enum":["x","y"]},');
    expect(table).toContain('"W": {"struct":{"*m":"N","z":"str","*more":"bool"}},');
    expect(table).toContain('"c": {"data":{"p":"P","*q":"int"}},');
    expect(table).toContain('"U": {"union":{"x":"P2","y":"P"}');
  });
});
