import { driverConformance, inMemory, MemoryDisks, slow } from '@blk/driver-conformance';
import { parallels } from '../src/index.js';
import { oldImage } from './support.js';

const SIZE = 3 * 1024 * 1024 + 5 * 512;

driverConformance({ name: 'parallels', asynchronous: true, size: SIZE, histories: 3, provision: inMemory(parallels) });
driverConformance({
  name: 'parallels with clusters of 512 bytes', asynchronous: true, size: 300_032, histories: 3, provision: inMemory(parallels, { create: { cluster_size: 512 } }),
});
driverConformance({
  name: 'parallels of the old kind',
  size: 40 * 63 * 512 - 5 * 512,
  asynchronous: true,
  histories: 3,
  provision: ({ asynchronous, seed }) => {
    const disks = new MemoryDisks();
    const disk = oldImage(40);
    if (asynchronous) disk.use(slow(seed));
    return Promise.resolve({ drivers: [disks.driver, parallels], definition: { driver: 'parallels', file: { ...disk.definition, discard: 'unmap' } } });
  },
});
