import { driverConformance, MemoryDisk, MemoryDisks, slow, type Provider } from '@blk/driver-conformance';
import { bochsImage, type BochsOptions } from '@blk/image-writers';
import { bochs } from '../src/index.js';
import { sampleBytes } from './support.js';

const image = (options: BochsOptions): Provider => ({ size, seed, asynchronous }) => {
  const content = sampleBytes(seed, size);
  const disks = new MemoryDisks();
  const disk = new MemoryDisk({ content: bochsImage(content, options) });
  if (asynchronous) disk.use(slow(seed));
  return Promise.resolve({ drivers: [disks.driver, bochs], definition: { driver: 'bochs', file: disk.definition, 'read-only': true }, content });
};

driverConformance({ name: 'bochs', asynchronous: true, histories: 3, provision: image({}) });
driverConformance({
  name: 'bochs, version 1, small extents in another order', asynchronous: true, histories: 2,
  provision: image({ version: 1, extentSize: 4096, bitmapSize: 600, headerSize: 1024, order: (extents) => [...extents].reverse() }),
});
