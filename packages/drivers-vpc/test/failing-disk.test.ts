/** A disk that fails now and then, or from some moment on, under requests at the same places: the image holds what it may, and the reference reads the same. */
import { MemoryDisk, proveFailingDisk, proveFlushAgain, saveDisk } from '@blk/driver-conformance';
import { expectContent, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, differencing } from './support.js';

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

test('a flush that failed anywhere is made good by the next', async () => {
  const bench = new Bench();
  const disk = await bench.create(8 << 20, { force_size: true });
  const then = [[1000, 100, 2], [2 << 20, 70_000, 3], [6 << 20, 100, 4]] as const;
  // The bitmaps of three blocks, the footer, three entries, and two flushes.
  expect(await proveFlushAgain(bench.subject(), disk, { before: [], then })).toBeGreaterThanOrEqual(7);
});

describe('differencing disks', () => {
  test('a flush that failed anywhere is made good by the next', async () => {
    const bench = new Bench();
    const parent = await bench.create(1 << 20, { subformat: 'fixed', force_size: true }, 'parent');
    parent.content.write(0, new Uint8Array(1 << 20).fill(9), 0, 1 << 20);
    const disk = new MemoryDisk({ content: differencing(parent.toBytes(), 'parent') });
    const subject = bench.subject(undefined, { backing: { driver: 'vpc', file: parent.definition } });
    // A block that is there and gets more sectors, and two new ones.
    const changes = await proveFlushAgain(subject, disk, { before: [[512, 1024, 1]], then: [[4096, 512, 2], [70_000, 2000, 3], [500_000, 100, 4]] });
    expect(changes).toBeGreaterThanOrEqual(7);
  });

  test.each([4, 5])('leave nothing but what was asked for, seed %i', async (seed) => {
    const bench = new Bench();
    const size = 5 << 19;
    const parent = await bench.create(size, { subformat: 'fixed', force_size: true }, 'parent');
    parent.content.write(0, new Uint8Array(size).fill(9), 0, size);
    const disk = new MemoryDisk({ content: differencing(parent.toBytes(), 'parent') });
    const subject = { ...bench.subject(undefined, { backing: { driver: 'vpc', file: parent.definition } }), look: () => undefined };
    expect(await proveFailingDisk(subject, disk, { seed, rounds: 20, longest: 80_000, initial: 9 })).toBeGreaterThan(5);
  });
});
