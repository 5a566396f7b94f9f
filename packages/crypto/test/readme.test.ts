import { BlockGraph } from '@blk/core-graph';
import { runReadmeExample } from '@blk/driver-conformance';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SecretStore } from '../src/index.js';

it('does what the README shows', async () => {
  expect(await runReadmeExample(join(import.meta.dirname, '..'), { BlockGraph, SecretStore })).toEqual([['letmein']]);
});
