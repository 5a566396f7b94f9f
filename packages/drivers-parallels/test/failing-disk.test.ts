/** A disk that fails now and then, or from some moment on, under requests at the same places: the image holds what it may, and the reference reads the same. */
import type { BlockNode } from '@blk/core-graph';
import { proveFailingDisk, saveDisk, type MemoryDisk } from '@blk/driver-conformance';
import { expectContent, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img');

describe.skipIf(oracle.skip)(oracle.title('a failing disk'), () => {
  test.each([1, 2])('leaves nothing but what was asked for, seed %i', async (seed) => {
    using dir = tempDir();
    const bench = new Bench();
    // An image that could not be closed is written to only after a repair, which takes nothing away.
    const open = async (disk: MemoryDisk, readOnly: boolean): Promise<BlockNode> => {
      if (!readOnly) await bench.check(disk, 'all');
      return bench.open(disk, {}, { readOnly });
    };
    const look = async (disk: MemoryDisk, content: Uint8Array): Promise<void> => {
      saveDisk(disk, dir.file('image'));
      const { stderr } = await qemuImg('check', '-f', 'parallels', dir.file('image'));
      expect(stderr.split('\n').filter((line) => line !== '' && !/^ERROR (image was not closed|space leaked)/.test(line))).toEqual([]);
      await expectContent(dir.file('image'), 'parallels', content);
    };
    const disk = await bench.create(1 << 20, { cluster_size: 4096 });
    const failures = await proveFailingDisk({ ...bench.subject(), open, look }, disk, { seed, rounds: 20, longest: 40_000 });
    expect(failures).toBeGreaterThan(5);
  });
});
