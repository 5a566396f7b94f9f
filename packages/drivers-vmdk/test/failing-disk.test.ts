/** A disk that fails now and then, or from some moment on, under requests at the same places: the image holds what it may, and the reference reads the same. */
import { proveFailingDisk, type MemoryDisk } from '@blk/driver-conformance';
import { expectContent, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img');

describe.skipIf(oracle.skip)(oracle.title('a failing disk'), () => {
  test.each([
    [1, {}],
    [2, { zeroed_grain: true }],
    [3, { subformat: 'streamOptimized' }],
    [4, { subformat: 'twoGbMaxExtentSparse' }],
    [5, { subformat: 'monolithicFlat' }],
  ] as const)('leaves nothing but what was asked for, seed %i, %o', async (seed, options) => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(1 << 20, options, 'image.vmdk');
    const extent = 'subformat' in options ? { twoGbMaxExtentSparse: 'image-s001.vmdk', monolithicFlat: 'image-flat.vmdk', streamOptimized: undefined }[options.subformat] : undefined;
    const names = ['image.vmdk', ...(extent === undefined ? [] : [extent])];
    bench.note(...names);
    const look = async (_: MemoryDisk, content: Uint8Array): Promise<void> => {
      bench.save(dir.path);
      const { code, stderr, stdout } = await qemuImg('check', '-f', 'vmdk', dir.file('image.vmdk'));
      if (code !== 0) throw new Error(stderr + stdout);
      await expectContent(dir.file('image.vmdk'), 'vmdk', content);
    };
    const others = names.slice(1).map((name) => bench.disks.get(name));
    const failures = await proveFailingDisk({ ...bench.subject(), look }, disk, { seed, rounds: 15, longest: 60_000, others });
    expect(failures).toBeGreaterThan(5);
  });
});
