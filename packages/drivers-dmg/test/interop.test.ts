/** Chunks of every kind, in images that other programs read too. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { chainExtents } from '@blk/core-graph';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { dmgContent, dmgImage, packWith7zz, sampleContent, type DmgChunk, type DmgOptions, type DmgPartition } from '@blk/image-writers';
import { expectContent, imageInfo, needTool, qemuImg, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { dmg } from '../src/index.js';
import { Bench, mixture } from './support.js';

const sevenZip = skipUnless('7zz');
const reference = skipUnless('qemu-img');

/** What 7zz makes of an image. It extracts the partitions one by one; of LZFSE it reads one block a chunk, and grumbles behind it. */
async function extracted(image: Uint8Array, code = 0): Promise<Uint8Array> {
  using dir = tempDir();
  writeFileSync(dir.file('image'), image);
  mkdirSync(dir.file('out'));
  expect(await run(needTool('7zz'), ['x', '-y', '-tdmg', `-o${dir.file('out')}`, dir.file('image')])).toMatchObject({ code });
  return new Uint8Array(Buffer.concat(readdirSync(dir.file('out')).sort().map((name) => readFileSync(`${dir.file('out')}/${name}`))));
}

const content = sampleContent(1, 300 * 512);
const short = content.subarray(0, 32768);
const packed = (kind: 'bzip2' | 'lzma', options: readonly string[] = []): DmgChunk => ({ kind, content, packed: packWith7zz(kind === 'lzma' ? 'xz' : kind, content, options) });
const KINDS: Record<string, () => DmgChunk[]> = {
  raw: () => [{ kind: 'raw', content }],
  zlib: () => [{ kind: 'zlib', content }],
  adc: () => [{ kind: 'adc', content }],
  bzip2: () => [packed('bzip2')],
  'bzip2 in small blocks': () => [packed('bzip2', ['-mx=1', '-md=100k'])],
  lzma: () => [packed('lzma')],
  'lzma with other properties': () => [packed('lzma', ['-m0=lzma2:lc=0:lp=2:pb=0:d=64k'])],
  'lzfse, lzvn blocks': () => [{ kind: 'lzfse', content, blocks: ['lzvn'] }],
  'zeroes and nothing': () => [{ kind: 'zero', sectors: 200_000 }, { kind: 'ignore', sectors: 5 }],
};
const LZFSE: Record<string, DmgChunk> = {
  'packed tables': { kind: 'lzfse', content: short, blocks: ['packed'] },
  'raw blocks': { kind: 'lzfse', content: short, blocks: ['raw'] },
};

describe.skipIf(sevenZip.skip)(sevenZip.title('as 7zz reads it'), () => {
  test.each(Object.keys(KINDS))('%s', async (name) => {
    const partitions: DmgPartition[] = [{ chunks: [...KINDS[name](), { kind: 'zero', sectors: 7 }, { kind: 'raw', content: short }, ...KINDS[name]()] }];
    const image = dmgImage(partitions);
    expectSameBytes(await new Bench().contentOf(image), dmgContent(partitions));
    expectSameBytes(await extracted(image), dmgContent(partitions));
    expect((await new Bench().checkBytes(image)).lines).toEqual([]);
  });

  test.each(Object.keys(LZFSE))('lzfse, %s', async (name) => {
    const partitions: DmgPartition[] = [{ chunks: [LZFSE[name], { kind: 'zero', sectors: 7 }, LZFSE[name]] }];
    const image = dmgImage(partitions);
    expectSameBytes(await new Bench().contentOf(image), dmgContent(partitions));
    expectSameBytes(await extracted(image, 2), dmgContent(partitions));
    expect((await new Bench().checkBytes(image)).lines).toEqual([]);
  });

  test('the trailer in front', async () => {
    const partitions: DmgPartition[] = [{ chunks: [{ kind: 'zlib', content: short }, { kind: 'zero', sectors: 7 }, { kind: 'raw', content: short }] }];
    const image = dmgImage(partitions, { trailerFirst: true });
    expectSameBytes(await new Bench().contentOf(image), dmgContent(partitions));
    expectSameBytes(await extracted(image), dmgContent(partitions));
    expect((await new Bench().checkBytes(image)).lines).toEqual([]);
    // Not all of it is there.
    await expect(new Bench().openBytes(image.subarray(0, 511))).rejects.toMatchObject({ kind: 'invalid-image' });
  });

  test('several partitions', async () => {
    const partitions = mixture(3, 900).map(({ chunks }) => ({ chunks: chunks.filter(({ kind }) => kind !== 'lzfse') }));
    const image = dmgImage(partitions);
    expectSameBytes(await new Bench().contentOf(image), dmgContent(partitions));
    expectSameBytes(await extracted(image), dmgContent(partitions));
  });
});

test('lzfse in many blocks of all kinds, which refer to each other', async () => {
  const partitions: DmgPartition[] = [{ chunks: [{ kind: 'lzfse', content, blocks: ['packed', 'raw', 'plain', 'lzvn', 'packed'] }, { kind: 'lzfse', content, blocks: ['plain'] }] }];
  expectSameBytes(await new Bench().contentOf(dmgImage(partitions)), dmgContent(partitions));
});

describe.skipIf(reference.skip)(reference.title('beside the reference'), () => {
  test.each<DmgOptions>([{}, { resourceFork: true }, { before: new Uint8Array(1000).fill(3) }, { behind: new Uint8Array(200).fill(1) }])('%o', async (options) => {
    using dir = tempDir();
    const partitions: DmgPartition[] = [
      { chunks: [{ kind: 'zlib', content }, { kind: 'zero', sectors: 9 }, { kind: 'raw', content: short }] },
      { chunks: [{ kind: 'ignore', sectors: 11 }, { kind: 'zlib', content: short }] },
    ];
    const image = dmgImage(partitions, options);
    writeFileSync(dir.file('image'), image);
    expectSameBytes(await new Bench().contentOf(image), dmgContent(partitions));
    await expectContent(dir.file('image'), 'dmg', dmgContent(partitions));
  });

  test.each([1, 204, 205, 430, 431, 600])('%i bytes behind the trailer: found as it finds it', async (length) => {
    using dir = tempDir();
    for (const sectors of [33, 34, 35]) {
      const image = dmgImage([{ chunks: [{ kind: 'raw', content: content.subarray(0, sectors * 512 - 512) }, { kind: 'zlib', content: short }] }], { behind: new Uint8Array(length) });
      writeFileSync(dir.file('image'), image);
      const theirs = (await qemuImg('info', '-f', 'dmg', dir.file('image'))).code === 0;
      expect(await new Bench().openBytes(image).then(() => true, () => false)).toBe(theirs);
    }
  });

  test('recognised by its name, as it does', async () => {
    using dir = tempDir();
    const image = dmgImage([{ chunks: [{ kind: 'zlib', content }] }]);
    for (const [name, format] of [['a.dmg', 'dmg'], ['a.DMG', 'raw'], ['a.img', 'raw']] as const) {
      writeFileSync(dir.file(name), image);
      expect(await imageInfo(dir.file(name))).toMatchObject({ format });
      expect((dmg.probe?.(image.subarray(0, 2048), name) ?? 0) > 1).toBe(format === 'dmg');
    }
  });

  test('where both a fork and a list are there, the same one counts', async () => {
    using dir = tempDir();
    const inFork = dmgImage([{ chunks: [{ kind: 'raw', content: short }] }], { resourceFork: true });
    const inList = dmgImage([{ chunks: [{ kind: 'raw', content: short }, { kind: 'zero', sectors: 1 }] }]);
    // The list of the other image behind the fork, with its trailer's place of it.
    const listAt = new DataView(inList.buffer).getBigUint64(inList.length - 512 + 216);
    const list = inList.subarray(Number(listAt), inList.length - 512);
    const both = new Uint8Array(Buffer.concat([inFork.subarray(0, -512), list, inFork.subarray(-512)]));
    const view = new DataView(both.buffer);
    view.setBigUint64(both.length - 512 + 216, BigInt(inFork.length - 512));
    view.setBigUint64(both.length - 512 + 224, BigInt(list.length));
    view.setBigUint64(both.length - 512 + 492, 65n);
    writeFileSync(dir.file('image'), both);
    const last = (await qemuImg('convert', '-f', 'dmg', '-O', 'raw', dir.file('image'), dir.file('raw'))).code;
    const ours = await new Bench().contentOf(both).then(() => 0, () => 1);
    expect(ours).toBe(last);
  });
});

test('extents: what is raw lies in the file, what is packed does not, and zeroes are told', async () => {
  const chunks: DmgChunk[] = [{ kind: 'raw', content: short }, { kind: 'zlib', content: short }, { kind: 'adc', content: short }, { kind: 'zero', sectors: 10 }, { kind: 'ignore', sectors: 20 }, { kind: 'raw', content: short }];
  const node = await new Bench().openBytes(dmgImage([{ chunks }]));
  const found = [];
  for await (const { offset, length, data, zero, hostOffset } of chainExtents(node, 0, node.size)) found.push([offset / 512, length / 512, data, zero, hostOffset >= 0]);
  expect(found).toEqual([[0, 64, true, false, true], [64, 128, true, false, false], [192, 30, false, true, false], [222, 64, true, false, true]]);
});

test('nothing but a trailer behind the disk', async () => {
  const bytes = prng(1).bytes(20 * 512);
  const trailer = dmgImage([{ chunks: [{ kind: 'raw', content: bytes }] }]).slice(-512);
  trailer.fill(0, 216, 232);
  expectSameBytes(await new Bench().contentOf(new Uint8Array([...bytes, ...trailer])), bytes);
});
