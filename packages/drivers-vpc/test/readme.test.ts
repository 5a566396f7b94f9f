import { BlockGraph, openImage } from '@blk/core-graph';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { vpc } from '../src/index.js';

it('does what the README shows', async () => {
  const disks = new MemoryDisks();
  disks.put('disk.vhd');
  await new BlockGraph({ drivers: [disks.driver, vpc] }).create('memory:disk.vhd', { format: 'vpc', size: 1 << 20, options: { force_size: true } });
  const file = { ...disks.driver, name: 'file' };
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, file, vpc })).toEqual([[1048576, 'stored']]);
});
