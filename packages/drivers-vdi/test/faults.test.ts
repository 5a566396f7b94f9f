/** A disk that fails now and then: a request fails as a whole or is done, and what is tried again succeeds. */
import { expectSameBytes, prng, proveFailingDisk, readAll, saveDisk, slow, type MemoryDisk } from '@blk/driver-conformance';
import { expectContent, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { BlockError } from '@blk/core-graph';
import { describe, expect, test } from 'vitest';
import { checkVdiBytes } from './judge.js';
import { Bench, handMade } from './support.js';

test.each([1, 2, 3, 4, 5, 6])('requests are tried again until they succeed, seed %d', async (seed) => {
  const random = prng(seed);
  const size = 60 * 4096;
  const bench = new Bench();
  const disk = handMade(size, 4096, new Array<number>(60).fill(0xffff_ffff));
  const model = new Uint8Array(size);
  if (seed % 2 === 0) disk.use(slow(seed));
  let failures = 0;
  const tap = disk.use({
    before: ({ verb }) => {
      if (verb === 'read' || random.below(6) > 0) return;
      failures++;
      throw new BlockError('io', 'the disk failed');
    },
  });
  const again = async (work: () => void | Promise<void>): Promise<void> => {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        expect(error).toMatchObject({ message: 'the disk failed' });
      }
    }
  };
  const node = await bench.open(disk);
  const requests: Promise<void>[] = [];
  for (let step = 0; step < 120; step++) {
    // One part of each block for each turn: nothing overlaps what is under way.
    const offset = random.below(60) * 4096 + (step % 8) * 512;
    const bytes = random.bytes(512);
    model.set(bytes, offset);
    requests.push(again(() => node.write(offset, bytes, 0, 512)));
    if (step % 8 === 7) {
      await Promise.all(requests.splice(0));
      await again(() => node.flush());
    }
  }
  expectSameBytes(await readAll(node), model);
  await again(() => node.flush());
  disk.remove(tap);
  checkVdiBytes(disk);
  await bench.graph.release(node);
  const reader = await bench.open(disk, {}, { readOnly: true });
  expectSameBytes(await readAll(reader), model);
  expect(failures).toBeGreaterThan(10);
});

const oracle = skipUnless('qemu-img');

describe.skipIf(oracle.skip)(oracle.title('requests at the same places'), () => {
  test.each([false, true])('leave nothing but what was asked for, blocks of a MiB: %s', async (large) => {
    using dir = tempDir();
    const bench = new Bench();
    const size = large ? 2 << 20 : 200 * 4608;
    const disk = large ? await bench.create(size) : handMade(size, 4608, new Array<number>(200).fill(0xffff_ffff));
    const look = async (left: MemoryDisk, content: Uint8Array): Promise<void> => {
      checkVdiBytes(left);
      // The reference knows blocks of a MiB alone.
      if (!large) return;
      saveDisk(left, dir.file('image'));
      const { stderr } = await qemuImg('check', '-f', 'vdi', dir.file('image'));
      expect(stderr.split('\n').filter((line) => line !== '' && !line.startsWith('ERROR: allocated blocks mismatch'))).toEqual([]);
      await expectContent(dir.file('image'), 'vdi', content);
    };
    const failures = await proveFailingDisk({ ...bench.subject(), look }, disk, { seed: large ? 1 : 2, rounds: 20, longest: 40_000 });
    expect(failures).toBeGreaterThan(5);
  });
});
