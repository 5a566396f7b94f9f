/** Grain tables are kept in memory as far as `cache-size` allows, those of all extents together. */
import { MemoryDisk, prng, proveFarPlaces } from '@blk/driver-conformance';
import { vmdkDescriptor } from '@blk/image-writers';
import { expect, test } from 'vitest';
import { Bench } from './support.js';

const PAGE = 65536 + 1024;
/** A page has the entries of a GiB. */
const GIB = 2 ** 30;

test('grain tables stay within `cache-size`, and in memory where they are', async () => {
  const bench = new Bench();
  const disk = await bench.create(12 * GIB);
  const holes = Array.from({ length: 12 }, (_, page) => page * GIB);
  expect(await bench.secondReads(disk, holes)).toBe(0);
  expect(await bench.secondReads(disk, holes, { 'cache-size': 12 * PAGE })).toBe(0);
  expect(await bench.secondReads(disk, holes, { 'cache-size': 8 * PAGE })).toBe(12);
});

test('extents share it', async () => {
  const bench = new Bench();
  const extents = ['a', 'b'];
  const disks: MemoryDisk[] = [];
  for (const name of extents) disks.push(await bench.create(6 * GIB, {}, name));
  const text = vmdkDescriptor({ createType: 'twoGbMaxExtentSparse', extents: extents.map((name) => `RW ${(6 * GIB) / 512} SPARSE "${name}"`) });
  const disk = new MemoryDisk({ content: new TextEncoder().encode(text) });
  const holes = Array.from({ length: 12 }, (_, page) => page * GIB);
  const reads = async (cacheSize: number): Promise<number> => {
    const before = disks.map(({ counts }) => counts.read);
    await bench.secondReads(disk, [...holes, ...holes], { 'cache-size': cacheSize });
    return disks.reduce((sum, { counts }, index) => sum + counts.read - before[index], 0);
  };
  const once = await reads(12 * PAGE);
  // Half of it is enough for neither.
  expect(await reads(8 * PAGE)).toBe(once + 3 * 12);
});

test('they come and go, over a disk whose power is cut and one that fails, and none with changes is lost', async () => {
  const bench = new Bench();
  const random = prng(1);
  const places = Array.from({ length: 80 }, () => random.below((12 * GIB) / 512) * 512);
  const disk = await bench.create(12 * GIB);
  expect(await proveFarPlaces(bench.subject(undefined, { 'cache-size': 1 }), disk, { seed: 2, places, rounds: 40, cuts: 12 })).toBeGreaterThan(5);
}, 60_000);
