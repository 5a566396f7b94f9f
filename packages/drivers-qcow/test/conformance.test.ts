import { BlockGraph } from '@blk/core-graph';
import { driverConformance, inMemory, MemoryDisk, MemoryDisks, prng, slow, type Provider } from '@blk/driver-conformance';
import { qcow } from '../src/index.js';
import { ENCRYPTED, KEY, plain } from './support.js';

const secrets = (): Uint8Array => new TextEncoder().encode('open sesame');
driverConformance({ name: 'qcow', asynchronous: true, histories: 3, provision: inMemory(qcow) });
driverConformance({ name: 'qcow, encrypted', asynchronous: true, histories: 2, provision: inMemory(qcow, { create: ENCRYPTED, open: KEY, secrets }) });

/** Over a backing file, which may be shorter or longer. */
const overlay: Provider = async ({ size, seed, asynchronous }) => {
  const disks = new MemoryDisks();
  const drivers = [disks.driver, qcow, plain];
  const below = prng(seed).bytes(seed % 2 === 0 ? Math.floor(size / 2) + 100 : size + 20_000);
  const create = { ...(seed % 3 === 0 ? ENCRYPTED : {}), backing_file: 'below', backing_fmt: 'raw' };
  await new BlockGraph({ drivers, secrets }).create('memory:image', { format: 'qcow', size, options: create, unsafe: true });
  const disk = disks.get('image');
  const content = new Uint8Array(size);
  content.set(below.subarray(0, size));
  if (asynchronous) disk.use(slow(seed));
  const backing = { driver: 'raw', file: new MemoryDisk({ content: below }).definition };
  return { drivers, definition: { driver: 'qcow', file: { ...disk.definition, discard: 'unmap' }, backing, ...(seed % 3 === 0 ? KEY : {}) }, content, secrets };
};
driverConformance({ name: 'qcow over a backing file', asynchronous: true, histories: 4, size: 300 * 1024 + 512, provision: overlay });
