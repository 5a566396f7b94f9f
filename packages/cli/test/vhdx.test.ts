import { writeFileSync } from 'node:fs';
import { prng, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { oursIn, reference } from './img-support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(oracle.skip)(oracle.title('VHDX images on the command line'), () => {
  test.each(['subformat=dynamic', 'subformat=fixed', 'block_size=1M,log_size=2M'])('created, described, checked, converted both ways: %s', async (options) => {
    using mine = tempDir();
    using theirs = tempDir();
    const both = async (words: readonly string[]): Promise<void> => {
      expect(await oursIn(words, mine.path), words.join(' ')).toEqual(await reference(words, theirs.path));
    };
    await both(['create', '-f', 'vhdx', '-o', options, 'a.vhdx', '10M']);
    const content = Buffer.alloc(10 << 20);
    content.set(prng(1).bytes(300_000), 3 << 20);
    for (const dir of [mine, theirs]) writeFileSync(dir.file('plain'), content);
    await both(['convert', '-f', 'raw', '-O', 'vhdx', '-o', options, 'plain', 'b.vhdx']);
    for (const style of ['human', 'json']) for (const file of ['a.vhdx', 'b.vhdx']) {
      const shown = async (run: typeof oursIn, dir: string): Promise<string> =>
        (await run(['info', `--output=${style}`, file], dir)).stdout.replace(/(disk size|"actual-size").*/, '');
      expect(await shown(oursIn, mine.path)).toBe(await shown(reference, theirs.path));
    }
    await both(['compare', '-f', 'raw', '-F', 'vhdx', 'plain', 'b.vhdx']);
    for (const run of [oursIn, reference]) expect(await run(['compare', '-f', 'vhdx', '-F', 'vhdx', `${mine.path}/b.vhdx`, `${theirs.path}/b.vhdx`], mine.path)).toMatchObject({ code: 0 });
    await both(['check', '-f', 'vhdx', 'b.vhdx']);
    await both(['check', '-r', 'all', '-f', 'vhdx', 'b.vhdx']);
    await both(['resize', '-f', 'vhdx', 'a.vhdx', '+1M']);
  });

  test.each([
    [['create', '-f', 'vhdx', '-o', 'help']],
    [['create', '-f', 'vhdx', '-o', 'subformat=foo', 'x', '1M']],
    [['create', '-f', 'vhdx', '-o', 'block_size=3M', 'x', '1M']],
    [['create', '-f', 'vhdx', '-o', 'log_size=5G', 'x', '1M']],
    [['create', '-f', 'vhdx', 'x', '65T']],
    [['create', '-f', 'vhdx', '-b', 'y', '-F', 'raw', 'x', '1M']],
    [['convert', '-c', '-O', 'vhdx', 'y', 'x']],
    [['measure', '-O', 'vhdx', '--size', '1M']],
  ])('%j', async (words) => {
    using mine = tempDir();
    using theirs = tempDir();
    for (const dir of [mine, theirs]) writeFileSync(dir.file('y'), Buffer.alloc(1 << 20));
    expect(await oursIn(words, mine.path)).toEqual(await reference(words, theirs.path));
  });
});
