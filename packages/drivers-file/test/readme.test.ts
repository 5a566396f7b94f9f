import { openImage } from '@blk/core-graph';
import { runReadmeExample } from '@blk/driver-conformance';
import { tempDir } from '@blk/oracle';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { file } from '../src/index.js';

it('does what the README shows', async () => {
  using dir = tempDir();
  const before = process.cwd();
  process.chdir(dir.path);
  try {
    writeFileSync('disk.img', Buffer.alloc(2 ** 20, 1));
    expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, file })).toEqual([[1048576, 'hello']]);
    expect(readFileSync('disk.img').subarray(65536, 131072).every((byte) => byte === 0)).toBe(true);
  } finally {
    process.chdir(before);
  }
});
