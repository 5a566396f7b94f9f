import { join } from 'node:path';
import { BlockGraph, openImage } from '@blk/core-graph';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { qcow2 } from '../src/index.js';

test('does what the README shows', async () => {
  const disks = new MemoryDisks();
  const disk = disks.put('disk.qcow2');
  await new BlockGraph({ drivers: [disks.driver, qcow2] }).create('memory:disk.qcow2', { format: 'qcow2', size: 4 << 20 });
  // The same disk under the name that the example uses.
  const file = { ...disks.driver, name: 'file', probePath: () => 50 };
  const logged = await runReadmeExample(join(import.meta.dirname, '..'), { openImage, file, qcow2 });
  expect(logged).toEqual([[4 << 20, 'hello']]);
  expect(disk.size).toBeGreaterThan(0);
});
