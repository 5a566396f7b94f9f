import { openImage } from '@blk/core-graph';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { raw } from '@blk/drivers-raw';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { blkdebug } from '../src/index.js';

it('does what the README shows', async () => {
  const disks = new MemoryDisks();
  disks.put('disk.img', { size: 65536 });
  const logged = await runReadmeExample(join(import.meta.dirname, '..'), { openImage, blkdebug, raw, file: { ...disks.driver, name: 'file' } });
  expect(logged).toEqual([['ENOSPC'], [new Uint8Array(4)]]);
});
