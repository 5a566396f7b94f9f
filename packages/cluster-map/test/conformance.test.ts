import { BlockGraph } from '@blk/core-graph';
import { driverConformance, FormatBench, inMemory, MemoryDisk, MemoryDisks, prng, provePowerCuts, slow, type Provider } from '@blk/driver-conformance';
import { test } from 'vitest';
import { toy } from './toy.js';

driverConformance({ name: 'tables of four clusters', asynchronous: true, histories: 3, size: 200 * 512, provision: inMemory(toy(512, 4)) });

/** Over a backing file that is shorter. */
const overlay: Provider = async ({ size, seed, asynchronous }) => {
  const disks = new MemoryDisks();
  const format = toy(4096, 16);
  await new BlockGraph({ drivers: [disks.driver, format] }).create('memory:image', { format: 'toy', size });
  const disk = disks.get('image');
  const content = new Uint8Array(size);
  const below = prng(seed).bytes(Math.floor(size / 2) + 100);
  content.set(below);
  if (asynchronous) disk.use(slow(seed));
  const backing = { driver: 'passthrough', file: new MemoryDisk({ content: below }).definition };
  return { drivers: [disks.driver, format], definition: { driver: 'toy', file: { ...disk.definition, discard: 'unmap' }, backing }, content };
};
driverConformance({ name: 'over a backing file', asynchronous: true, histories: 4, size: 100 * 4096 + 512, provision: overlay });

test.each([false, true])('power cuts, requests late and several at a time: %s', async (late) => {
  for (let seed = 1; seed <= 3; seed++) {
    const bench = new FormatBench(toy(1024, 8));
    await provePowerCuts(bench.subject(), await bench.create(300 * 1024), { seed, cuts: 30, steps: 50, longest: 24 << 10, late });
  }
});
