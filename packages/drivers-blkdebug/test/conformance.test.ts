import type { BlockDriver } from '@blk/core-graph';
import { driverConformance, inMemory, MemoryDisk, MemoryDisks, slow, type Provider } from '@blk/driver-conformance';
import { qcow2 } from '@blk/drivers-qcow2';
import { blkdebug } from '../src/index.js';
import { FORMATS } from './formats.js';

/** `format` as the image, its disk behind blkdebug. */
function below(format: BlockDriver, options: object, create: Record<string, unknown> = {}): Provider {
  const provide = inMemory(format, { create, drivers: [blkdebug] });
  return async (request) => {
    const { definition, ...rest } = await provide(request);
    return { ...rest, definition: { ...definition, file: { driver: 'blkdebug', discard: 'unmap', image: definition['file'], ...options } } };
  };
}

/** blkdebug as the image, over `format`. */
function above(format: BlockDriver, options: object, create: Record<string, unknown> = {}): Provider {
  const provide = inMemory(format, { create, drivers: [blkdebug] });
  return async (request) => {
    const { definition, ...rest } = await provide(request);
    return { ...rest, definition: { driver: 'blkdebug', image: { discard: 'unmap', ...definition }, ...options } };
  };
}

const PICKY = { align: 4096, 'max-transfer': 65_536, 'opt-write-zero': 8192, 'max-write-zero': 32_768, 'opt-discard': 8192, 'max-discard': 32_768 };

/** A device: one that grows would grow by whole blocks. */
const device: Provider = ({ size, seed, asynchronous }) => {
  const disk = new MemoryDisk({ size, growable: false });
  if (asynchronous) disk.use(slow(seed));
  return Promise.resolve({
    drivers: [new MemoryDisks().driver, blkdebug],
    definition: { driver: 'blkdebug', ...PICKY, image: { ...disk.definition, discard: 'unmap' } },
  });
};

driverConformance({ name: 'blkdebug with limits', asynchronous: true, histories: 3, size: 320 * 4096, sizeGranularity: 4096, provision: device });
driverConformance({ name: 'qcow2 on blkdebug with limits', asynchronous: true, histories: 2, provision: below(qcow2, PICKY, { cluster_size: 4096 }) });
for (const { driver, create, size } of FORMATS) {
  driverConformance({ name: `blkdebug on ${driver.name}`, asynchronous: true, histories: 1, steps: 18, size, provision: above(driver, {}, create) });
  driverConformance({ name: `${driver.name} on blkdebug`, asynchronous: true, histories: 1, steps: 18, size, provision: below(driver, {}, create) });
}
