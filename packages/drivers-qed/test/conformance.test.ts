import { BlockGraph } from '@blk/core-graph';
import { driverConformance, inMemory, MemoryDisk, MemoryDisks, prng, slow, type Provider } from '@blk/driver-conformance';
import { qed } from '../src/index.js';
import { plain } from './support.js';

driverConformance({ name: 'qed', asynchronous: true, histories: 3, provision: inMemory(qed) });
driverConformance({
  name: 'qed with small clusters', asynchronous: true, size: 300 * 4096 + 512, histories: 3, provision: inMemory(qed, { create: { cluster_size: 4096, table_size: 1 } }),
});

/** Over a backing file, which may be shorter or longer. */
const overlay: Provider = async ({ size, seed, asynchronous }) => {
  const disks = new MemoryDisks();
  const drivers = [disks.driver, qed, plain];
  await new BlockGraph({ drivers }).create('memory:image', { format: 'qed', size, options: { cluster_size: 4096 } });
  const disk = disks.get('image');
  const below = prng(seed).bytes(seed % 2 === 0 ? Math.floor(size / 2) + 100 : size + 20_000);
  const content = new Uint8Array(size);
  content.set(below.subarray(0, size));
  if (asynchronous) disk.use(slow(seed));
  const backing = { driver: 'raw', file: new MemoryDisk({ content: below }).definition };
  return { drivers, definition: { driver: 'qed', file: { ...disk.definition, discard: 'unmap' }, backing }, content };
};
driverConformance({ name: 'qed over a backing file', asynchronous: true, histories: 4, size: 300 * 1024 + 512, provision: overlay });
