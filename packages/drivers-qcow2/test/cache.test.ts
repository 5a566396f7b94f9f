/** Tables larger than the memory for them come and go, and none with changes is lost. */
import { FormatBench, prng, proveFarPlaces } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { qcow2 } from '../src/index.js';

test.each([1, 2, 3])('over a disk whose power is cut and one that fails, seed %i', async (seed) => {
  const bench = new FormatBench(qcow2);
  const random = prng(seed);
  // A second table is for 32 KiB of the disk.
  const places = Array.from({ length: 80 }, () => random.below((8 << 20) / 512) * 512);
  const disk = await bench.create(8 << 20, { cluster_size: 512 });
  const subject = bench.subject(undefined, { 'l2-cache-size': 1, 'refcount-cache-size': 1 });
  expect(await proveFarPlaces(subject, disk, { seed, places, rounds: 40, cuts: 12 })).toBeGreaterThan(5);
}, 60_000);
