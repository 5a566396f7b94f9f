import { join } from 'node:path';
import { BlockGraph, Backend } from '@blk/core-graph';
import { MemoryDisk, MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import * as names from '../src/index.js';

test('does what the README shows', async () => {
  const disks = new MemoryDisks();
  const graph = new BlockGraph({ drivers: [disks.driver] });
  const node = await graph.open(new MemoryDisk({ size: 512 }).definition);
  const file = Backend.over(graph, node, { description: 'example', writable: true, resizable: true }).edge;
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { ...names, file })).toEqual([['hello']]);
});
