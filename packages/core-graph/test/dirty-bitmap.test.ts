import { describe, expect, it } from 'vitest';
import { DirtyBitmap } from '../src/index.js';

describe('DirtyBitmap', () => {
  it.each([512, 4096, 65536])('is a set of chunks of %i bytes', (granularity) => {
    let state = granularity;
    const below = (limit: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    let size = granularity * 200 + 77;
    const bitmap = new DirtyBitmap('b', granularity, size);
    let model = new Set<number>();
    for (let round = 0; round < 2000; round++) {
      const offset = below(size);
      const length = below(granularity * (round % 7 === 0 ? 80 : 3)) + 1;
      const last = Math.ceil(Math.min(offset + length, size) / granularity);
      const chunks = Array.from({ length: last - Math.floor(offset / granularity) }, (_, i) => Math.floor(offset / granularity) + i);
      const dice = below(20);
      if (dice < 12) {
        bitmap.mark(offset, length);
        for (const chunk of chunks) model.add(chunk);
      } else if (dice < 18) {
        bitmap.reset(offset, length);
        for (const chunk of chunks) model.delete(chunk);
      } else if (dice < 19) {
        size = granularity * (100 + below(200)) + below(granularity);
        bitmap.resize(size);
        model = new Set([...model].filter((chunk) => chunk * granularity < size));
      }
      expect(bitmap.count).toBe(model.size * granularity);
      const at = below(size);
      expect(bitmap.get(at)).toBe(model.has(Math.floor(at / granularity)));
      for (const dirty of [true, false]) {
        let chunk = Math.floor(at / granularity);
        const end = Math.ceil(size / granularity);
        while (chunk < end && model.has(chunk) !== dirty) chunk++;
        expect(bitmap.next(at, dirty)).toBe(chunk === end ? -1 : Math.max(at, chunk * granularity));
      }
    }
    bitmap.clear();
    expect([bitmap.count, bitmap.next(0, true)]).toEqual([0, -1]);
  });

  it('ignores writes while it is disabled, and is cut off by its end', () => {
    const bitmap = new DirtyBitmap('b', 512, 1000);
    bitmap.setStatus('disabled');
    bitmap.mark(0, 1000);
    expect(bitmap.count).toBe(0);
    bitmap.setStatus('active');
    bitmap.mark(900, 2 ** 40);
    expect([bitmap.count, bitmap.get(999), bitmap.get(1000), bitmap.get(2 ** 50)]).toEqual([512, true, false, false]);
    bitmap.mark(0, 0);
    bitmap.mark(5000, 100);
    expect(bitmap.count).toBe(512);
  });

  it.each([0, 1, 256, 511, 513, 1000, 2 ** 32, NaN, -512])('refuses a granularity of %s', (granularity) => {
    expect(() => new DirtyBitmap('b', granularity, 1000)).toThrow('Granularity must be power of 2 and at least 512');
  });
});

describe('what images keep of a dirty bitmap', () => {
  it.each([
    [512, 512 * 100],
    [512, 512 * 64],
    [4096, 1_000_001],
    [65536, 1],
  ])('bits of %d bytes over %d bytes go out and come back', (granularity, size) => {
    const bitmap = new DirtyBitmap('a', granularity, size);
    for (let at = 3; at < size; at = at * 2 + 700) bitmap.set(at, granularity * 2);
    const copy = new DirtyBitmap('b', granularity, size);
    const full = new DirtyBitmap('c', granularity, size);
    const bytes = new Uint8Array(8);
    for (let bit = 0; bit * granularity < size; bit += 64) {
      expect(bitmap.exportBits(bit, bytes)).toBe(bytes.some((byte) => byte !== 0));
      copy.importBits(bit, bytes);
      // What lies behind the end is left out.
      full.importBits(bit, new Uint8Array(8).fill(0xff));
    }
    for (let at = 0; at < size; at += granularity) expect(copy.get(at)).toBe(bitmap.get(at));
    expect(copy.count).toBe(bitmap.count);
    expect(full.count).toBe(Math.ceil(size / granularity) * granularity);
    full.exportBits(Math.floor((Math.ceil(size / granularity) - 1) / 64) * 64, bytes);
    expect(bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)).toBe(((Math.ceil(size / granularity) - 1) % 64) + 1);
  });

  it('merging takes every chunk that the other has dirty, whatever its granularity', () => {
    const fine = new DirtyBitmap('fine', 512, 10_000);
    const coarse = new DirtyBitmap('coarse', 4096, 10_000);
    fine.set(5000, 1);
    fine.set(9999, 1);
    coarse.merge(fine);
    expect([coarse.get(0), coarse.get(4096), coarse.get(8192)]).toEqual([false, true, true]);
    fine.merge(coarse);
    expect(fine.next(0, true)).toBe(4096);
    expect(fine.next(4096, false)).toBe(-1);
    expect(() => {
      fine.merge(new DirtyBitmap('other', 512, 10_001));
    }).toThrow("Bitmaps are of different sizes (destination size is 10000, source size is 10001) and can't be merged");
  });

  it('one that is out of date records nothing and can not be used', () => {
    const bitmap = new DirtyBitmap('b', 512, 1000, { inconsistent: true, persistent: true });
    bitmap.mark(0, 1000);
    bitmap.resize(5000);
    expect([bitmap.count, bitmap.status]).toEqual([0, 'disabled']);
    expect(() => {
      bitmap.checkUsable();
    }).toThrow("Bitmap 'b' is inconsistent and cannot be used");
  });
});

describe('a bitmap that somebody works with', () => {
  const dirtyChunks = (bitmap: DirtyBitmap): number[] => {
    const chunks: number[] = [];
    for (let chunk = 0; chunk * 512 < bitmap.size; chunk++) if (bitmap.get(chunk * 512)) chunks.push(chunk);
    return chunks;
  };

  it.each([
    ['done', [3, 4]],
    ['kept', [0, 3, 4]],
  ] as const)('keeps its content while frozen; thawed as %s the writes since are in it', (outcome, expected) => {
    const bitmap = new DirtyBitmap('b', 512, 5000);
    bitmap.mark(0, 1);
    bitmap.freeze();
    bitmap.mark(512 * 3, 513);
    expect([bitmap.status, bitmap.recording, bitmap.busy, dirtyChunks(bitmap)]).toEqual(['frozen', true, true, [0]]);
    expect(() => { bitmap.freeze(); }).toThrow("Bitmap 'b' is currently in use by another operation and cannot be used");
    bitmap.thaw(outcome);
    expect([bitmap.status, dirtyChunks(bitmap), bitmap.count]).toEqual(['active', expected, expected.length * 512]);
    // Again: nothing left to do.
    bitmap.thaw('done');
    expect(dirtyChunks(bitmap)).toEqual(expected);
  });

  it('follows the size while it is frozen, and notes nothing where it was disabled', () => {
    const bitmap = new DirtyBitmap('b', 512, 512);
    bitmap.freeze();
    bitmap.resize(2048);
    bitmap.mark(1024, 1);
    bitmap.thaw('done');
    expect(dirtyChunks(bitmap)).toEqual([2]);
    bitmap.setStatus('disabled');
    bitmap.freeze();
    bitmap.mark(0, 2048);
    bitmap.thaw('kept');
    expect([bitmap.status, dirtyChunks(bitmap)]).toEqual(['disabled', [2]]);
  });

  it('held by a reader it goes on recording', () => {
    const bitmap = new DirtyBitmap('b', 512, 2048);
    bitmap.hold();
    bitmap.mark(0, 1);
    expect([bitmap.status, dirtyChunks(bitmap)]).toEqual(['frozen', [0]]);
    expect(() => { bitmap.hold(); }).toThrow('in use');
    bitmap.release();
    expect(bitmap.status).toBe('active');
  });
});
