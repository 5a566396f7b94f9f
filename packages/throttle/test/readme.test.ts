import { runReadmeExample } from '@blk/driver-conformance';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ThrottleGroup, ThrottleMember, UNLIMITED } from '../src/index.js';

it('does what the README shows', async () => {
  const lines = await runReadmeExample(join(import.meta.dirname, '..'), { ThrottleGroup, ThrottleMember, UNLIMITED });
  expect(lines).toEqual([['backups', 0]]);
});
