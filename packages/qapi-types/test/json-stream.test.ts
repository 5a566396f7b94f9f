import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonStream, parseJson, stringify, type JsonLimits, type JsonValue } from '../src/json.js';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function collect(limits?: JsonLimits) {
  const found: (JsonValue | { error: string })[] = [];
  const stream = new JsonStream(
    { onValue: (value) => found.push(value), onError: (error) => found.push({ error: error.desc }) },
    limits,
  );
  return { found, stream };
}

function outcomes(bytes: Uint8Array, cuts: readonly number[] = [], limits?: JsonLimits) {
  const { found, stream } = collect(limits);
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < edges.length; i += 1) stream.push(bytes.subarray(edges[i - 1], edges[i]));
  return found;
}

describe('a stream', () => {
  it('gives several values of one piece, and one value of several', () => {
    expect(outcomes(encode('{"a":1}{"b":[]} 7 true\n'))).toEqual([{ a: 1 }, { b: [] }, 7, true]);
    expect(outcomes(encode('{"a":"é😀"}'), [7, 8, 9, 10, 11])).toEqual([{ a: 'é😀' }]);
  });

  it('keeps integers of 64 bits', () => {
    const text = '[9007199254740991, 9007199254740992, -9223372036854775808, 18446744073709551615, 18446744073709551616]';
    expect(parseJson(text)).toEqual([9007199254740991, 9007199254740992n, -(2n ** 63n), 2n ** 64n - 1n, 2 ** 64]);
    expect(stringify(parseJson(text))).toBe(text.replace('18446744073709551616', '1.8446744073709552e+19'));
  });

  it('does not depend on where the pieces are cut', () => {
    const piece = fc.constantFrom('{', '}', '[', ']', ':', ',', '"', "'", '\\', 'u', '1', '-', '.', 'e', 'true', 'x', ' ', '\n', 'é', '@', '\u0001');
    const bytes = fc.oneof(fc.array(piece).map((pieces) => encode(pieces.join(''))), fc.uint8Array({ maxLength: 60 }));
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 5 }), (input, cuts) => {
        expect(outcomes(input, cuts)).toEqual(outcomes(input));
      }),
      { seed: 4, numRuns: 2000 },
    );
  });

  it('reads what is written', () => {
    const text = fc.string({ unit: 'grapheme' });
    const leaf = fc.oneof(text, fc.maxSafeInteger(), fc.double({ noNaN: true, noInteger: true }), fc.boolean(), fc.constant(null), fc.bigInt({ min: 1n << 53n, max: (1n << 64n) - 1n }));
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('value')), fc.dictionary(text, tie('value'), { noNullPrototype: true })),
    }));
    fc.assert(
      fc.property(value, fc.array(fc.nat(), { maxLength: 3 }), fc.boolean(), (v, cuts, pretty) => {
        expect(outcomes(encode(`${stringify(v, { pretty })} `), cuts)).toEqual([v]);
      }),
      { seed: 5, numRuns: 500 },
    );
  });

  it('cannot be made to poison objects', () => {
    const value = parseJson('{"__proto__": {"polluted": 1}, "constructor": 2}') as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(value.polluted).toBeUndefined();
    expect(() => parseJson('{"__proto__": 1, "__proto__": 2}')).toThrow('JSON parse error, duplicate key');
  });

  it('does not hold on to the bytes of the caller', () => {
    const { found, stream } = collect();
    const buffer = encode('{"a":"first');
    stream.push(buffer);
    buffer.fill(0x7a);
    stream.push(encode('"}'));
    expect(found).toEqual([{ a: 'first' }]);
  });
});

describe('a hostile stream', () => {
  it('of a mebibyte of brackets is one error, and the next line is read', () => {
    const input = `${'['.repeat(1 << 20)}\n{"execute":"quit"}\n`;
    const wanted = [{ error: 'JSON nesting depth limit exceeded' }, { execute: 'quit' }];
    expect(outcomes(encode(input))).toEqual(wanted);
    expect(outcomes(encode(input), [1000, 2000, 1 << 19])).toEqual(wanted);
  });

  it('may nest as deep as QEMU allows', () => {
    expect(outcomes(encode('['.repeat(1024) + ']'.repeat(1024)))).toHaveLength(1);
    expect(outcomes(encode('{"a":'.repeat(1025)))).toEqual([{ error: 'JSON nesting depth limit exceeded' }]);
  });

  it('of too many tokens or bytes is one error', () => {
    expect(outcomes(encode(`[${'1,'.repeat(60)}\n7 `), [], { maxTokens: 100 })).toEqual([{ error: 'JSON token count limit exceeded' }, 7]);
    const large = encode(`"${'a'.repeat(2000)}"\n7 `);
    const wanted = [{ error: 'JSON token size limit exceeded' }, 7];
    expect(outcomes(large, [], { maxBytes: 1000 })).toEqual(wanted);
    const cuts = Array.from({ length: 200 }, (_, i) => i * 10);
    expect(outcomes(large, cuts, { maxBytes: 1000 })).toEqual(wanted);
    expect(outcomes(encode(`${' '.repeat(5000)}1 `), [], { maxBytes: 1000 })).toEqual([1]);
  });

  it('recovers at the byte 0xFF', () => {
    const input = Uint8Array.of(...encode('{"a": "open'), 0xff, ...encode('{"b":1}'));
    expect(outcomes(input)).toEqual([{ error: `JSON parse error, stray '"open\ufffd'` }, { b: 1 }]);
  });

  it('says when it ends in the middle', () => {
    const ends = (text: string) => {
      const { found, stream } = collect();
      stream.push(encode(text));
      stream.end();
      expect(stream.pending).toBe(false);
      return found;
    };
    expect(ends('{"a":')).toEqual([{ error: 'JSON parse error, premature EOI' }]);
    expect(ends('12')).toEqual([12]);
    expect(ends('1.')).toEqual([{ error: "JSON parse error, stray '1.'" }]);
    expect(ends('[1')).toEqual([{ error: 'JSON parse error, premature EOI' }]);
    expect(ends('')).toEqual([]);
  });
});

describe('text', () => {
  it('is laid out as QEMU does', () => {
    const value = { return: { a: [1, { b: [] }, {}], c: 'x' } };
    expect(stringify(value)).toBe('{"return": {"a": [1, {"b": []}, {}], "c": "x"}}');
    expect(stringify({ return: {} }, { pretty: true })).toBe('{\n    "return": {\n    }\n}');
    expect(stringify({ a: [1, 'x'] }, { pretty: true })).toBe('{\n    "a": [\n        1,\n        "x"\n    ]\n}');
  });

  it('is ASCII', () => {
    expect(stringify('\u0001\u001f\u007f\u0080ÿ\u2028😀 \b\f\n\r\t"\\/ <%\'')).toBe(
      '"\\u0001\\u001F\\u007F\\u0080\\u00FF\\u2028\\uD83D\\uDE00 \\b\\f\\n\\r\\t\\"\\\\/ <%\'"',
    );
    expect(stringify('a\ud800b')).toBe('"a\\uFFFDb"');
  });

  it.each([
    [1.1, '1.1000000000000001'],
    [0.1, '0.10000000000000001'],
    [1e-7, '9.9999999999999995e-08'],
    [0.0001, '0.0001'],
    [1e5, '100000'],
    [1e22, '1e+22'],
    [3.14159265358979, '3.14159265358979'],
    [-2.5, '-2.5'],
    [Infinity, '1e999'],
    [18446744073709551615n, '18446744073709551615'],
  ])('number %s', (value, text) => {
    expect(stringify(value)).toBe(text);
  });

  it('leaves out undefined members and asks toJSON', () => {
    expect(stringify({ a: undefined, b: { toJSON: () => 'x' } })).toBe('{"b": "x"}');
  });

  it('refuses what JSON has no form for', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    for (const value of [NaN, undefined, Symbol('s'), () => 1, loop]) expect(() => stringify(value)).toThrow(TypeError);
  });
});
