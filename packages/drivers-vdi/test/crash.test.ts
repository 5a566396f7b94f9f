/** Power cuts: at any moment the image opens, no block is used twice or uncounted, and what was flushed is there. */
import { provePowerCuts, saveDisk, type MemoryDisk } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, test } from 'vitest';
import { checkVdiBytes } from './judge.js';
import { Bench, handMade } from './support.js';

const oracle = skipUnless('qemu-img');
const FREE = 0xffff_ffff;

test.each([false, true])('small blocks, requests late and several at a time: %s', async (late) => {
  for (let seed = 1; seed <= 4; seed++) {
    const disk = handMade(300 * 4608, 4608, new Array<number>(300).fill(FREE));
    await provePowerCuts(new Bench().subject(checkVdiBytes), disk, { seed, cuts: 25, steps: 50, longest: 9 * 4608, late });
  }
});

describe.skipIf(oracle.skip)(oracle.title('with the reference looking on'), () => {
  test.each([{}, { static: true }])('%o', async (options) => {
    using dir = tempDir();
    const bench = new Bench();
    let looked = 0;
    const look = async (left: MemoryDisk): Promise<void> => {
      checkVdiBytes(left);
      if (looked++ % 6 !== 0) return;
      saveDisk(left, dir.file('left'));
      const { code, stderr } = await qemuImg('check', '-f', 'vdi', dir.file('left'));
      // The header may count blocks that nothing refers to, and nothing else.
      const others = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('ERROR: allocated blocks mismatch'));
      if ((code !== 0 && code !== 2) || others.length > 0) throw new Error(stderr);
    };
    await provePowerCuts(bench.subject(look), await bench.create(4 << 20, options), { seed: 7, cuts: 12, steps: 25, longest: 3 << 19 });
  });
});
