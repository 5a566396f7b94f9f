import { driverConformance, MemoryDisk, MemoryDisks, slow, type Provider } from '@blk/driver-conformance';
import { cloopImage, sampleContent } from '@blk/image-writers';
import { cloop } from '../src/index.js';

const image = (blockSize: number, cache?: number): Provider => ({ size, seed, asynchronous }) => {
  const content = new Uint8Array(Math.ceil(size / blockSize) * blockSize);
  content.set(sampleContent(seed, size));
  const disks = new MemoryDisks();
  const disk = new MemoryDisk({ content: cloopImage(content, { blockSize, level: 1 }) });
  if (asynchronous) disk.use(slow(seed));
  const options = cache === undefined ? {} : { 'cache-size': cache };
  return Promise.resolve({ drivers: [disks.driver, cloop], definition: { driver: 'cloop', file: disk.definition, 'read-only': true, ...options }, content });
};

driverConformance({ name: 'cloop', asynchronous: true, histories: 3, provision: image(65536) });
driverConformance({ name: 'cloop in odd blocks with hardly a cache', asynchronous: true, histories: 2, provision: image(512 * 37, 30_000) });
driverConformance({ name: 'cloop in one block', asynchronous: true, histories: 2, provision: image(2 << 20) });
