/** The README's example, run as it stands there. */
import { join } from 'node:path';
import { chdir, cwd } from 'node:process';
import { BlockGraph } from '@blk/core-graph';
import { runReadmeExample } from '@blk/driver-conformance';
import { file } from '@blk/drivers-file';
import { qcow2 } from '@blk/drivers-qcow2';
import { tempDir } from '@blk/oracle';
import { expect, it } from 'vitest';
import { Jobs, startStream } from '../src/index.js';

it('the example does what it says', async () => {
  using dir = tempDir();
  const here = cwd();
  chdir(dir.path);
  try {
    const logged = await runReadmeExample(join(import.meta.dirname, '..'), { BlockGraph, file, qcow2, Jobs, startStream });
    expect(logged.slice(-2)).toEqual([['concluded', 2 ** 20, 2 ** 20], [true]]);
  } finally {
    chdir(here);
  }
});
