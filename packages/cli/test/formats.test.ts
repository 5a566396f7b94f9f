// Formats that need no words of their own on the command line: the same commands by both programs, and the same answers.
import { writeFileSync } from 'node:fs';
import { prng, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { oursIn, reference } from './img-support.js';

const oracle = skipUnless('qemu-img');

interface Format {
  readonly format: string;
  /** Stores compressed clusters. */
  readonly compresses?: boolean;
  /** Lists of creation options. */
  readonly options: readonly string[];
  /** Creations that are refused. */
  readonly refused: readonly (readonly string[])[];
}

const FORMATS: readonly Format[] = [
  { format: 'vdi', options: ['static=off', 'static=on'], refused: [['-o', 'static=maybe', 'x', '1M'], ['-o', 'foo=1', 'x', '1M'], ['x', '1000T'], ['-b', 'y', '-F', 'raw', 'x', '1M']] },
  {
    format: 'parallels', options: ['cluster_size=1M', 'cluster_size=65536'],
    refused: [['-o', 'cluster_size=0', 'x', '1M'], ['-o', 'cluster_size=2G', 'x', '1M'], ['-o', 'foo=1', 'x', '1M'], ['x', '4503599627370495'], ['-b', 'y', '-F', 'raw', 'x', '1M']],
  },
  {
    format: 'qed', options: ['cluster_size=64k', 'cluster_size=4096,table_size=2', 'table_size=16'],
    refused: [
      ['-o', 'cluster_size=1000', 'x', '1M'], ['-o', 'table_size=3', 'x', '1M'], ['-o', 'foo=1', 'x', '1M'], ['x', '1P'], ['-b', 'nothing', '-F', 'raw', 'x', '1M'], ['-b', 'y', 'x', '1M'],
    ],
  },
  {
    format: 'qcow', options: ['encryption=off'], compresses: true,
    refused: [['-o', 'foo=1', 'x', '1M'], ['x', '0'], ['-b', 'nothing', '-F', 'raw', 'x', '1M'], ['-b', 'y', 'x', '1M'], ['-o', 'encryption=on', 'x', '1M'], ['-o', 'encrypt.format=luks', 'x', '1M']],
  },
];

describe.skipIf(oracle.skip).each(FORMATS)(oracle.title('$format on the command line'), ({ format, compresses = false, options, refused }) => {
  test.each(options)('created, described, mapped, converted both ways, checked: %s', async (list) => {
    using mine = tempDir();
    using theirs = tempDir();
    const both = async (words: readonly string[]): Promise<void> => {
      expect(await oursIn(words, mine.path), words.join(' ')).toEqual(await reference(words, theirs.path));
    };
    await both(['create', '-f', format, '-o', list, 'a', '10M']);
    const content = Buffer.alloc(10 << 20);
    content.set(prng(1).bytes(300_000), 3 << 20);
    for (const dir of [mine, theirs]) writeFileSync(dir.file('plain'), content);
    await both(['convert', '-f', 'raw', '-O', format, '-o', list, 'plain', 'b']);
    for (const style of ['human', 'json']) for (const file of ['a', 'b']) {
      const shown = async (run: typeof oursIn, dir: string): Promise<string> =>
        (await run(['info', `--output=${style}`, '--image-opts', `driver=${format},file.filename=${file}`], dir)).stdout.replace(/(disk size|"actual-size").*/, '');
      expect(await shown(oursIn, mine.path)).toBe(await shown(reference, theirs.path));
      // Probed as well.
      expect((await oursIn(['info', file], mine.path)).stdout).toContain(`file format: ${format}\n`);
    }
    await both(['map', '--output=json', '-f', format, 'a']);
    await both(['compare', '-f', 'raw', '-F', format, 'plain', 'b']);
    for (const run of [oursIn, reference]) {
      expect(await run(['compare', '-f', format, '-F', format, `${mine.path}/b`, `${theirs.path}/b`], mine.path)).toMatchObject({ code: 0 });
    }
    for (const style of ['human', 'json']) for (const file of ['a', 'b']) await both(['check', '-f', format, `--output=${style}`, file]);
  });

  test.each([
    ['create', '-f', format, '-o', 'help'], ...(compresses ? [] : [['convert', '-c', '-O', format, 'y', 'x']]), ['info', '-f', format, 'y'],
    ['measure', '-O', format, '--size', '1M'], ...refused.map((words) => ['create', '-f', format, ...words]),
  ].map((words) => [words]))('%j', async (words) => {
    using mine = tempDir();
    using theirs = tempDir();
    for (const dir of [mine, theirs]) writeFileSync(dir.file('y'), Buffer.alloc(1 << 20));
    expect(await oursIn(words, mine.path)).toEqual(await reference(words, theirs.path));
  });
});

describe.skipIf(oracle.skip)(oracle.title('vmdk images with odd names'), () => {
  test.each([
    ['a:b', 'monolithicFlat'], ['a:b', 'twoGbMaxExtentSparse'], ['nbd:b.vmdk', 'twoGbMaxExtentFlat'], ['a"b', 'monolithicSparse'], ['a"b', 'streamOptimized'], ['new\nline', 'monolithicSparse'],
  ])('%j: made by each, read by both (%s)', async (name, subformat) => {
    using dir = tempDir();
    writeFileSync(dir.file('plain'), prng(1).bytes(300_000));
    for (const make of [oursIn, reference]) {
      // The reference writes a descriptor with a line's end in a name, which only it can read.
      if (make === reference && name.includes('\n')) continue;
      expect(await make(['convert', '-O', 'vmdk', '-o', `subformat=${subformat}`, 'plain', `./${name}`], dir.path)).toMatchObject({ code: 0 });
      for (const read of [oursIn, reference]) {
        expect(await read(['compare', '-f', 'vmdk', '-F', 'raw', `./${name}`, 'plain'], dir.path)).toMatchObject({ code: 0 });
      }
    }
  });

  test('that no descriptor can hold are refused', async () => {
    using dir = tempDir();
    for (const name of ['a"b', 'new\nline']) {
      expect(await oursIn(['create', '-q', '-f', 'vmdk', '-o', 'subformat=monolithicFlat', name, '1M'], dir.path)).toMatchObject({ code: 1, stderr: `qemu-img: ${name}: invalid parameter value: ${name}\n` });
    }
  });
});
