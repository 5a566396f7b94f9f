import { writeFileSync } from 'node:fs';
import { prng, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { oursIn, reference } from './img-support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(oracle.skip)(oracle.title('VHD images on the command line'), () => {
  test.each(['subformat=dynamic', 'subformat=fixed', 'force_size=on'])('created, described, mapped, converted both ways: %s', async (options) => {
    using mine = tempDir();
    using theirs = tempDir();
    const both = async (words: readonly string[]): Promise<void> => {
      expect(await oursIn(words, mine.path), words.join(' ')).toEqual(await reference(words, theirs.path));
    };
    await both(['create', '-f', 'vpc', '-o', options, 'a.vhd', '10M']);
    const content = Buffer.alloc(10 << 20);
    content.set(prng(1).bytes(300_000), 3 << 20);
    for (const dir of [mine, theirs]) writeFileSync(dir.file('plain'), content);
    await both(['convert', '-f', 'raw', '-O', 'vpc', '-o', options, 'plain', 'b.vhd']);
    for (const style of ['human', 'json']) for (const file of ['a.vhd', 'b.vhd']) {
      const shown = async (run: typeof oursIn, dir: string): Promise<string> =>
        (await run(['info', `--output=${style}`, '--image-opts', `driver=vpc,file.filename=${file}`], dir)).stdout.replace(/(disk size|"actual-size").*/, '');
      expect(await shown(oursIn, mine.path)).toBe(await shown(reference, theirs.path));
    }
    // The reference writes zeroes at the beginning of a new file, so that the host's block size shows.
    if (options !== 'subformat=fixed') await both(['map', '--output=json', '-f', 'vpc', 'a.vhd']);
    await both(['compare', '-f', 'raw', '-F', 'vpc', 'plain', 'b.vhd']);
    for (const run of [oursIn, reference]) expect(await run(['compare', '-f', 'vpc', '-F', 'vpc', `${mine.path}/b.vhd`, `${theirs.path}/b.vhd`], mine.path)).toMatchObject({ code: 0 });
    await both(['check', '-f', 'vpc', 'a.vhd']);
    await both(['resize', '-f', 'vpc', 'a.vhd', '+1M']);
  });

  test.each([
    [['create', '-f', 'vpc', '-o', 'help']],
    [['create', '-f', 'vpc', '-o', 'subformat=foo', 'x', '1M']],
    [['create', '-f', 'vpc', '-o', 'foo=1', 'x', '1M']],
    [['create', '-f', 'vpc', 'x', '3T']],
    [['create', '-f', 'vpc', '-b', 'y', '-F', 'raw', 'x', '1M']],
    [['convert', '-c', '-O', 'vpc', 'y', 'x']],
    [['info', '-f', 'vpc', 'y']],
    [['measure', '-O', 'vpc', '--size', '1M']],
  ])('%j', async (words) => {
    using mine = tempDir();
    using theirs = tempDir();
    for (const dir of [mine, theirs]) writeFileSync(dir.file('y'), Buffer.alloc(1 << 20));
    expect(await oursIn(words, mine.path)).toEqual(await reference(words, theirs.path));
  });
});
