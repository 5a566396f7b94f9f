import { driverConformance, inMemory, MemoryDisks, slow } from '@blk/driver-conformance';
import { vdi } from '../src/index.js';
import { handMade } from './support.js';

const SIZE = 3 * 1024 * 1024 + 5 * 512;

for (const { name, create } of [{ name: 'vdi', create: {} }, { name: 'static vdi', create: { static: true } }]) {
  driverConformance({ name, asynchronous: true, size: SIZE, histories: 3, provision: inMemory(vdi, { create }) });
}

// Small blocks make for many of them.
const FREE = 0xffff_ffff;
driverConformance({
  name: 'vdi with blocks of 4.5 KiB',
  size: 150 * 4608,
  asynchronous: true,
  histories: 3,
  provision: ({ asynchronous, seed, size }) => {
    const disks = new MemoryDisks();
    const disk = handMade(size, 4608, Array.from({ length: Math.ceil(size / 4608) }, (_, at) => (at % 50 === 7 ? FREE - 1 : FREE)));
    if (asynchronous) disk.use(slow(seed));
    return Promise.resolve({ drivers: [disks.driver, vdi], definition: { driver: 'vdi', file: { ...disk.definition, discard: 'unmap' } } });
  },
});
