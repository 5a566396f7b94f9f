import { join } from 'node:path';
import { openImage } from '@blk/core-graph';
import { MemoryDisk, MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { bochsImage } from '@blk/image-writers';
import { expect, test } from 'vitest';
import { bochs } from '../src/index.js';

test('does what the README shows', async () => {
  const disks = new MemoryDisks();
  disks.put('disk.bochs', new MemoryDisk({ content: bochsImage(new Uint8Array(1 << 20).fill(97, 4096, 8192)) }));
  const file = { ...disks.driver, name: 'file' };
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, file, bochs })).toEqual([[1 << 20, 'aaaaa']]);
});
