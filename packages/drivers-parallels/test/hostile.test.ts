/** Damaged images: refused by name where they are opened, described and repaired where they are checked. */
import { createHash } from 'node:crypto';
import { UNTRUSTED } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng, readAll, saveDisk } from '@blk/driver-conformance';
import { checkImage, expectContent, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, checkBytes, edited, oldImage, sample, type Edit } from './support.js';

/** Edits that the reference refuses as well. */
const BOTH: [string, Edit[], string][] = [
  ['magic', [[0, 1]], 'Image not in Parallels format'],
  ['version', [[16, 3]], 'Image not in Parallels format'],
  ['no cluster size', [[28, 0]], 'Invalid image: Zero sectors per track'],
  ['a huge cluster size', [[28, 4_186_128]], 'Invalid image: Too big cluster'],
  ['a huge catalog', [[32, 0x2000_0000]], 'Catalog too large'],
];
/** What the reference opens. */
const STRICTER: typeof BOTH = [
  ['a short catalog', [[32, 9]], 'Invalid image: catalog of 9 entries, where the disk has 10 clusters'],
  ['a huge disk', [[36, 2 ** 60, 64]], 'Image of 1152921504606846976 sectors is too large'],
  ['a state of use of no kind', [[44, 5]], 'Invalid image: state of use 0x5'],
  ['no data offset', [[48, 0]], 'Invalid image: data offset of 0 sectors, where at least 1 in whole clusters are right'],
  ['data across clusters', [[48, 5]], 'Invalid image: data offset of 5 sectors'],
  ['marked as empty', [[52, 1]], 'Invalid image: marked as empty, but cluster 0 is there'],
  ['a cluster over the header', [[48, 4096]], 'Invalid image: cluster 0 lies over the header'],
  ['a cluster beyond the end', [[68, 4]], 'Invalid image: cluster 1 is outside image'],
  ['two clusters in one place', [[68, 2]], 'Invalid image: cluster 3 lies where another one does'],
  ['an extension far away', [[56, 2 ** 60, 64]], 'Invalid image: Format Extension lies too far away'],
  ['an extension beyond the end', [[56, 2 ** 20, 64]], 'Invalid image: Format Extension lies beyond the end of the file'],
  ['an extension that is none', [[56, 6144, 64]], 'Wrong parallels Format Extension magic: 0x606060606060606, expected: 0xab234cef23dcea87'],
];

/** With the right checksum in the extension at 4 MiB. */
function signed(disk: MemoryDisk): MemoryDisk {
  const bytes = disk.toBytes();
  bytes.set(createHash('md5').update(bytes.subarray((4 << 20) + 24, 5 << 20)).digest(), (4 << 20) + 8);
  return new MemoryDisk({ content: bytes });
}

describe('hostile images', () => {
  test.each([...BOTH, ...STRICTER])('%s', async (_name, edits, message) => {
    await expect(new Bench().open(await sample(edits))).rejects.toThrow(message);
  });

  test('cut short anywhere, an image is refused', async () => {
    for (const length of [0, 63, 64, 100, 1 << 20, 3 << 20, (4 << 20) - 512]) {
      await expect(new Bench().open(await sample([], length)), `${length}`).rejects.toMatchObject({ kind: 'invalid-image' });
    }
  });

  test('an empty image whose catalog the end of the file cuts is refused, not read as zeroes', async () => {
    const empty: Edit[] = [[64, 0], [76, 0], [84, 0]];
    await expect(new Bench().open(await sample(empty, 103))).rejects.toMatchObject({ message: 'Invalid image: catalog reaches to 104, beyond the end of the file at 103' });
    expectSameBytes(await new Bench().content(await sample(empty, 104)), new Uint8Array(10 << 20));
  });

  test('of the last cluster, no more has to be there than the disk has of it', async () => {
    const bench = new Bench();
    const disk = await bench.create(20 * 4096 + 1536, { cluster_size: 4096 });
    const node = await bench.open(disk);
    await node.write(20 * 4096, new Uint8Array(1536).fill(5), 0, 1536);
    await bench.graph.release(node);
    const whole = disk.toBytes();
    const cut = (length: number): MemoryDisk => new MemoryDisk({ content: whole.slice(0, length) });
    const enough = whole.length - 4096 + 1536;
    expectSameBytes((await bench.content(cut(enough))).subarray(20 * 4096), new Uint8Array(1536).fill(5));
    expect((await bench.check(cut(enough))).lines).toEqual([]);
    await expect(bench.open(cut(enough - 1))).rejects.toMatchObject({ message: 'Invalid image: cluster 20 is cut short by the end of the image' });
    expect((await bench.check(cut(enough - 1))).lines).toEqual(['ERROR cluster 20 is cut short by the end of the image']);
  });

  test('old images may leave the data offset out', async () => {
    const bench = new Bench();
    const disk = await sample([[0, 'WithoutFreeSpace'], [64, 2048], [76, 4096], [84, 6144]]);
    expectSameBytes(await bench.content(disk), await bench.content(await sample()));
    await expect(bench.open(edited(disk, [[48, 0]]))).rejects.toMatchObject({ message: 'Invalid image: cluster 0 lies across others' });
  });

  test('what takes more memory than allowed is not opened', async () => {
    const disk = await sample([[28, 1], [32, 0x1fff_ffff], [36, 0x1fff_ffff, 64], [48, 2 ** 31]]);
    await disk.truncate(2 ** 41);
    await expect(new Bench({ ...UNTRUSTED, maxMetadataBytes: 32 << 20 }).open(disk)).rejects.toMatchObject({ kind: 'policy' });
  });

  test('an extension stays, and is warned of; one that must be known keeps the image from changes', async () => {
    const bench = new Bench();
    const base = await sample([], 5 << 20);
    const extension: Edit[] = [[56, 8192, 64], [4 << 20, 0x23dc_ea87], [(4 << 20) + 4, 0xab23_4cef], [(4 << 20) + 24, 0x4d, 64]];
    const disk = signed(edited(base, extension));
    const before = disk.toBytes().subarray(4 << 20, 5 << 20);
    const node = await bench.open(disk);
    expect(bench.warnings).toEqual([expect.stringContaining('Format Extension ignored in RW mode')]);
    await node.write(8 << 20, new Uint8Array(1000).fill(9), 0, 1000);
    await bench.graph.release(node);
    expectSameBytes(disk.toBytes().subarray(4 << 20, 5 << 20), before);
    expect((await bench.check(disk)).lines).toEqual([]);
    const necessary = signed(edited(base, [...extension, [(4 << 20) + 32, 1, 64]]));
    await expect(bench.open(necessary)).rejects.toMatchObject({ message: 'The image must not be changed without its feature 0x4d' });
    expect((await bench.content(necessary))[3 << 20]).toBe(4);
  });

  test('any header and catalog give an image or an error, and so does what is done to them', async () => {
    const random = prng(5);
    const bench = new Bench();
    const small = await bench.create(20 * 4096, { cluster_size: 4096 });
    const node = await bench.open(small);
    await node.write(8192, random.bytes(30_000), 0, 30_000);
    await bench.graph.release(node);
    const bytes = small.toBytes();
    let opened = 0;
    for (let run = 0; run < 500; run++) {
      const copy = bytes.slice(0, random.below(8) === 0 ? random.below(bytes.length) : bytes.length);
      for (let edit = 0; edit <= random.below(3); edit++) copy[random.below(2) === 0 ? 64 + random.below(80) : random.below(64)] = random.pick([0, 1, 2, 0xff, random.below(256)]);
      try {
        const image = await bench.open(new MemoryDisk({ content: copy }));
        opened++;
        const buffer = new Uint8Array(Math.min(image.size, 1 << 20));
        await image.read(0, buffer, 0, buffer.length);
        if (buffer.length > 0) await image.write(0, buffer, 0, buffer.length);
        await bench.graph.release(image);
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
      try {
        const disk = new MemoryDisk({ content: copy });
        await bench.check(disk, 'all');
        expect((await bench.check(disk)).result).toMatchObject({ corruptions: 0, leaks: 0 });
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
    }
    expect(opened).toBeGreaterThan(30);
  });
});

/** Edits, a length, and what the reference says. */
const DAMAGE: [string, Edit[], number?][] = [
  ['nothing', []],
  ['not closed', [[44, 0x746f_6e59]]],
  ['a cluster beyond the end', [[64, 9]]],
  ['a cluster far away', [[68, 100_000]]],
  ['a leak in the middle', [[64, 0]]],
  ['a leak at the end', [[84, 0]]],
  ['not closed, and a cluster far away', [[44, 0x746f_6e59], [64, 100]]],
  ['longer', [], 6 << 20],
];

const oracle = skipUnless('qemu-img');
describe.skipIf(oracle.skip)(oracle.title('check'), () => {
  test.each(DAMAGE)('%s: found and repaired as by the reference', async (_name, edits, length) => {
    using dir = tempDir();
    const file = dir.file('image');
    for (const repair of ['none', 'leaks', 'all'] as const) {
      const disk = await sample(edits, length);
      saveDisk(disk, file);
      const { code, stdout, stderr } = await qemuImg('check', '-f', 'parallels', '--output=json', ...(repair === 'none' ? [] : ['-r', repair]), file);
      const theirs = JSON.parse(stdout) as Record<string, number | undefined>;
      const { lines, result } = await new Bench().check(disk, repair);
      expect(lines).toEqual(stderr.split('\n').filter((line) => line !== ''));
      expect([result.corruptions, result.leaks, result.corruptionsFixed, result.leaksFixed]).toEqual(
        ['corruptions', 'leaks', 'corruptions-fixed', 'leaks-fixed'].map((name) => theirs[name] ?? 0),
      );
      const after = repair === 'none' ? result : (await new Bench().check(disk)).result;
      expect([after.totalClusters, after.allocatedClusters, after.fragmentedClusters, after.imageEndOffset]).toEqual(
        ['total-clusters', 'allocated-clusters', 'fragmented-clusters', 'image-end-offset'].map((name) => theirs[name] ?? 0),
      );
      if (code !== 0) continue;
      checkBytes(disk);
      saveDisk(disk, file);
      await checkImage(file, 'parallels');
    }
  });

  test('a cluster that begins where the file ends is found, though the reference does not', async () => {
    expect((await new Bench().check(await sample([], 3 << 20))).lines).toEqual(['ERROR cluster 5 is outside image']);
  });

  test('of a cluster that is cut short, what is there stays', async () => {
    const bench = new Bench();
    const disk = await sample([], (3 << 20) + 1000);
    expect((await bench.check(disk, 'leaks')).result).toMatchObject({ corruptions: 1, corruptionsFixed: 0 });
    await expect(bench.open(disk)).rejects.toMatchObject({ message: 'Invalid image: cluster 5 is cut short by the end of the image' });
    expect((await bench.check(disk, 'all')).lines).toEqual(['Repairing cluster 5 is cut short by the end of the image']);
    expectSameBytes(await bench.content(disk), new Uint8Array(10 << 20).fill(1, 0, 65536).fill(4, 3 << 20, (3 << 20) + 65536).fill(6, 5 << 20, (5 << 20) + 1000));
    expect((await bench.check(disk)).lines).toEqual([]);
  });

  test('clusters that share a place get one each; the content stays', async () => {
    using dir = tempDir();
    const disk = await sample([[64, 2], [88, 2]]);
    const bench = new Bench();
    const { result, lines } = await bench.check(disk, 'all');
    expect(lines).toEqual(['Repairing cluster 3 lies where another one does', 'Repairing cluster 6 lies where another one does']);
    expect(result).toMatchObject({ corruptionsFixed: 2, corruptions: 0 });
    checkBytes(disk);
    const node = await bench.open(disk);
    const content = await readAll(node);
    for (const cluster of [0, 3, 6]) expect(content[cluster << 20]).toBe(4);
    await bench.graph.release(node);
    saveDisk(disk, dir.file('image'));
    await checkImage(dir.file('image'), 'parallels');
    await expectContent(dir.file('image'), 'parallels', content);
  });
});

describe('a catalog that is looked at in pieces of 16384 entries', () => {
  const entry = (cluster: number): number => 64 + cluster * 4;
  const big = async (clusters: readonly number[]): Promise<MemoryDisk> => {
    const bench = new Bench();
    const disk = await bench.create(40_000 * 512, { cluster_size: 512 });
    const node = await bench.open(disk);
    for (const cluster of clusters) await node.write(cluster * 512, new Uint8Array(512).fill(cluster % 251), 0, 512);
    await bench.graph.release(node);
    return disk;
  };

  test('is repaired where it is damaged, and nowhere else', async () => {
    const clusters = [1, 16_383, 16_384, 16_385, 32_767, 32_768, 39_999];
    const whole = await big(clusters);
    for (const damaged of clusters) {
      const disk = edited(whole, [[entry(damaged), 0x10_0000]]);
      const { lines } = await new Bench().check(disk, 'all');
      expect(lines.filter((line) => !line.includes('space leaked'))).toEqual([`Repairing cluster ${damaged} is outside image`]);
      expectSameBytes(await new Bench().content(disk), (await new Bench().content(whole)).fill(0, damaged * 512, (damaged + 1) * 512));
    }
    // Two of different pieces in one place: the second one gets its own.
    const place = new DataView(whole.toBytes().buffer).getUint32(entry(1), true);
    const shared = edited(whole, [[entry(20_000), place]]);
    expect((await new Bench().check(shared, 'all')).lines).toEqual(['Repairing cluster 20000 lies where another one does']);
    expectSameBytes(await new Bench().content(shared), (await new Bench().content(whole)).fill(1, 20_000 * 512, 20_001 * 512));
  });

  test('tells where the data begins, and what belongs to no part of the disk, wherever that stands', async () => {
    const whole = await big([16_500, 33_000]);
    const told = new DataView(whole.toBytes().buffer).getUint32(48, true);
    expect((await new Bench().check(edited(whole, [[48, told + 1]]))).lines).toEqual([`ERROR data offset of ${told + 1} sectors, where clusters lie from sector ${told} on`]);
    const short = edited(whole, [[36, 17_000, 64]]);
    const bench = new Bench();
    const node = await bench.open(short);
    await node.write(0, new Uint8Array(4096).fill(9), 0, 4096);
    await bench.graph.release(node);
    const [place] = new Uint32Array(short.toBytes().buffer, entry(33_000), 1);
    expectSameBytes(short.toBytes().subarray(place * 512, (place + 1) * 512), new Uint8Array(512).fill(33_000 % 251));
  });
});

describe('what a wrong header must not cost', () => {
  test('clusters that begin in the midst of others get places of their own, with what they hold', async () => {
    const bench = new Bench();
    const disk = oldImage(4);
    const model = new Uint8Array((4 * 63 - 5) * 512).fill(7, 0, 40_000).fill(8, 70_000, 100_000);
    const node = await bench.open(disk);
    await node.write(0, model, 0, 100_000);
    await bench.graph.release(node);
    const entries = new DataView(disk.toBytes().buffer);
    const moved = edited(disk, [[68, entries.getUint32(68, true) + 3]]);
    expect((await bench.check(moved)).lines).toEqual(['ERROR cluster 1 lies across others']);
    expect((await bench.check(moved, 'all')).result).toMatchObject({ corruptionsFixed: 1, corruptions: 0 });
    expect((await bench.check(moved)).lines).toEqual([]);
    const [before, after] = [model.subarray(63 * 512 + 3 * 512, 2 * 63 * 512), (await bench.content(moved)).subarray(63 * 512, (2 * 63 - 3) * 512)];
    expectSameBytes(after, before);
  });

  test.each([['behind the data', 3 * 2048], ['far away', 2 ** 31]])('a data offset %s: put right, the clusters stay', async (_name, sectors) => {
    const bench = new Bench();
    const disk = await sample([[48, sectors]]);
    expect((await bench.check(disk)).lines).toEqual([`ERROR data offset of ${sectors} sectors, where clusters lie from sector 2048 on`]);
    await bench.check(disk, 'leaks');
    expectSameBytes(disk.toBytes(), (await sample([[48, sectors]])).toBytes());
    expect((await bench.check(disk, 'all')).result).toMatchObject({ corruptionsFixed: 1, corruptions: 0 });
    expectSameBytes(disk.toBytes(), (await sample()).toBytes());
  });

  test('a disk that tells of fewer sectors than it had: what its other entries have is neither given back nor written over', async () => {
    const bench = new Bench();
    const disk = await sample([[36, 4096, 64]]);
    const { lines, result } = await bench.check(disk, 'all');
    expect([lines, result.allocatedClusters, result.totalClusters]).toEqual([[], 3, 10]);
    const node = await bench.open(disk);
    // Of the second one, which has no place yet.
    await node.write(0, new Uint8Array(2 << 20).fill(9), 0, 2 << 20);
    await bench.graph.release(node);
    const [bytes, before] = [disk.toBytes(), (await sample()).toBytes()];
    expectSameBytes(bytes.subarray(2 << 20, 4 << 20), before.subarray(2 << 20, 4 << 20));
    expectSameBytes(bytes.subarray(4 << 20), new Uint8Array(1 << 20).fill(9));
  });

  test('an image that was not closed is in order after a repair, when the same node looks at it again', async () => {
    const bench = new Bench();
    const disk = await sample([[44, 0x746f_6e59]]);
    const node = await bench.graph.open({ driver: 'parallels', file: disk.definition }, { checking: true });
    expect(await node.driver.check?.({ repair: 'all' })).toMatchObject({ corruptionsFixed: 1, corruptions: 0 });
    expect(await node.driver.check?.({ repair: 'none' })).toMatchObject({ corruptions: 0 });
    await bench.graph.release(node);
  });
});

test('a file that can not grow is full when it is full; what nobody uses in it is taken', async () => {
  const bench = new Bench();
  const content = (await sample([[64, 0]])).toBytes();
  const disk = new MemoryDisk({ content, growable: false });
  const node = await bench.open(disk);
  await node.write((7 << 20) + 5, new Uint8Array(10).fill(9), 0, 10);
  await expect((async () => node.write(8 << 20, new Uint8Array(10), 0, 10))()).rejects.toMatchObject({ kind: 'no-space' });
  await bench.graph.release(node);
  const expected = new Uint8Array(10 << 20).fill(4, 3 << 20, (3 << 20) + 65536).fill(6, 5 << 20, (5 << 20) + 65536).fill(9, (7 << 20) + 5, (7 << 20) + 15);
  expectSameBytes(await bench.content(disk), expected);
});
