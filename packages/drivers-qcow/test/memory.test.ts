/** Tables are kept in memory as far as `cache-size` allows. */
import { prng, proveFarPlaces } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { Bench } from './support.js';

test('tables stay within `cache-size`, and in memory where they are', async () => {
  const bench = new Bench();
  const size = 24 << 20;
  const disk = await bench.create(size);
  const node = await bench.open(disk);
  // Twelve tables, each for 2 MiB of the disk.
  const starts = Array.from({ length: 12 }, (_, table) => table * (2 << 20));
  for (const start of starts) await node.write(start, new Uint8Array(1), 0, 1);
  await bench.graph.release(node);
  const holes = starts.map((start) => start + 65536);
  expect(await bench.secondReads(disk, holes)).toBe(0);
  expect(await bench.secondReads(disk, holes, { 'cache-size': 12 * (4096 + 1024) })).toBe(0);
  expect(await bench.secondReads(disk, holes, { 'cache-size': 8 * (4096 + 1024) })).toBe(12);
});

test('they come and go, over a disk whose power is cut and one that fails, and none with changes is lost', async () => {
  const bench = new Bench();
  const random = prng(1);
  // Fifty tables, of which four are in memory.
  const places = Array.from({ length: 80 }, () => random.below((100 << 20) / 512) * 512);
  const disk = await bench.create(100 << 20);
  expect(await proveFarPlaces(bench.subject(undefined, { 'cache-size': 1 }), disk, { seed: 2, places, rounds: 40, cuts: 12 })).toBeGreaterThan(5);
}, 60_000);
