import { join } from 'node:path';
import { openImage } from '@blk/core-graph';
import { MemoryDisk, MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { cloopImage } from '@blk/image-writers';
import { expect, test } from 'vitest';
import { cloop } from '../src/index.js';

test('does what the README shows', async () => {
  const disks = new MemoryDisks();
  const content = new Uint8Array(1 << 20).fill(97, 4096, 8192);
  disks.put('disk.cloop', new MemoryDisk({ content: cloopImage(content) }));
  const file = { ...disks.driver, name: 'file' };
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, file, cloop })).toEqual([[1 << 20, 'aaaaa']]);
});
