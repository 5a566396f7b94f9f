/** Tables are kept in memory as far as `cache-size` allows. */
import { WriteFlag } from '@blk/core-graph';
import { expectSameBytes, prng, proveFarPlaces, slow } from '@blk/driver-conformance';
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

test.each([1, 2, 3, 4])('many at once over more tables than stay in memory, packed clusters and others: each gets what it wrote, seed %i', async (seed) => {
  const bench = new Bench();
  const random = prng(seed);
  const guests = 8;
  // Twelve tables, of which four are in memory; each guest has two clusters of every table.
  const clusters = Array.from({ length: 12 * guests * 2 }, (_, index) => Math.floor(index / (guests * 2)) * 512 + (index % (guests * 2)));
  const disk = await bench.create(24 << 20);
  const node = await bench.open(disk, { 'cache-size': 1 });
  disk.use(slow(seed));
  const model = new Map<number, Uint8Array>();
  await Promise.all(Array.from({ length: guests }, async (_, guest) => {
    const mine = clusters.filter((__, index) => index % guests === guest);
    const guestRandom = prng(random.next());
    for (let step = 0; step < 60; step++) {
      const cluster = guestRandom.pick(mine);
      const before = model.get(cluster) ?? new Uint8Array(4096);
      const start = 512 * guestRandom.below(8);
      const length = 512 * (1 + guestRandom.below(8 - start / 512));
      const what = guestRandom.below(10);
      if (what < 4) {
        const bytes = new Uint8Array(length);
        await node.read(cluster * 4096 + start, bytes, 0, length);
        expectSameBytes(bytes, before.subarray(start, start + length));
      } else if (what < 7) {
        // Half of it can be packed.
        const bytes = guestRandom.bytes(4096).fill(step, 0, 2048);
        await node.write(cluster * 4096, bytes, 0, 4096, WriteFlag.Compressed);
        model.set(cluster, bytes);
      } else if (what < 9) {
        const bytes = guestRandom.bytes(length);
        await node.write(cluster * 4096 + start, bytes, 0, length);
        const after = before.slice();
        after.set(bytes, start);
        model.set(cluster, after);
      } else await node.flush();
    }
  }));
  for (const [cluster, bytes] of model) {
    const found = new Uint8Array(4096);
    await node.read(cluster * 4096, found, 0, 4096);
    expectSameBytes(found, bytes);
  }
  await bench.graph.release(node);
  const content = await bench.content(disk);
  for (const [cluster, bytes] of model) expectSameBytes(content.subarray(cluster * 4096, cluster * 4096 + 4096), bytes);
});
