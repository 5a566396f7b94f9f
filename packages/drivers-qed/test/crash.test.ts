/** Power cuts: at any moment the image opens, and what was flushed is there. */
import { MemoryDisk, provePowerCuts, saveDisk } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img');

test.each([false, true])('requests late and several at a time: %s', async (late) => {
  for (let seed = 1; seed <= 3; seed++) {
    const bench = new Bench();
    const size = 1 << 20;
    const below = seed === 1 ? {} : { backing: { driver: 'raw', file: new MemoryDisk({ content: new Uint8Array(size).fill(7) }).definition } };
    const look = async (left: MemoryDisk): Promise<void> => {
      const { result } = await bench.check(left);
      if (result.corruptions > 0) throw new Error(`${result.corruptions} corruptions`);
    };
    const disk = await bench.create(size, { cluster_size: 4096, table_size: 1 });
    await provePowerCuts(bench.subject(look, below), disk, { seed, cuts: 25, steps: 50, longest: 48 << 10, late, initial: () => (seed === 1 ? 0 : 7) });
  }
});

describe.skipIf(oracle.skip)(oracle.title('with the reference looking on'), () => {
  test('it finds nothing but leaks', async () => {
    using dir = tempDir();
    const bench = new Bench();
    let looked = 0;
    const look = async (left: MemoryDisk): Promise<void> => {
      if (looked++ % 4 !== 0) return;
      saveDisk(left, dir.file('left'));
      const { code, stdout, stderr } = await qemuImg('check', '-f', 'qed', dir.file('left'));
      if (code !== 0 && code !== 3) throw new Error(stdout + stderr);
    };
    await provePowerCuts(bench.subject(look), await bench.create(4 << 20), { seed: 7, cuts: 16, steps: 25, longest: 3 << 18 });
  });
});

test('while it is written to, an image asks for a check; closed, it does not', async () => {
  const bench = new Bench();
  const disk = await bench.create(4 << 20);
  const features = (): number => disk.toBytes()[16];
  const node = await bench.open(disk);
  await node.write(0, new Uint8Array(512).fill(1), 0, 512);
  await node.flush();
  expect(features()).toBe(2);
  await bench.graph.release(node);
  expect(features()).toBe(0);
});
