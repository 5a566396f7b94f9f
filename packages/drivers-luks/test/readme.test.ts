import { BlockGraph, openImage } from '@blk/core-graph';
import { SecretStore } from '@blk/crypto';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { luks } from '../src/index.js';
import { secrets } from './support.js';

it('does what the README shows', async () => {
  const disks = new MemoryDisks();
  disks.put('disk.luks');
  await new BlockGraph({ drivers: [disks.driver, luks], secrets }).create('memory:disk.luks', {
    format: 'luks',
    size: 1 << 20,
    options: { 'key-secret': 'sec0', 'iter-time': 0 },
  });
  const file = { ...disks.driver, name: 'file' };
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, SecretStore, file, luks })).toEqual([[1048576, 'sealed']]);
});
