/** The catalog is kept in memory as far as `cache-size` allows. */
import { expect, test } from 'vitest';
import { Bench } from './support.js';

test('the catalog stays within `cache-size`, and in memory where it is', async () => {
  const bench = new Bench();
  // Twelve pages of 16384 entries.
  const disk = await bench.create(96 << 20, { cluster_size: 512 });
  const holes = Array.from({ length: 12 }, (_, page) => page * (8 << 20));
  expect(await bench.secondReads(disk, holes)).toBe(0);
  expect(await bench.secondReads(disk, holes, { 'cache-size': 12 * (65536 + 1024) })).toBe(0);
  expect(await bench.secondReads(disk, holes, { 'cache-size': 8 * (65536 + 1024) })).toBe(12);
});
