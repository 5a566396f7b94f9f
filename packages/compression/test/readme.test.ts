import { runReadmeExample } from '@blk/driver-conformance';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { deflateRaw, deflateZstd, inflateRaw, inflateRawInto, inflateZstd } from '../src/index.js';

it('does what the README shows', async () => {
  const lines = await runReadmeExample(join(import.meta.dirname, '..'), { deflateRaw, deflateZstd, inflateRaw, inflateRawInto, inflateZstd });
  expect(lines).toEqual([[expect.any(Number), 65536], [7], [65536]]);
  expect(Number(lines[0][0])).toBeLessThan(1000);
});
