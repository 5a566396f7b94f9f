import { BlockGraph, openImage } from '@blk/core-graph';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { vhdx } from '../src/index.js';

it('does what the README shows', async () => {
  const disks = new MemoryDisks();
  disks.put('disk.vhdx');
  await new BlockGraph({ drivers: [disks.driver, vhdx] }).create('memory:disk.vhdx', { format: 'vhdx', size: 1 << 20 });
  const file = { ...disks.driver, name: 'file' };
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, file, vhdx })).toEqual([[1048576, 'stored']]);
});
