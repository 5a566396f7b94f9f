import { driverConformance, MemoryDisk, MemoryDisks, slow, type MemoryDiskOptions, type Provider } from '../src/index.js';

/** The suite on the test disks themselves: they are what other drivers stand on. */
function memory(options: MemoryDiskOptions = {}): Provider {
  return async ({ size, seed, asynchronous }) => {
    const disk = new MemoryDisk({ ...options, size });
    if (asynchronous) disk.use(slow(seed));
    return { drivers: [new MemoryDisks().driver], definition: disk.definition };
  };
}

const size = 300_032;

driverConformance({ name: 'memory', size, sizeGranularity: 1, asynchronous: true, provision: memory() });
driverConformance({
  name: 'memory that cannot grow and lacks every optional verb',
  size,
  asynchronous: true,
  provision: memory({ growable: false, without: ['writeZeroes', 'discard', 'flush', 'extent', 'truncate'] }),
});
driverConformance({
  name: 'memory in sectors',
  size,
  asynchronous: true,
  histories: 4,
  provision: memory({ growable: false, limits: { alignment: 512, maxTransfer: 8192, maxZeroes: 65536, maxDiscard: 65536 } }),
});
driverConformance({
  name: 'memory in pages, at aligned addresses',
  size: 65536 * 4,
  sizeGranularity: 4096,
  asynchronous: true,
  histories: 4,
  provision: memory({ limits: { alignment: 4096, memoryAlignment: 4096 } }),
});
driverConformance({
  name: 'memory that is read-only',
  size,
  histories: 2,
  provision: memory({ without: ['write'] }),
});
