import { BlockGraph } from '@blk/core-graph';
import { driverConformance, inMemory, MemoryDisk, MemoryDisks, prng, slow, type Provider } from '@blk/driver-conformance';
import { vpc } from '../src/index.js';
import { differencing } from './support.js';

driverConformance({ name: 'vpc, dynamic', asynchronous: true, histories: 4, provision: inMemory(vpc, { create: { force_size: true } }) });
driverConformance({
  name: 'vpc, fixed',
  asynchronous: true,
  histories: 2,
  provision: inMemory(vpc, { create: { subformat: 'fixed', force_size: true } }),
});

/** Over a parent with random content; blocks of 64 KiB, so that there are some, held in part. */
const child: Provider = async ({ size, seed, asynchronous }) => {
  const disks = new MemoryDisks();
  const drivers = [disks.driver, vpc];
  const graph = new BlockGraph({ drivers });
  await graph.create('memory:parent', { format: 'vpc', size, options: { force_size: true, subformat: 'fixed' } });
  const parent = disks.get('parent');
  const content = prng(seed).bytes(size);
  parent.content.write(0, content, 0, size);
  const disk = new MemoryDisk({ content: differencing(parent.toBytes(), 'parent') });
  if (asynchronous) disk.use(slow(seed));
  const definition = { driver: 'vpc', file: { ...disk.definition, discard: 'unmap' }, backing: { driver: 'vpc', file: parent.definition } };
  return { drivers, definition, content };
};
driverConformance({ name: 'vpc, differencing', asynchronous: true, histories: 4, provision: child });
