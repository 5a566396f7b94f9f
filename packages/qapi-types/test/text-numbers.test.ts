import { expect, it } from 'vitest';
import { parseCNumber, parseSize } from '../src/text-numbers.js';

// As the daemon takes `logical-block-size`.
it.each([
  ['512', 512n],
  ['0x200', 512n],
  ['0x200B', 0x200bn],
  ['0x1k', 1024n],
  ['4096B', 4096n],
  ['512b', 512n],
  ['1K', 1024n],
  ['512K', 524288n],
  ['1.5k', 1536n],
  ['1.k', 1024n],
  ['0.00001k', 0n],
  ['1T', 1n << 40n],
  ['15.5E', 31n << 59n],
  [' 512', 512n],
  ['+512', 512n],
  ['010', 10n],
  ['18446744073709551615', 2n ** 64n - 1n],
])('size %j', (text, size) => {
  expect(parseSize(text)).toBe(size);
});

it.each(['zz', '', '-1', '-0', '99999999999999999999', '1.1', '16E', '1k1', '.5k', '1e3', '0x1.8', '1kk', '1K ', 'nan', '9'.repeat(100_000)])(
  'no size: %j',
  (text) => {
    expect(parseSize(text)).toBeUndefined();
  },
);

it('numbers have fractions and exponents', () => {
  expect(['1.5', '-2e3', '.5', '5.'].map(parseCNumber)).toEqual([1.5, -2000, 0.5, 5]);
  expect(['', 'x', '1e', '0x1', '1e999'].map(parseCNumber)).toEqual(Array(5).fill(undefined));
});
