import { driverConformance, MemoryDisk, MemoryDisks, slow, type Provider } from '@blk/driver-conformance';
import { copyOnRead } from '../src/index.js';

const over: Provider = ({ size, seed, asynchronous }) => {
  const disk = new MemoryDisk({ content: new Uint8Array(size) });
  if (asynchronous) disk.use(slow(seed));
  return Promise.resolve({
    drivers: [new MemoryDisks().driver, copyOnRead],
    definition: { driver: 'copy-on-read', file: { ...disk.definition, discard: 'unmap' } },
    content: new Uint8Array(size),
  });
};

driverConformance({ name: 'copy-on-read', size: 300_000, sizeGranularity: 1, asynchronous: true, histories: 3, provision: over });
