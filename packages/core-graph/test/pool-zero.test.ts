import { describe, expect, it } from 'vitest';
import { compareZero as compareByMemory, sameBytes as sameByMemory } from '../src/platform/compare-node.js';
import { compareZero as compareByWords, sameBytes as sameByWords } from '../src/platform/compare.js';
import { BufferPool, firstDifference, isZero, zeroRun } from '../src/index.js';

describe('BufferPool', () => {
  it('hands out aligned buffers that do not overlap, and the same ones again', () => {
    const pool = new BufferPool();
    const taken = [1, 4096, 4097, 10_000, 65_536, 1_000_000, 4 * 2 ** 20].map((bytes) => pool.take(bytes));
    expect(taken.map((buffer) => buffer.length)).toEqual([4096, 4096, 8192, 16_384, 65_536, 2 ** 20, 2 ** 22]);
    taken.forEach((buffer, i) => buffer.fill(i + 1));
    taken.forEach((buffer, i) => expect([buffer[0], buffer[buffer.length - 1]]).toEqual([i + 1, i + 1]));
    for (const buffer of taken) expect(pool.isAligned(buffer, 0, 4096)).toBe(true);
    expect(pool.isAligned(taken[0], 8, 4096)).toBe(false);
    expect(pool.isAligned(taken[0], 512, 512)).toBe(true);
    for (const buffer of taken) pool.give(buffer);
    expect(taken).toContain(pool.take(5000));
    expect(pool.isAligned(new Uint8Array(4096), 0, 4096)).toBe(false);
  });

  it('hands out ordinary buffers when it is used up or too small, and never takes strangers in', () => {
    const pool = new BufferPool(1);
    const many = Array.from({ length: 18 }, () => pool.take(4 * 2 ** 20));
    expect(new Set(many.map((buffer) => buffer.buffer)).size).toBe(18);
    expect(pool.take(5 * 2 ** 20).length).toBe(5 * 2 ** 20);
    const stranger = new Uint8Array(4096);
    pool.give(stranger);
    expect(pool.take(4096)).not.toBe(stranger);
  });
});

describe('looking for zeroes', () => {
  it.each([
    ['by words', compareByWords],
    ['by memcmp', compareByMemory],
  ])('finds every single byte, %s', (_name, compareZero) => {
    const bytes = new Uint8Array(200_000);
    expect(compareZero(bytes, 0, bytes.length)).toBe(true);
    for (const at of [0, 1, 7, 8, 9, 65_535, 65_536, 65_537, 131_072, 199_999]) {
      bytes[at] = 1;
      for (const start of [0, 1, 3, 8, 100, 65_536]) {
        for (const end of [at, at + 1, 200_000]) {
          if (end < start) continue;
          expect(compareZero(bytes, start, end - start)).toBe(!(at >= start && at < end));
        }
      }
      bytes[at] = 0;
    }
  });

  it('works in views that begin anywhere', () => {
    const buffer = new ArrayBuffer(1000);
    for (let from = 0; from < 17; from++) {
      const view = new Uint8Array(buffer, from, 900);
      expect(compareByWords(view, 1, 800)).toBe(true);
      view[800] = 1;
      expect([compareByWords(view, 1, 799), compareByWords(view, 1, 800)]).toEqual([true, false]);
      view[800] = 0;
    }
  });

  it('knows that nothing is zero, and measures runs', () => {
    expect(isZero(Uint8Array.of(1), 0, 0)).toBe(true);
    const bytes = new Uint8Array(10_000);
    bytes[5000] = 1;
    expect(isZero(bytes, 0, 10_000)).toBe(false);
    expect(zeroRun(bytes, 0, 10_000, 512)).toEqual({ length: 4608, zero: true });
    expect(zeroRun(bytes, 4608, 10_000, 512)).toEqual({ length: 512, zero: false });
    expect(zeroRun(bytes, 5120, 10_000, 512)).toEqual({ length: 4880, zero: true });
    expect(zeroRun(bytes, 9999, 10_000, 512)).toEqual({ length: 1, zero: true });
  });
});

describe('comparing', () => {
  it.each([
    ['by words', sameByWords],
    ['by memcmp', sameByMemory],
  ])('sees every byte of the range and none beside it, wherever the ranges begin, %s', (_name, same) => {
    const a = new Uint8Array(400).map((_, at) => at * 7);
    for (const [aStart, bStart, length] of [[0, 0, 200], [8, 16, 183], [1, 1, 97], [3, 6, 64], [5, 0, 7], [0, 0, 0]]) {
      const b = new Uint8Array(400).fill(9);
      b.set(a.subarray(aStart, aStart + length), bStart);
      expect(same(a, aStart, b, bStart, length)).toBe(true);
      expect(firstDifference(a, aStart, b, bStart, length)).toBe(-1);
      for (let at = 0; at < length; at++) {
        b[bStart + at] ^= 0x80;
        expect([same(a, aStart, b, bStart, length), firstDifference(a, aStart, b, bStart, length)]).toEqual([false, at]);
        // A later one changes nothing.
        b[bStart + length - 1] ^= 1;
        expect(firstDifference(a, aStart, b, bStart, length)).toBe(at);
        b[bStart + length - 1] ^= 1;
        b[bStart + at] ^= 0x80;
      }
    }
  });
});
