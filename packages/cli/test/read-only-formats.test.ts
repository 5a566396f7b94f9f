// Formats that are read and never written: the same commands by both programs, and the same answers.
import { writeFileSync } from 'node:fs';
import { bochsImage, cloopImage, dmgImage } from '@blk/image-writers';
import { prng, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { oursIn, reference } from './img-support.js';

const oracle = skipUnless('qemu-img');
const CONTENT = new Uint8Array(3 << 20);
CONTENT.set(prng(1).bytes(300_000), 1 << 20);

const FORMATS: readonly { readonly format: string; readonly image: Uint8Array; readonly noMap?: boolean; readonly checked?: boolean }[] = [
  { format: 'cloop', image: cloopImage(CONTENT) },
  // Of holes the reference says that they are data.
  { format: 'bochs', image: bochsImage(CONTENT), noMap: true },
  // It warns of modules that it lacks, whatever is in an image, and has no check.
  { format: 'dmg', image: dmgImage([{ chunks: [{ kind: 'zlib', content: CONTENT.subarray(0, 2 << 20) }, { kind: 'raw', content: CONTENT.subarray(2 << 20) }] }]), noMap: true, checked: true },
];

describe.skipIf(oracle.skip).each(FORMATS)(oracle.title('$format on the command line'), ({ format, image, noMap = false, checked = false }) => {
  test.each([
    ['info', '-f', format, 'a'], ['info', 'a'], ['info', '--output=json', 'a'], ...(noMap ? [] : [['map', '-f', format, 'a'], ['map', '--output=json', '-f', format, 'a']]),
    ['compare', '-f', format, '-F', 'raw', 'a', 'plain'], ['convert', '-f', format, '-O', 'raw', 'a', 'b'], ...(checked ? [] : [['check', '-f', format, 'a']]), ['resize', '-f', format, 'a', '8M'],
    ['convert', '-n', '-f', 'raw', '-O', format, 'plain', 'a'], ['create', '-f', format, 'x', '1M'], ['convert', '-f', 'raw', '-O', format, 'plain', 'x'],
    ['create', '-f', format, '-o', 'help'], ['measure', '-O', format, '--size', '1M'], ['info', '-f', format, 'plain'],
    ['snapshot', '-l', 'a'], ['dd', '-f', format, '-O', 'raw', 'bs=1M', 'if=a', 'of=c'],
  ].map((words) => [words]))('%j', async (words) => {
    using mine = tempDir();
    using theirs = tempDir();
    for (const dir of [mine, theirs]) {
      writeFileSync(dir.file('a'), image);
      writeFileSync(dir.file('plain'), CONTENT);
    }
    const same = ({ code, stdout, stderr }: Awaited<ReturnType<typeof reference>>) => ({ code, stderr: stderr.replaceAll(/^qemu: module .*\n/gm, ''), stdout: stdout.replace(/(disk size|"actual-size").*/, '') });
    expect(same(await oursIn(words, mine.path))).toEqual(same(await reference(words, theirs.path)));
    const made = words[0] === 'convert' && words.at(-1) === 'b' ? 'b' : words[0] === 'dd' ? 'c' : undefined;
    if (made !== undefined) {
      expect(await reference(['compare', '-f', 'raw', '-F', 'raw', mine.file(made), theirs.file(made)], mine.path)).toMatchObject({ code: 0 });
    }
  });
});
