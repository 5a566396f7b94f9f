import { join } from 'node:path';
import { BlockGraph, openImage } from '@blk/core-graph';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { qed } from '../src/index.js';

test('does what the README shows', async () => {
  const disks = new MemoryDisks();
  disks.put('disk.qed');
  await new BlockGraph({ drivers: [disks.driver, qed] }).create('memory:disk.qed', { format: 'qed', size: 4 << 20 });
  const file = { ...disks.driver, name: 'file' };
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, file, qed })).toEqual([[4 << 20, 'hello']]);
});
