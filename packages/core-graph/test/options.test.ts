import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { checkOption, checkOptions, isAbsolute, normalisePath, parseSize, protocolOf, resolveReference, unflatten, type OptionType } from '../src/index.js';
import { parseJsonName } from '../src/open/filename.js';
import { failure } from './support.js';

describe('options', () => {
  const good: [OptionType, unknown, unknown][] = [
    ['string', 'x', 'x'],
    ['bool', true, true],
    ['bool', 'on', true],
    ['bool', 'off', false],
    ['bool', 'yes', true],
    ['bool', 'n', false],
    ['int', -5, -5],
    ['int', '-5', -5],
    ['uint', '0x10', 16],
    ['uint', 5n, 5],
    ['size', '1k', 1024],
    ['size', 4096, 4096],
    ['any', { a: 1 }, { a: 1 }],
    [['a', 'b'], 'b', 'b'],
  ];
  it.each(good)('%s takes %s', (type, value, expected) => {
    expect(checkOption('x', value, type)).toEqual(expected);
  });

  const bad: [OptionType, unknown, string][] = [
    ['string', 5, "Invalid parameter type for 'x', expected: string"],
    ['bool', 'maybe', "Parameter 'x' expects 'on' or 'off'"],
    ['bool', 1, "Invalid parameter type for 'x', expected: boolean"],
    ['int', 1.5, "Invalid parameter type for 'x', expected: integer"],
    ['int', '1.5', "Invalid parameter type for 'x', expected: integer"],
    ['int', NaN, "Invalid parameter type for 'x', expected: integer"],
    ['uint', -1, "Parameter 'x' expects a non-negative number, found -1"],
    ['uint', 2 ** 53, `Parameter 'x' is 9007199254740992, beyond the limit of ${2 ** 53 - 1}`],
    ['uint', 2n ** 64n, `Parameter 'x' is 18446744073709551616, beyond the limit of ${2 ** 53 - 1}`],
    ['size', 'abc', "Parameter 'x' expects a non-negative number below 2^64"],
    ['size', {}, "Invalid parameter type for 'x', expected: integer"],
    [['a', 'b'], 'c', "Parameter 'x' does not accept value 'c'"],
    [['a', 'b'], 5, "Invalid parameter type for 'x', expected: string"],
  ];
  it.each(bad)('%s refuses %s', async (type, value, message) => {
    expect((await failure(() => checkOption('x', value, type)))?.message).toBe(message);
  });

  it('are checked by a table: unknown and missing ones named', async () => {
    const table = { a: { type: 'int', required: true }, b: { type: 'bool' } } as const;
    const check = (values: Record<string, unknown>) => checkOptions(values, table, (name) => `no ${name}`);
    expect(check({ a: '5', b: null })).toEqual({ a: 5 });
    expect((await failure(() => check({})))?.message).toBe("Parameter 'a' is missing");
    expect((await failure(() => check({ a: 1, c: 1 })))?.message).toBe('no c');
    expect((await failure(() => check(JSON.parse('{"a":1,"__proto__":{"b":true}}') as Record<string, unknown>)))?.message).toBe('no __proto__');
    expect((await failure(() => check({ a: 1, toString: 1 })))?.message).toBe('no toString');
  });
});

describe('sizes', () => {
  const good: [string, number][] = [
    ['0', 0],
    ['512', 512],
    ['010', 10],
    ['+5', 5],
    [' 1k', 1024],
    ['1K', 1024],
    ['1.', 1],
    ['1.0b', 1],
    ['0.1k', 102],
    ['0.9999k', 1024],
    ['1.0000001k', 1024],
    ['1.5G', 1.5 * 2 ** 30],
    ['4P', 4 * 2 ** 50],
    ['0x200', 512],
    ['0x1b', 27],
    ['0x1E', 30],
    ['0x10k', 16_384],
  ];
  const bad = ['', ' ', '-1', '-0', 'k', '.5k', '1.5', '1.5b', '1kk', '1k ', '1 k', '1.2.3k', '0x1.8k', '1e3', 'Infinity', '00x5'];

  it.each(good)('%s', (text, bytes) => {
    expect(parseSize('s', text)).toBe(bytes);
  });

  it.each(bad)('refuses %j', async (text) => {
    expect((await failure(() => parseSize('s', text)))?.kind).toBe('invalid-argument');
  });

  it.each(['8P', '1E', '99999999999999999999', '0x20000000000000'])('%s is too large', async (text) => {
    expect((await failure(() => parseSize('s', text)))?.kind).toBe('too-large');
  });

  const tools = skipUnless('qemu-img');
  it.skipIf(tools.skip)(tools.title('are read as the reference reads them'), async () => {
    using dir = tempDir();
    for (const [text, bytes] of good) {
      const { stdout } = await qemuImg('create', '-f', 'raw', dir.file('x'), '--', text);
      expect(stdout).toContain(`size=${bytes}\n`);
    }
    for (const text of bad) {
      const { stderr } = await qemuImg('create', '-f', 'raw', dir.file('x'), '--', text);
      expect([text, stderr.split('\n')[0]]).toEqual([text, expect.stringContaining('Invalid image size')]);
    }
  });
});

describe('file names', () => {
  it('have a protocol where a colon comes before any slash', () => {
    expect(['nbd:x', 'nbd://h/e', '/a:b', './a:b', 'c:\\x', 'plain', 'json:{}'].map(protocolOf)).toEqual(['nbd', 'nbd', undefined, undefined, undefined, undefined, 'json']);
    expect(['/a', 'a', 'C:\\x', 'C:/x'].map(isAbsolute)).toEqual([true, false, true, true]);
  });

  it.each([
    ['/d/top.qcow2', 'base.qcow2', '/d/base.qcow2'],
    ['top.qcow2', 'base.qcow2', 'base.qcow2'],
    ['d/top', '../base', 'd/../base'],
    ['/d/top', '/base', '/base'],
    ['/d/top', 'nbd://h/x', 'nbd://h/x'],
    ['http://h/d/top', 'base', 'http://h/d/base'],
    ['http://h/top', 'base', 'http://h/base'],
    ['http://h/d/top?at=/x/y', 'base', 'http://h/d/base'],
    ['ssh://h/d/top?host_key_check=no', 'base', 'ssh://h/d/base?host_key_check=no'],
    ['ssh://h/top?host_key_check=no', 'http://h/x', 'http://h/x'],
    ['d/to?p/top', 'base', 'd/to?p/base'],
    ['mem:top', 'base', 'mem:base'],
    ['mem:d/top', 'base', 'mem:d/base'],
  ])('%s refers to %s: %s', (base, reference, resolved) => {
    expect(resolveReference(base, reference)).toBe(resolved);
  });

  it('of JSON have no folder', async () => {
    expect((await failure(() => resolveReference('json:{}', 'x')))?.message).toBe("Cannot use relative backing file names for 'json:{}'");
    expect(resolveReference('json:{}', '/x')).toBe('/x');
  });

  it('are the same file where they lead to the same place', () => {
    expect(['/a/./b//c', '/a/x/../b/c', 'a/../../b', './a'].map(normalisePath)).toEqual(['/a/b/c', '/a/b/c', '../b', 'a']);
  });

  it('of JSON are parsed, and refused where they are no object', async () => {
    expect(parseJsonName('json:{"driver": "raw", \'a\': 1}')).toMatchObject({ driver: 'raw' });
    for (const name of ['json:', 'json:[]', 'json:5', 'json:{', 'json:null', `json:${'['.repeat(100_000)}`]) {
      expect((await failure(() => parseJsonName(name)))?.kind).toBe('invalid-argument');
    }
  });
});

describe('dotted options', () => {
  it('are folded into objects, and leave their own alone', () => {
    const file = { driver: 'mem' };
    const folded = unflatten({ driver: 'x', file, 'file.filename': 'a', 'file.cache.direct': true });
    expect(folded).toEqual({ driver: 'x', file: { driver: 'mem', filename: 'a', cache: { direct: true } } });
    expect(file).toEqual({ driver: 'mem' });
  });

  it('may come before the object that they are members of, of which the later value counts', () => {
    const file = { driver: 'mem', cache: { direct: false } };
    const folded = unflatten({ 'file.filename': 'a', 'file.cache.direct': true, 'file.cache.no-flush': true, file, 'file.driver': 'other' });
    expect(folded).toEqual({ file: { filename: 'a', cache: { direct: false, 'no-flush': true }, driver: 'other' } });
    expect(file).toEqual({ driver: 'mem', cache: { direct: false } });
    expect(unflatten({ 'file.filename': 'a', file: 'name' })).toEqual({ file: 'name' });
  });

  it('are refused where they contradict each other, or go too deep', async () => {
    expect((await failure(() => unflatten({ file: 'name', 'file.filename': 'a' })))?.kind).toBe('invalid-argument');
    expect((await failure(() => unflatten({ [Array(50).fill('a').join('.')]: 1 })))?.kind).toBe('invalid-argument');
  });

  it('never reach a prototype', () => {
    unflatten({ '__proto__.polluted': 1, 'constructor.prototype.polluted': 1 });
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});
