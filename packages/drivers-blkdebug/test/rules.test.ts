/** Rules: how they are read, and which of them is in force. */
import { BlockError, BlockGraph } from '@blk/core-graph';
import { MemoryDisks } from '@blk/driver-conformance';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config.js';
import { RuleBook } from '../src/rule-book.js';
import { IoType, parseRules } from '../src/rules.js';
import { blkdebug } from '../src/index.js';

const bookOf = (inject: unknown, states?: unknown): RuleBook => new RuleBook([...parseRules('inject-error', inject), ...parseRules('set-state', states)]);

describe('files of rules', () => {
  it('are sections of values', () => {
    const text = '# all of it\n\n[inject-error]\nevent = "read_aio" # why\n  errno = "28"\n[set-state "x"]\nevent = "write_aio"\nnew_state = "2"\n';
    expect(parseConfig(text)).toEqual([
      { kind: 'inject-error', values: { event: 'read_aio', errno: '28' } },
      { kind: 'set-state', values: { event: 'write_aio', new_state: '2' } },
    ]);
  });

  it.each([
    ['[bogus]', "There is no option group 'bogus'"],
    ['x = "1"', 'no group defined'],
    ['garbage', 'no group defined'],
    ['[inject-error]\nevent = read_aio', `parse error: 'event = read_aio' is not of the form name = "value"`],
  ])('%j is refused', (text, message) => {
    expect(() => parseConfig(text)).toThrow(message);
  });

  it('any text is rules or a clear error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseConfig(text);
        } catch (error) {
          expect(error).toBeInstanceOf(BlockError);
        }
      }),
      { seed: 1 },
    );
  });
});

describe('rules in force', () => {
  it('come with their event and go with the next that has some', () => {
    const book = bookOf([{ event: 'read_aio' }, { event: 'write_aio', errno: 28 }]);
    expect(book.take(IoType.Read, 0, 512)).toBeUndefined();
    book.happen('read_aio');
    expect(book.take(IoType.Write, 0, 512)?.errno).toBe(5);
    book.happen('flush_to_os');
    expect(book.take(IoType.Write, 0, 512)?.errno).toBe(5);
    book.happen('write_aio');
    expect(book.take(IoType.Flush, 0, 0)?.errno).toBe(28);
  });

  it('are about places, kinds of requests, and once', () => {
    const book = bookOf([{ event: 'none', sector: 3, once: true, iotype: 'write' }]);
    expect(book.take(IoType.Write, 0, 1536)).toBeUndefined();
    expect(book.take(IoType.Read, 0, 4096)).toBeUndefined();
    expect(book.take(IoType.Write, 2047, 1)).toBeDefined();
    expect(book.take(IoType.Write, 1536, 512)).toBeUndefined();
  });

  it('depend on the state before the event, which moves one step an event; of two moves the first wins', () => {
    const book = bookOf(
      [{ event: 'read_aio', state: 2, errno: 28 }, { event: 'read_aio', state: 3 }],
      [{ event: 'read_aio', new_state: 2 }, { event: 'read_aio', new_state: 3 }],
    );
    book.happen('read_aio');
    expect(book.take(IoType.Read, 0, 1)).toBeUndefined();
    book.happen('read_aio');
    expect(book.take(IoType.Read, 0, 1)?.errno).toBe(28);
  });
});

describe('options', () => {
  const open = (options: object): Promise<unknown> => {
    const disks = new MemoryDisks();
    const disk = disks.put('image', { size: 65536 });
    return new BlockGraph({ drivers: [disks.driver, blkdebug] }).open({ driver: 'blkdebug', image: disk.definition, ...options });
  };

  it.each([
    [{ align: 3 }, 'Cannot meet constraints with align 3'],
    [{ align: 2 ** 31 }, 'Cannot meet constraints with align 2147483648'],
    [{ align: 4096, 'max-transfer': 512 }, 'Cannot meet constraints with max-transfer 512'],
    [{ 'opt-write-zero': 4096, 'max-write-zero': 512 }, 'Cannot meet constraints with max-write-zero 512'],
    [{ 'opt-discard': 4096, 'max-discard': 512 }, 'Cannot meet constraints with max-discard 512'],
    [{ 'inject-error': [{}] }, 'Missing event name for rule'],
    [{ 'inject-error': [{ event: 'bogus' }] }, 'invalid parameter value: bogus'],
    [{ 'inject-error': [{ event: 'none', iotype: 'bogus' }] }, 'invalid parameter value: bogus'],
    [{ 'inject-error': [{ event: 'none', errno: 'x' }] }, "Parameter 'errno' expects a number"],
    [{ 'inject-error': [{ event: 'none', once: 'maybe' }] }, "Parameter 'once' expects 'on' or 'off'"],
    [{ 'inject-error': [{ event: 'none', foo: 1 }] }, "[inject-error] section doesn't support the option 'foo'"],
    [{ 'set-state': [{ event: 'none', errno: 1 }] }, "[set-state] section doesn't support the option 'errno'"],
    [{ 'inject-error': { 1: { event: 'none' } } }, "Unused option '1.event' for [inject-error]"],
    [{ 'inject-error': [{ event: 'none', errno: '99999999999999999999' }] }, "Value '99999999999999999999' is too large for parameter 'errno'"],
    [{ 'inject-error': [{ event: 'none', errno: '5 ' }] }, "Parameter 'errno' expects a number"],
    [{ 'inject-error': 5 }, "Block protocol 'blkdebug' doesn't support the option 'inject-error'"],
    [{ 'inject-error': [5] }, '[inject-error] section (index 0) does not consist of keys'],
    [{ config: '/nonexistent/rules' }, 'Could not read blkdebug config file: No such file or directory'],
    [{ foo: 1 }, "Block protocol 'blkdebug' doesn't support the option 'foo'"],
  ])('%j is refused', async (options, message) => {
    await expect(open(options)).rejects.toMatchObject({ message });
  });

  it.each(['blkdebug:', 'blkdebug:image'])('the name %s says too little', async (name) => {
    await expect(new BlockGraph({ drivers: [blkdebug] }).open(name, { format: 'blkdebug' })).rejects.toMatchObject({
      message: 'blkdebug requires both config file and image path',
    });
  });
});
