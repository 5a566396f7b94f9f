import { driverConformance, inMemory, MemoryDisk, slow, type Provider } from '@blk/driver-conformance';
import type { BlockDriver } from '@blk/core-graph';
import { blkverify } from '../src/index.js';
import { FORMATS } from './support.js';

function verified(format: BlockDriver, create: Record<string, unknown>): Provider {
  const provide = inMemory(format, { create, drivers: [blkverify] });
  return async (request) => {
    const { definition, ...rest } = await provide(request);
    const raw = new MemoryDisk({ size: request.size });
    if (request.asynchronous) raw.use(slow(request.seed + 1));
    return { ...rest, definition: { driver: 'blkverify', test: { discard: 'unmap', ...definition }, raw: raw.definition } };
  };
}

for (const [format, create, size] of FORMATS) {
  driverConformance({ name: `blkverify of ${format.name}`, asynchronous: true, histories: 1, steps: 18, size, provision: verified(format, create) });
}
