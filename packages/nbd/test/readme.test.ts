import { join } from 'node:path';
import { BlockGraph } from '@blk/core-graph';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { expect, it } from 'vitest';
import { NbdServer } from '../src/index.js';

it('does what the README shows', async () => {
  const disks = new MemoryDisks();
  disks.put('disk.img', { size: 2 ** 20 });
  const file = { ...disks.driver, name: 'file' };
  const logged = await runReadmeExample(join(import.meta.dirname, '..'), { BlockGraph, file, NbdServer });
  expect(logged).toEqual([[expect.stringMatching(/^nbd:\/\/127\.0\.0\.1:\d+\/disk$/)]]);
});
