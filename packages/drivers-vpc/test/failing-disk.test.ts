/** A disk that fails now and then, or from some moment on, under requests at the same places: the image holds what it may, and the reference reads the same. */
import { proveFailingDisk, saveDisk, type MemoryDisk } from '@blk/driver-conformance';
import { expectContent, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img');

describe.skipIf(oracle.skip)(oracle.title('a failing disk'), () => {
  test.each([[1, 'dynamic'], [2, 'dynamic'], [3, 'fixed']])('leaves nothing but what was asked for, seed %i, %s', async (seed, subformat) => {
    using dir = tempDir();
    const bench = new Bench();
    const look = async (disk: MemoryDisk, content: Uint8Array): Promise<void> => {
      saveDisk(disk, dir.file('image'));
      await expectContent(dir.file('image'), 'vpc', content);
    };
    const disk = await bench.create(5 << 19, { subformat, force_size: true });
    const failures = await proveFailingDisk({ ...bench.subject(), look }, disk, { seed, rounds: 20, longest: 80_000 });
    expect(failures).toBeGreaterThan(5);
  });
});
