import { join } from 'node:path';
import { BlockGraph, openImage } from '@blk/core-graph';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { qcow } from '../src/index.js';

test('does what the README shows', async () => {
  const disks = new MemoryDisks();
  disks.put('disk.qcow');
  await new BlockGraph({ drivers: [disks.driver, qcow] }).create('memory:disk.qcow', { format: 'qcow', size: 4 << 20 });
  const file = { ...disks.driver, name: 'file' };
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, file, qcow })).toEqual([[4 << 20, 'hello']]);
});
