/** A set of numbers is one whatever is put in and taken out, and pieces that are empty or full take nothing. */
import { prng } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { Bits } from '../src/index.js';

const PIECE = 65536;

test.each([1, 2, 3])('is a set, seed %i', (seed) => {
  const random = prng(seed);
  const bits = new Bits(seed === 1 ? 0 : 3 * PIECE);
  const model = new Set<number>();
  for (let step = 0; step < 50; step++) {
    const start = random.below(3 * PIECE);
    const end = Math.min(3 * PIECE, start + random.pick([1, 10, PIECE, 2 * PIECE]));
    const adds = random.below(2) === 0;
    for (let at = start; at < end; at++) {
      if (adds) {
        bits.add(at);
        model.add(at);
      } else {
        bits.delete(at);
        model.delete(at);
      }
    }
    for (let look = 0; look < 200; look++) {
      const at = random.below(4 * PIECE);
      expect(bits.has(at)).toBe(model.has(at));
    }
  }
  for (let at = 0; at < 3 * PIECE; at++) if (bits.has(at) !== model.has(at)) throw new Error(`${at}`);
});

test('takes memory where it is neither empty nor full, however often a number comes', () => {
  const bits = new Bits(2 ** 33);
  expect(bits.bytes).toBe(0);
  for (const at of [0, 0, 5 * PIECE, 2 ** 33 - 1]) bits.add(at);
  expect(bits.bytes).toBe(3 * 8192);
  for (let at = 0; at < PIECE; at++) bits.add(at);
  expect(bits.bytes).toBe(2 * 8192);
  bits.delete(7);
  expect([bits.has(6), bits.has(7), bits.has(8), bits.bytes]).toEqual([true, false, true, 3 * 8192]);
  for (const at of [5 * PIECE, 5 * PIECE, 2 ** 33 - 1]) bits.delete(at);
  expect([bits.has(5 * PIECE), bits.has(2 ** 33 - 1), bits.bytes]).toEqual([false, false, 8192]);
});
