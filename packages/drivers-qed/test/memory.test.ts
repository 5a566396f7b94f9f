/** Tables are kept in memory as far as `cache-size` allows. */
import { expect, test } from 'vitest';
import { Bench } from './support.js';

test('tables stay within `cache-size`, and in memory where they are', async () => {
  const bench = new Bench();
  const size = 24 << 20;
  const disk = await bench.create(size, { cluster_size: 4096, table_size: 1 });
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
