import { join } from 'node:path';
import { defineDriver, openImage } from '@blk/core-graph';
import { MemoryDisk, MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import * as names from '../src/index.js';

test('does what the README shows', async () => {
  const blob = new MemoryDisks().driver;
  const blobSource = (disk: MemoryDisk): object => disk.definition;
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { ...names, blob, blobSource, defineDriver, MemorySource: MemoryDisk, openImage })).toEqual([['hello']]);
});
