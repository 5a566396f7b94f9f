/** A disk that fails now and then, or from some moment on, under requests at the same places: the image holds what it may, and the reference reads the same. */
import { proveFailingDisk, proveFlushAgain, saveDisk, type MemoryDisk } from '@blk/driver-conformance';
import { expectContent, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img');

describe.skipIf(oracle.skip)(oracle.title('a failing disk'), () => {
  test.each([[1, true], [2, false]])('leaves nothing but what was asked for, seed %i, blocks begin as zeroes: %s', async (seed, zero) => {
    using dir = tempDir();
    const bench = new Bench();
    const look = async (disk: MemoryDisk, content: Uint8Array): Promise<void> => {
      saveDisk(disk, dir.file('image'));
      // A log that is there to be replayed, after an end that failed.
      expect(await qemuImg('check', '-r', 'all', '-f', 'vhdx', dir.file('image'))).toMatchObject({ code: 0 });
      await expectContent(dir.file('image'), 'vhdx', content);
    };
    const disk = await bench.create(2 << 20, { block_size: 1 << 20, block_state_zero: zero });
    const failures = await proveFailingDisk({ ...bench.subject(), look }, disk, { seed, rounds: 20, longest: 80_000 });
    expect(failures).toBeGreaterThan(5);
  });
});

test.each([{ before: [] }, { before: [[0, 5000, 1]] }] as const)('a flush that failed anywhere is made good by the next, over %o', async ({ before }) => {
  const bench = new Bench();
  const disk = await bench.create(5 << 20, { block_size: 1 << 20 });
  const changes = await proveFlushAgain(bench.subject(), disk, { before, then: [[1000, 100, 2], [2 << 20, 70_000, 3], [4 << 20, 100, 4]] });
  // The size of the file, the data, the log entry, the header, the table, and a flush behind each.
  expect(changes).toBeGreaterThanOrEqual(8);
});
