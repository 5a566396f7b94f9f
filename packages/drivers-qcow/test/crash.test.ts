/** Power cuts: at any moment the image opens, and what was flushed is there. */
import { MemoryDisk, provePowerCuts, saveDisk } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, test } from 'vitest';
import { Bench, checkBytes } from './support.js';

const oracle = skipUnless('qemu-img');

test.each([false, true])('requests late and several at a time: %s', async (late) => {
  for (let seed = 1; seed <= 3; seed++) {
    const bench = new Bench();
    const size = 1 << 20;
    const below = seed === 1 ? { backing: null } : { backing: { driver: 'raw', file: new MemoryDisk({ content: new Uint8Array(size).fill(7) }).definition } };
    const options = seed === 1 ? {} : { backing_file: 'below', backing_fmt: 'raw' };
    await bench.graph.create('memory:image', { format: 'qcow', size, options, unsafe: true });
    await provePowerCuts(bench.subject(checkBytes, below), bench.disks.get('image'), { seed, cuts: 25, steps: 50, longest: 24 << 10, late, initial: () => (seed === 1 ? 0 : 7) });
  }
});

describe.skipIf(oracle.skip)(oracle.title('with the reference looking on'), () => {
  test('it reads all of it', async () => {
    using dir = tempDir();
    const bench = new Bench();
    let looked = 0;
    const look = async (left: MemoryDisk): Promise<void> => {
      if (looked++ % 4 !== 0) return;
      saveDisk(left, dir.file('left'));
      const { code, stderr } = await qemuImg('convert', '-f', 'qcow', '-O', 'raw', dir.file('left'), dir.file('raw'));
      if (code !== 0) throw new Error(stderr);
    };
    await provePowerCuts(bench.subject(look), await bench.create(4 << 20), { seed: 7, cuts: 16, steps: 25, longest: 3 << 18 });
  });
});
