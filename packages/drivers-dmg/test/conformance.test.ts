import { driverConformance, MemoryDisk, MemoryDisks, slow, type Provider } from '@blk/driver-conformance';
import { dmgContent, dmgImage, type DmgOptions } from '@blk/image-writers';
import { dmg } from '../src/index.js';
import { mixture } from './support.js';

const image = (options: DmgOptions, cache?: number): Provider => ({ size, seed, asynchronous }) => {
  const partitions = mixture(seed, size / 512);
  const disks = new MemoryDisks();
  const disk = new MemoryDisk({ content: dmgImage(partitions, options) });
  if (asynchronous) disk.use(slow(seed));
  const further = cache === undefined ? {} : { 'cache-size': cache };
  return Promise.resolve({ drivers: [disks.driver, dmg], definition: { driver: 'dmg', file: disk.definition, 'read-only': true, ...further }, content: dmgContent(partitions) });
};

const size = 500 * 1024 + 512;
driverConformance({ name: 'dmg', asynchronous: true, histories: 3, size, provision: image({}) });
driverConformance({
  name: 'dmg with a resource fork, bytes around it, and hardly a cache', asynchronous: true, histories: 2, size,
  provision: image({ resourceFork: true, before: new Uint8Array(777), behind: new Uint8Array(100) }, 40_000),
});
