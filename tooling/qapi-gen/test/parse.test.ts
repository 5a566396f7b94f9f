import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSchemaText, SchemaError, type QapiValue } from '../src/index.js';

function plain(value: QapiValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

const parse = (text: string) => parseSchemaText(text, 's.json');

describe('the text of a schema', () => {
  it('is objects with single quotes, comments between and within', () => {
    const [first, second] = parse("# a\n{ 'enum': 'E', # b\n  'data': ['x', 'y'] }\n{'event':'A','boxed':true}\n");
    expect(plain(first.value)).toEqual({ enum: 'E', data: ['x', 'y'] });
    expect(plain(second.value)).toEqual({ event: 'A', boxed: true });
    expect(second.line).toBe(4);
  });

  it('keeps the documentation of the expression that follows', () => {
    const text = "##\n# @E:\n#\n# What it is,\n# in two lines.\n#\n# @x: the one\n#     value\n#\n# Since: 1.2\n##\n{ 'enum': 'E', 'data': ['x'] }\n{ 'event': 'F' }";
    const [first, second] = parse(text);
    expect(first.doc).toMatchObject({ symbol: 'E', body: 'What it is,\nin two lines.', since: '1.2' });
    expect(first.doc?.members.get('x')).toBe('the one value');
    expect(second.doc).toBeUndefined();
  });

  it.each([
    ["{ 'enum': 'E',", "s.json:1: expected a quoted member name, found the end of the file"],
    ["{ 'a' 'b' }", "s.json:1: expected ':', found 'b'"],
    ["\n\n{ 'a': 'b', 'a': 'c' }", "s.json:3: duplicate key 'a'"],
    ["{ 'a': 'b\n' }", 's.json:1: unterminated string'],
    ["{ 'a': 1 }", "s.json:1: stray '1'"],
    ["[ 'a' ]", 's.json:1: a top-level expression must be an object'],
    ["##\n# @A:\n{ 'event': 'A' }", "s.json:1: documentation block is not closed by '##'"],
    [`{ 'a': ${'['.repeat(100)}`, 's.json:1: nested too deeply'],
  ])('is refused with the place: %j', (text, message) => {
    expect(() => parse(text)).toThrow(SchemaError);
    expect(() => parse(text)).toThrow(message);
  });

  it('whatever it is, gives expressions or a SchemaError', () => {
    const piece = fc.constantFrom('{', '}', '[', ']', ':', ',', "'a'", "'b'", 'true', '#', '##\n', '\n', ' ', 'x');
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        try {
          parse(pieces.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(SchemaError);
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
