import { join } from 'node:path';
import { BlockGraph, openImage } from '@blk/core-graph';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { vmdk } from '../src/index.js';

test('does what the README shows', async () => {
  const disks = new MemoryDisks();
  disks.put('disk.vmdk');
  await new BlockGraph({ drivers: [disks.driver, vmdk] }).create('memory:disk.vmdk', { format: 'vmdk', size: 4 << 20 });
  const file = { ...disks.driver, name: 'file' };
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, file, vmdk })).toEqual([[4 << 20, 'hello']]);
});
