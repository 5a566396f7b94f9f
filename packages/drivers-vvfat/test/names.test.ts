// File names that mean the driver; names of VFAT; times.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { foldName, nameDefect, ShortNames, isShort } from '../src/fat/names.js';
import { encodeTime, parseTime } from '../src/fat/time.js';
import { vvfat } from '../src/index.js';

describe('names of disks', () => {
  const expected = (dir: string, fatType = 0, floppy = false, rw = false) => ({ dir, 'fat-type': fatType, floppy, rw });
  // As the reference tells them.
  test.each([
    ['fat:d', expected('d')], ['fat:floppy:d', expected('d', 0, true)], ['fat:12:d', expected('d', 12)], ['fat:floppy:16:d', expected('d', 16, true)],
    ['fat:rw:d', expected('d', 0, false, true)], ['fat:floppy:32:rw:/a/b', expected('/a/b', 32, true, true)], ['fat:12:32:d', expected('d', 32)],
    ['fat:64:d', expected('d')], ['fat::d', expected('d')], ['fat:floppyx:d', expected('d')], ['fat:', expected('')], ['fat://d', expected('//d')],
    ['fat:x:y', expected('x:y')], ['fat:a:b/d', expected('a:b/d')], ['fat:rw:c:\\dir', expected('c:\\dir', 0, false, true)],
  ])('%s', (name, options) => {
    expect(vvfat.parseFilename?.(name)).toEqual(options);
  });

  test('others are refused', () => {
    expect(() => vvfat.parseFilename?.('d')).toThrow(`File name string must start with 'fat:'`);
  });
});

test('short names are short and different, whatever the long ones are', () => {
  const name = fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), fc.stringMatching(/^[a-cA-C.~ 1]{1,14}$/));
  fc.assert(
    fc.property(fc.uniqueArray(name, { selector: foldName, maxLength: 60 }), (all) => {
      const names = all.filter((one) => nameDefect(one) === undefined);
      const short = new ShortNames();
      for (const one of names) short.reserve(one);
      const aliases = names.map((one) => short.alias(one));
      for (const [index, alias] of aliases.entries()) {
        expect(isShort(alias), alias).toBe(true);
        if (isShort((names[index]).toUpperCase()) && /^[\x20-\x7e]*$/.test(names[index])) expect(alias).toBe((names[index]).toUpperCase());
      }
      expect(new Set(aliases).size).toBe(aliases.length);
    }),
    { seed: 3, numRuns: 300 },
  );
});

test('times come back as they were, to two seconds', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(1980, 0, 2), max: new Date(2107, 11, 30), noInvalidDate: true }), (date) => {
      const back = parseTime(encodeTime(date.getTime()));
      expect(date.getTime() - (back as number)).toBeGreaterThanOrEqual(0);
      expect(date.getTime() - (back as number)).toBeLessThan(2000);
    }),
    { seed: 5, numRuns: 300 },
  );
  fc.assert(fc.property(fc.nat(0xffff), fc.nat(0xffff), (date, time) => { expect([undefined, 'number']).toContain(parseTime({ date, time }) === undefined ? undefined : 'number'); }), { seed: 5 });
  expect(encodeTime(0)).toEqual({ date: 0x21, time: 0 });
});
