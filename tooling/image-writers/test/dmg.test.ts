/** What is made is read by 7zz, which checks its checksums too. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { needTool, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { dmgContent, dmgImage, packWith7zz, sampleContent, type DmgChunk, type DmgOptions, type DmgPartition } from '../src/index.js';

const tool = skipUnless('7zz');
const other = skipUnless('dmg2img');

const content = sampleContent(1, 200 * 512);
const packed = (kind: 'bzip2' | 'lzma'): DmgChunk => ({ kind, content, packed: packWith7zz(kind === 'lzma' ? 'xz' : kind, content) });
const KINDS: Record<string, () => DmgChunk[]> = {
  raw: () => [{ kind: 'raw', content }],
  zlib: () => [{ kind: 'zlib', content }],
  adc: () => [{ kind: 'adc', content }],
  bzip2: () => [packed('bzip2')],
  lzma: () => [packed('lzma')],
  'lzfse, lzvn blocks': () => [{ kind: 'lzfse', content, blocks: ['lzvn'] }],
};

async function expectRead(partitions: readonly DmgPartition[], options: DmgOptions = {}, code = 0): Promise<void> {
  using dir = tempDir();
  writeFileSync(dir.file('image'), dmgImage(partitions, options));
  expect(await run(needTool('7zz'), ['x', '-y', '-tdmg', `-o${dir.file('out')}`, dir.file('image')])).toMatchObject({ code });
  const found = Buffer.concat(readdirSync(dir.file('out')).sort().map((name) => readFileSync(`${dir.file('out')}/${name}`)));
  expect(Buffer.compare(found, dmgContent(partitions))).toBe(0);
}

describe.skipIf(tool.skip)(tool.title('disk images of Apple, read by 7zz'), () => {
  test.each(Object.keys(KINDS))('%s', async (name) => {
    await expectRead([{ chunks: [...KINDS[name](), { kind: 'zero', sectors: 7 }, ...KINDS[name](), { kind: 'ignore', sectors: 3 }] }]);
  });

  // Of these blocks it reads one a chunk, and grumbles behind it; those with plain tables it does not read.
  test.each(['raw', 'packed'] as const)('lzfse, %s blocks', async (block) => {
    const chunk: DmgChunk = { kind: 'lzfse', content: content.subarray(0, 32768), blocks: [block] };
    await expectRead([{ chunks: [chunk, { kind: 'zero', sectors: 7 }, chunk] }], {}, 2);
  });

  test('several partitions, bytes before and behind', async () => {
    const chunks: DmgChunk[] = [{ kind: 'zlib', content }];
    await expectRead([{ chunks }, { chunks: [{ kind: 'ignore', sectors: 5 }, ...chunks] }, { chunks }]);
    await expectRead([{ chunks }], { before: new Uint8Array(1000).fill(1) });
  });
});

describe.skipIf(other.skip)(other.title('read by dmg2img'), () => {
  test.each([{}, { resourceFork: true }])('%o', async (options) => {
    using dir = tempDir();
    const partitions: DmgPartition[] = [{ chunks: [{ kind: 'zlib', content }, { kind: 'zero', sectors: 9 }, { kind: 'adc', content }, { kind: 'raw', content }] }];
    writeFileSync(dir.file('image'), dmgImage(partitions, options));
    expect(await run(needTool('dmg2img'), ['-s', dir.file('image'), dir.file('out')])).toMatchObject({ code: 0 });
    expect(Buffer.compare(readFileSync(dir.file('out')), dmgContent(partitions))).toBe(0);
  });
});
