import { openImage } from '@blk/core-graph';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { raw } from '../src/index.js';

it('does what the README shows', async () => {
  const disks = new MemoryDisks();
  const disk = disks.put('disk.img', { size: 2 ** 21 });
  const file = { ...disks.driver, name: 'file' };
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, file, raw })).toEqual([[524288, 'boot']]);
  expect(Buffer.from(disk.toBytes().subarray(1048576, 1048580)).toString()).toBe('boot');
});
