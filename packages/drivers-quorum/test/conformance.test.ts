import { driverConformance, inMemory, MemoryDisk, MemoryDisks, slow, type Provider } from '@blk/driver-conformance';
import type { BlockDriver } from '@blk/core-graph';
import { quorum } from '../src/index.js';
import { FORMATS } from './support.js';

/** Three copies, one of them of `format`. */
function copies(format: BlockDriver, create: Record<string, unknown>): Provider {
  const provide = inMemory(format, { create, drivers: [quorum] });
  return async (request) => {
    const { definition, ...rest } = await provide(request);
    const plain = [1, 2].map((number) => {
      const disk = new MemoryDisk({ size: request.size });
      if (request.asynchronous) disk.use(slow(request.seed + number));
      return disk.definition;
    });
    return { ...rest, definition: { driver: 'quorum', 'vote-threshold': 2, children: [{ discard: 'unmap', ...definition }, ...plain] } };
  };
}

for (const [format, create, size] of FORMATS) {
  driverConformance({ name: `quorum with ${format.name}`, asynchronous: true, histories: 1, steps: 18, size, provision: copies(format, create) });
}
/** One that rewrites is not opened read-only: where the suite does that, it gets one that does not. */
const tolerant: BlockDriver = {
  ...quorum,
  open: (options, context) => quorum.open(context.readOnly ? { ...options, 'rewrite-corrupted': false } : options, context),
};

for (const options of [{ 'read-pattern': 'fifo' }, { 'rewrite-corrupted': true }]) {
  driverConformance({
    name: `quorum with ${Object.keys(options).join()}`,
    asynchronous: true,
    histories: 2,
    provision: ({ size, seed, asynchronous }) => {
      const disks = [1, 2, 3].map(() => new MemoryDisk({ size }));
      if (asynchronous) for (const [at, disk] of disks.entries()) disk.use(slow(seed + at));
      const children = disks.map((disk) => disk.definition);
      return Promise.resolve({ drivers: [new MemoryDisks().driver, tolerant], definition: { driver: 'quorum', 'vote-threshold': 2, children, ...options } });
    },
  });
}
