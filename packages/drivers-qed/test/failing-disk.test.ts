/** A disk that fails now and then, or from some moment on, under requests at the same places: the image holds what it may, and the reference reads the same. */
import { proveFailingDisk, saveDisk, type MemoryDisk } from '@blk/driver-conformance';
import { expectContent, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img');

describe.skipIf(oracle.skip)(oracle.title('a failing disk'), () => {
  test.each([1, 2])('leaves nothing but what was asked for, seed %i', async (seed) => {
    using dir = tempDir();
    const bench = new Bench();
    const look = async (disk: MemoryDisk, content: Uint8Array): Promise<void> => {
      saveDisk(disk, dir.file('image'));
      // Clusters that nobody uses may be left, nothing else.
      expect((await qemuImg('check', '-f', 'qed', dir.file('image'))).code % 3).toBe(0);
      await expectContent(dir.file('image'), 'qed', content);
    };
    const disk = await bench.create(1 << 20, { cluster_size: 4096, table_size: 2 });
    const failures = await proveFailingDisk({ ...bench.subject(), look }, disk, { seed, rounds: 20, longest: 40_000 });
    expect(failures).toBeGreaterThan(5);
  });
});
