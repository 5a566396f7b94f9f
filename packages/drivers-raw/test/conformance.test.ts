import { driverConformance, inMemory, MemoryDisk, MemoryDisks, prng, slow, type Provider } from '@blk/driver-conformance';
import { raw } from '../src/index.js';

driverConformance({ name: 'raw', sizeGranularity: 1, asynchronous: true, size: 500_000, provision: inMemory(raw) });

/** A raw image in the middle of other data, which has to stay as it is. */
function within(offset: number, fixed: boolean, alignment = 1): Provider {
  return async ({ size, seed, asynchronous }) => {
    const content = prng(seed).bytes(offset + size + (fixed ? 70_000 : 0));
    const around = content.slice();
    const disk = new MemoryDisk({ content, limits: { alignment } });
    if (asynchronous) disk.use(slow(seed));
    return {
      drivers: [new MemoryDisks().driver, raw],
      definition: { driver: 'raw', offset, ...(fixed ? { size } : {}), file: { ...disk.definition, discard: 'unmap' } },
      content: content.slice(offset, offset + size),
      dispose: () => {
        const after = disk.toBytes();
        if (Buffer.compare(after.subarray(0, offset), around.subarray(0, offset)) !== 0) throw new Error('bytes before the image changed');
        if (fixed && Buffer.compare(after.subarray(offset + size), around.subarray(offset + size)) !== 0) {
          throw new Error('bytes after the image changed');
        }
      },
    };
  };
}

const size = 400_384;
driverConformance({ name: 'raw at an odd offset', size, sizeGranularity: 1, asynchronous: true, histories: 3, provision: within(12_345, false) });
driverConformance({ name: 'raw with offset and size', size, asynchronous: true, histories: 3, provision: within(65_536, true) });
driverConformance({ name: 'raw at an odd offset of a disk with sectors', size, asynchronous: true, histories: 3, provision: within(100, true, 512) });
driverConformance({ name: 'raw on a disk with sectors', size, asynchronous: true, histories: 3, provision: within(1024, true, 512) });
