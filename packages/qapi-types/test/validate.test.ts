import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  coerceType,
  commandNames,
  enumValues,
  eventNames,
  parseKeyval,
  parseOptions,
  QmpError,
  toSafeInteger,
  validateCommandArguments,
  validateCommandReturn,
  validateEventData,
  validateType,
  type BlockdevOptions,
  type BlockdevOptionsQcow2,
  type QmpCommands,
} from '../src/index.js';
import { parseJson } from '../src/json.js';
import { blockdevAdd, blockdevOption, nbdServerStart } from './observed.js';

function errorOf(action: () => unknown): QmpError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(QmpError);
    return error as QmpError;
  }
  throw new Error('nothing was thrown');
}

describe('values of the wire', () => {
  it.each(blockdevAdd)('options %s: %s', (text, desc) => {
    const error = errorOf(() => validateType('BlockdevOptions', parseJson(text)));
    expect(error).toMatchObject({ class: 'GenericError', desc });
  });

  it.each(nbdServerStart)('arguments %s: %s', (text, desc) => {
    expect(errorOf(() => validateCommandArguments('nbd-server-start', parseJson(text))).desc).toBe(desc);
  });

  it('are named from the arguments down', () => {
    const options = { driver: 'raw', file: { driver: 'file', filename: 4 } };
    const error = errorOf(() => validateCommandArguments('blockdev-add', { options }));
    expect(error.desc).toBe("Invalid parameter type for 'options.file.filename', expected: string");
    expect(errorOf(() => validateType('BlockdevOptions', 7, 'json')).desc).toBe("Invalid parameter type for 'json', expected: object");
  });

  it('come back fresh, with what the schema names', () => {
    const options = { driver: 'qcow2', file: { driver: 'file', filename: 'a' }, 'l2-cache-size': 65536n, id: undefined };
    const checked = validateType('BlockdevOptions', options);
    expect(checked).toEqual({ driver: 'qcow2', file: { driver: 'file', filename: 'a' }, 'l2-cache-size': 65536 });
    expect(checked).not.toBe(options);
    expectTypeOf(checked).toEqualTypeOf<BlockdevOptions>();
    if (checked.driver === 'qcow2') expectTypeOf(checked).toExtend<BlockdevOptionsQcow2>();
  });

  it('take what today’s QEMU has beyond the contract', () => {
    const all: unknown[] = [
      { driver: 'raw', file: 'f', offset: 512, size: 1024 },
      { driver: 'file', filename: 'x', locking: 'off', aio: 'io_uring', 'auto-read-only': true },
      { driver: 'null-co', 'read-zeroes': true },
      { driver: 'qcow2', file: 'f', backing: null },
      { driver: 'nbd', server: { type: 'inet', host: 'h', port: '10809' }, export: 'e' },
    ];
    for (const options of all) expect(validateType('BlockdevOptions', options)).toEqual(options);
  });

  it('keep 64 bits', () => {
    const threshold = (value: unknown) =>
      validateCommandArguments('block-set-write-threshold', { 'node-name': 'n', 'write-threshold': value })['write-threshold'];
    expect(threshold(2n ** 64n - 1n)).toBe(2n ** 64n - 1n);
    expect(threshold(5n)).toBe(5);
    expect(threshold(-1)).toBe(2n ** 64n - 1n);
    expect(errorOf(() => threshold(2 ** 60)).desc).toBe("Parameter 'write-threshold' expects uint64");
    const resize = (size: unknown) => validateCommandArguments('block_resize', { size }).size;
    expect(resize(-(2n ** 63n))).toBe(-(2n ** 63n));
    expect(errorOf(() => resize(2n ** 63n)).desc).toBe("Invalid parameter type for 'size', expected: integer");
    expect(toSafeInteger(4096n, 'size')).toBe(4096);
    expect(errorOf(() => toSafeInteger(2n ** 60n, 'size')).desc).toMatch(/^Parameter 'size' expects an integer between .*, got 1152921504606846976$/);
  });

  it('nested too deeply are refused before the stack is', () => {
    let options: unknown = { driver: 'null-co' };
    for (let level = 0; level < 100_000; level += 1) options = { driver: 'raw', file: options };
    expect(errorOf(() => validateType('BlockdevOptions', options)).desc).toMatch(/is nested too deeply$/);
  });

  it('whatever they are, give a value or a QmpError', () => {
    const key = fc.constantFrom('driver', 'file', 'filename', 'children', 'vote-threshold', 'cache', 'size', '__proto__', 'x');
    const leaf = fc.oneof(fc.constantFrom('raw', 'file', 'quorum', 'qcow2', 'null-co', ''), fc.integer(), fc.bigInt(), fc.boolean(), fc.constant(null), fc.double());
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof({ maxDepth: 5 }, leaf, fc.array(tie('tree')), fc.dictionary(key, tie('tree'))),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        try {
          validateType('BlockdevOptions', value);
        } catch (error) {
          expect(error).toBeInstanceOf(QmpError);
        }
      }),
      { seed: 2, numRuns: 1000 },
    );
  });
});

describe('commands and events', () => {
  it('are those of the schema', () => {
    expect(commandNames()).toEqual(expect.arrayContaining(['blockdev-add', 'block-commit', 'query-qmp-schema', 'nbd-server-start']));
    expect(eventNames()).toEqual(expect.arrayContaining(['BLOCK_JOB_READY', 'SHUTDOWN']));
    expect(enumValues('PreallocMode')).toEqual(['off', 'metadata', 'falloc', 'full']);
    expectTypeOf<QmpCommands['query-block']['returns'][number]['device']>().toEqualTypeOf<string>();
  });

  it('check arguments, absent ones too', () => {
    expect(validateCommandArguments('query-block', undefined)).toEqual({});
    expect(errorOf(() => validateCommandArguments('nbd-server-stop', { x: 1 })).desc).toBe("Parameter 'x' is unexpected");
    expect(errorOf(() => validateCommandArguments('nbd-server-stop', [])).desc).toBe("QMP input member 'arguments' must be an object");
    const unknown = errorOf(() => validateCommandArguments('toString', {}));
    expect(unknown.toJSON()).toEqual({ class: 'CommandNotFound', desc: 'The command toString has not been found' });
  });

  it('check what comes back', () => {
    const version = { qemu: { major: 2, minor: 4, micro: 0 }, package: '' };
    expect(validateCommandReturn('query-version', version)).toEqual(version);
    expect(validateCommandReturn('quit', {})).toEqual({});
    expect(errorOf(() => validateCommandReturn('query-version', {})).desc).toBe("Parameter 'return.qemu' is missing");
    expect(validateEventData('SHUTDOWN', undefined)).toEqual({});
    expect(errorOf(() => validateEventData('BLOCK_JOB_ERROR', {})).desc).toBe("Parameter 'device' is missing");
  });
});

describe('options of a command line', () => {
  it.each(blockdevOption)('%s: %s', (text, desc) => {
    expect(errorOf(() => parseOptions('BlockdevOptions', text, 'driver')).desc).toBe(desc);
  });

  it('are typed by the schema', () => {
    const text = 'qcow2,node-name=a,,b,read-only=y,l2-cache-size=0x1000,cache.direct=off,file.driver=file,file.filename=x';
    expect(parseOptions('BlockdevOptions', text, 'driver')).toEqual({
      driver: 'qcow2',
      'node-name': 'a,b',
      'read-only': true,
      'l2-cache-size': 4096,
      cache: { direct: false },
      file: { driver: 'file', filename: 'x' },
    });
    expect(parseOptions('BlockdevOptions', "{'driver':'null-co','size':1}")).toEqual({ driver: 'null-co', size: 1 });
  });

  it.each([
    ['010', 8],
    ['+5', 5],
    [' 5', 5],
    ['-0x5', -5],
    ['9223372036854775807', 2n ** 63n - 1n],
  ])('integer %j', (text, value) => {
    expect(coerceType('BlockdevOptions', { driver: 'null-co', size: text })).toEqual({ driver: 'null-co', size: value });
  });

  it('take the last of equal keys, lists, and a comma at the end', () => {
    expect(parseKeyval('a=1,a=2,b.1=y,b.0.c=x,d=,')).toEqual({ a: '2', b: [{ c: 'x' }, 'y'], d: '' });
    expect(parseKeyval('x,,y,k==v', 'first')).toEqual({ first: 'x,y', k: '=v' });
    expect(parseKeyval('')).toEqual({});
  });

  it('whatever they are, give a tree or a QmpError', () => {
    const piece = fc.constantFrom('a', 'b', '.', '=', ',', '0', '1', '_', '__a.b_c', '-', '$', '{', '"');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          expect(typeof parseKeyval(pieces.join(''))).toBe('object');
        } catch (error) {
          expect(error).toBeInstanceOf(QmpError);
        }
      }),
      { seed: 3, numRuns: 2000 },
    );
  });
});
