/** The catalog is kept in memory as far as `cache-size` allows. */
import { prng, proveFarPlaces } from '@blk/driver-conformance';
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

test('pieces come and go, over a disk whose power is cut and one that fails, and none with changes is lost', async () => {
  const bench = new Bench();
  const random = prng(1);
  const places = Array.from({ length: 80 }, () => random.below((96 << 20) / 512) * 512);
  const disk = await bench.create(96 << 20, { cluster_size: 512 });
  const subject = bench.subject(undefined, { 'cache-size': 1 });
  // An image that could not be closed is written to only after a repair, which takes nothing away.
  const open: typeof subject.open = async (image, readOnly) => {
    if (!readOnly) await bench.check(image, 'all');
    return subject.open(image, readOnly);
  };
  expect(await proveFarPlaces({ ...subject, open }, disk, { seed: 2, places, rounds: 40, cuts: 12 })).toBeGreaterThan(5);
}, 60_000);
