/** Damaged images: refused by name, described and repaired where they are checked. */
import { UNTRUSTED } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng, saveDisk } from '@blk/driver-conformance';
import { expectContent, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, CLUSTER, edited, L1, L2, sample, type Edit } from './support.js';

/** Edits that the reference refuses as well. */
const BOTH: [string, Edit[], string][] = [
  ['magic', [[0, 1, 32]], 'Image not in QED format'],
  ['cluster size', [[4, 1000, 32]], 'QED cluster size is invalid'],
  ['small clusters', [[4, 2048, 32]], 'QED cluster size is invalid'],
  ['table size', [[8, 3, 32]], 'QED table size is invalid'],
  ['a huge header', [[12, 0xffff_ffff, 32]], 'QED table offset is invalid'],
  ['unknown features', [[16, 8]], 'Unsupported QED features: 8'],
  ['no first table', [[40, 0]], 'QED table offset is invalid'],
  ['a first table across clusters', [[40, 4097]], 'QED table offset is invalid'],
  ['a first table far away', [[40, 2 ** 40]], 'QED table offset is invalid'],
  ['a huge disk', [[48, 2 ** 60]], 'QED image size is invalid'],
  ['half a sector', [[48, 1_000_001]], 'QED image size is invalid'],
  ['a name behind the header', [[16, 1], [56, 4000, 32], [60, 2000, 32]], 'QED backing filename offset is invalid'],
];

/** What the reference takes for no name. */
const STRICTER: typeof BOTH = [
  ['a long name', [[16, 1], [56, 64, 32], [60, 1024, 32]], 'QED backing filename offset is invalid (1024 bytes at 64)'],
  ['a short name that ends behind the header', [[16, 1], [56, 4000, 32], [60, 97, 32]], 'QED backing filename offset is invalid (97 bytes at 4000)'],
];

describe('hostile images', () => {
  test.each([...BOTH, ...STRICTER])('%s', async (_name, edits, message) => {
    await expect(new Bench().open(await sample(edits))).rejects.toThrow(message);
  });

  test('offsets that can not be are errors where they are met, and change nothing', async () => {
    const bench = new Bench();
    for (const [edit, message] of [
      [[L2[0], 2 ** 30], /^Cluster at 0x40000000 lies beyond the end of the file/], [[L2[0], 4097], 'QED cluster offset is invalid (0x1001)'],
      [[L2[0], L1], 'QED cluster offset is invalid (0x1000)'], [[L2[0], 2 ** 60], 'QED cluster offset is invalid (0x1000000000000000)'],
      [[L1, 2 ** 30], /^Table at 0x40000000 reaches beyond the end of the file/], [[L1, 4097], 'QED table offset is invalid (0x1001)'],
    ] as [Edit, string | RegExp][]) {
      const disk = await sample([edit]);
      const before = disk.toBytes();
      const node = await bench.open(disk);
      const buffer = new Uint8Array(512);
      await expect((async () => node.read(0, buffer, 0, 512))()).rejects.toMatchObject({ message: typeof message === 'string' ? message : expect.stringMatching(message) as string });
      await expect((async () => node.write(0, buffer, 0, 512))()).rejects.toMatchObject({ name: 'BlockError' });
      await node.read(5 << 20, buffer, 0, 512);
      expect(buffer[0]).toBe(2);
      await bench.graph.release(node);
      expectSameBytes(disk.toBytes(), before);
    }
  });

  test('a table that reaches into the first one is an error where it is met', async () => {
    const bytes = (await sample()).toBytes();
    // The first table at the end, and a second one in the cluster before it.
    const end = bytes.length;
    const longer = new Uint8Array(end + 2 * CLUSTER);
    longer.set(bytes);
    longer.set(bytes.subarray(L1, L1 + 2 * CLUSTER), end);
    const disk = edited(new MemoryDisk({ content: longer }), [[40, end], [end, end - CLUSTER]]);
    const before = disk.toBytes();
    const bench = new Bench();
    const node = await bench.open(disk);
    const message = `QED table offset is invalid (0x${(end - CLUSTER).toString(16)})`;
    await expect((async () => node.read(0, new Uint8Array(512), 0, 512))()).rejects.toMatchObject({ message });
    await expect((async () => node.write(0, new Uint8Array(512), 0, 512))()).rejects.toMatchObject({ message });
    await bench.graph.release(node);
    expectSameBytes(disk.toBytes(), before);
  });

  test('tables beyond the policy are not read', async () => {
    const disk = await sample([[4, 64 << 20, 32], [8, 16, 32], [40, 2 ** 26], [48, 2 ** 52]]);
    await disk.truncate(2 ** 41);
    await expect(new Bench({ ...UNTRUSTED, maxMetadataBytes: 1 }).open(disk)).rejects.toMatchObject({ kind: 'policy' });
  });

  test('bits that clear themselves are cleared, others stay', async () => {
    const disk = await sample([[24, 8], [32, 8]]);
    const bench = new Bench();
    await bench.graph.release(await bench.open(disk, {}, { readOnly: true }));
    expect(disk.toBytes()[32]).toBe(8);
    await bench.graph.release(await bench.open(disk));
    expect([disk.toBytes()[24], disk.toBytes()[32]]).toEqual([8, 0]);
  });

  test('an image that asks for a check gets it before it is written to', async () => {
    const bench = new Bench();
    const disk = await sample([[16, 2], [L2[0], 2 ** 30]]);
    await bench.graph.release(await bench.open(disk));
    expect(disk.toBytes()[16]).toBe(0);
    expectSameBytes((await bench.content(disk)).subarray(0, 2 * CLUSTER), new Uint8Array(2 * CLUSTER).fill(1, CLUSTER));
    const shared = await sample([[16, 2], [L2[0], 0x6000]]);
    await expect(bench.open(shared)).rejects.toMatchObject({ message: /finds 1 errors that can't be repaired/ });
    expect((await bench.content(shared))[0]).toBe(1);
  });

  test('of a cluster that the end of the file cuts, what is there stays', async () => {
    const bench = new Bench();
    const whole = (await sample()).toBytes();
    for (const missing of [1, 512, CLUSTER - 1]) {
      const disk = new MemoryDisk({ content: whole.slice(0, whole.length - missing) });
      expect((await bench.check(disk)).result).toMatchObject({ corruptions: 1, leaks: 0 });
      expect((await bench.check(disk, 'leaks')).result).toMatchObject({ corruptions: 0, corruptionsFixed: 1 });
      const expected = whole.slice().fill(0, whole.length - missing);
      expectSameBytes(disk.toBytes(), expected);
      expect((await bench.check(disk)).result).toMatchObject({ corruptions: 0, leaks: 0 });
    }
    const fixed = new MemoryDisk({ content: whole.slice(0, whole.length - 512), growable: false });
    expect((await bench.check(fixed, 'all')).result).toMatchObject({ corruptions: 1, corruptionsFixed: 0 });
  });

  test('tables that are looked at in pieces of 8192 entries are repaired where they are damaged, and nowhere else', async () => {
    const bench = new Bench();
    const [cluster, reach] = [65536, 2 ** 31];
    const disk = await bench.create(2 ** 45, {});
    // Of the first table in each of its pieces, and of one second table in each of its own.
    const offsets = [...[1, 8191, 8192, 16_000].map((table) => table * reach), ...[5, 8191, 8192, 8193, 32_767].map((entry) => entry * cluster)];
    const node = await bench.open(disk);
    for (const [index, offset] of offsets.entries()) await node.write(offset, new Uint8Array(512).fill(index + 1), 0, 512);
    await bench.graph.release(node);
    const wordAt = (of: MemoryDisk, at: number): number => {
      const word = new Uint8Array(8);
      of.content.read(at, word, 0, 8);
      return Number(new DataView(word.buffer).getBigUint64(0, true));
    };
    const second = wordAt(disk, cluster);
    const entryOf = (offset: number): number => (offset >= reach ? cluster + (offset / reach) * 8 : second + (offset / cluster) * 8);
    for (const damaged of offsets) {
      const copy = new MemoryDisk({ size: 0 });
      const bytes = disk.toBytes();
      copy.content.write(0, bytes, 0, bytes.length);
      const far = new Uint8Array(new BigUint64Array([2n ** 50n]).buffer);
      copy.content.write(entryOf(damaged), far, 0, 8);
      expect((await bench.check(copy, 'all')).result).toMatchObject({ corruptions: 0, corruptionsFixed: 1 });
      const reader = await bench.open(copy, {}, { readOnly: true });
      for (const [index, offset] of offsets.entries()) {
        const found = new Uint8Array(512);
        await reader.read(offset, found, 0, 512);
        expectSameBytes(found, new Uint8Array(512).fill(offset === damaged ? 0 : index + 1));
      }
      await bench.graph.release(reader);
    }
  });

  test('a part of a cluster behind the last one is no leak', async () => {
    const whole = (await sample()).toBytes();
    const disk = new MemoryDisk({ content: new Uint8Array(whole.length + 1000) });
    disk.content.write(0, whole, 0, whole.length);
    expect((await new Bench().check(disk)).result).toMatchObject({ corruptions: 0, leaks: 0 });
  });

  test('a name of 1023 bytes is the longest, for a new image and for a change', async () => {
    const bench = new Bench();
    const make = (length: number): Promise<unknown> => bench.graph.create('memory:over', { format: 'qed', size: 1 << 20, options: { backing_file: 'é'.repeat(length / 2) + 'x', backing_fmt: 'raw' }, unsafe: true });
    await expect(make(1024)).rejects.toMatchObject({ kind: 'invalid-argument', message: 'Backing file name is too long for the header' });
    await make(1022);
    const node = await bench.open(bench.disks.get('over'), { backing: null });
    expect(node.driver.recordedBacking?.filename).toBe('é'.repeat(511) + 'x');
    const change = async (filename: string): Promise<void> => node.driver.changeBackingFile?.({ filename });
    await expect(change('é'.repeat(512))).rejects.toMatchObject({ message: 'Backing file name is too long for the header' });
    await change('y'.repeat(1023));
    expect(node.driver.recordedBacking).toEqual({ filename: 'y'.repeat(1023) });
    await bench.graph.release(node);
  });

  test('an image whose backing file is not there is not checked either', async () => {
    const bench = new Bench();
    await bench.graph.create('memory:over', { format: 'qed', size: 1 << 20, options: { backing_file: 'memory:gone', backing_fmt: 'raw' }, unsafe: true });
    await expect(bench.graph.open({ driver: 'qed', file: bench.disks.get('over').definition }, { checking: true, readOnly: true })).rejects.toThrow(/Could not open backing file/);
  });

  test('any header and tables give an image or an error, and so does what is done to them', async () => {
    const random = prng(5);
    const bench = new Bench();
    const bytes = (await sample()).toBytes().slice(0, 0x16000 + CLUSTER * 20);
    let opened = 0;
    for (let run = 0; run < 300; run++) {
      const copy = bytes.slice(0, random.below(8) === 0 ? random.below(bytes.length) : bytes.length);
      for (let edit = 0; edit <= random.below(3); edit++) {
        const at = random.pick([random.below(64), L1 + random.below(32), L2[0] + random.below(200), L2[1] + random.below(200)]);
        copy[at] = random.pick([0, 1, 2, 0xff, random.below(256)]);
      }
      try {
        const image = await bench.open(new MemoryDisk({ content: copy }), { backing: null });
        opened++;
        const buffer = new Uint8Array(Math.min(image.size, 1 << 20));
        await image.read(0, buffer, 0, buffer.length);
        if (buffer.length > 0) await image.write(0, buffer, 0, buffer.length);
        await bench.graph.release(image);
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
      try {
        await bench.check(new MemoryDisk({ content: copy }), 'all');
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
    }
    expect(opened).toBeGreaterThan(50);
  });
});

/** Edits, and the file's length. */
const DAMAGE: [string, Edit[], number?][] = [
  ['nothing', []], ['asks for a check', [[16, 2]]], ['data far away', [[L2[0], 2 ** 30]]], ['data across clusters', [[L2[0], 4097]]], ['data twice', [[L2[0], 0x6000]]],
  ['data over the first table', [[L2[0], L1]]], ['data that nobody refers to', [[L2[0], 0]]], ['a table far away', [[L1, 2 ** 30]]], ['a table twice', [[L1 + 8, L2[0]]]],
  ['a table that nobody refers to', [[L1, 0]]], ['cut short', [], 0x26000], ['longer', [], 0x29000],
];

const oracle = skipUnless('qemu-img');
describe.skipIf(oracle.skip)(oracle.title('check'), () => {
  test.each(BOTH)('%s: refused in the same words', async (_name, edits, message) => {
    using dir = tempDir();
    saveDisk(await sample(edits), dir.file('image'));
    expect((await qemuImg('info', '-f', 'qed', dir.file('image'))).stderr).toContain(message);
  });

  test.each(DAMAGE)('%s: found and repaired as by the reference', async (_name, edits, length) => {
    using dir = tempDir();
    const file = dir.file('image');
    for (const repair of ['none', 'leaks', 'all'] as const) {
      const disk = await sample(edits);
      if (length !== undefined) await disk.truncate(length);
      saveDisk(disk, file);
      const { stdout } = await qemuImg('check', '-f', 'qed', '--output=json', ...(repair === 'none' ? [] : ['-r', repair]), file);
      const theirs = JSON.parse(stdout) as Record<string, number | undefined>;
      const bench = new Bench();
      const { result } = await bench.check(disk, repair);
      const after = repair === 'none' || result.corruptionsFixed === 0 ? result : (await bench.check(disk)).result;
      expect([after.corruptions, after.leaks, result.corruptionsFixed, after.totalClusters, after.allocatedClusters, after.fragmentedClusters]).toEqual(
        ['corruptions', 'leaks', 'corruptions-fixed', 'total-clusters', 'allocated-clusters', 'fragmented-clusters'].map((name) => theirs[name] ?? 0),
      );
      if (after.corruptions === 0) await expectContent(file, 'qed', await bench.content(disk));
    }
  });
});

test('on storage that does not grow, there is no space for new clusters; those there are written to', async () => {
  const bench = new Bench();
  const disk = edited(await sample(), []);
  const fixed = new MemoryDisk({ content: disk.toBytes(), growable: false });
  const node = await bench.open(fixed);
  await node.write(100, new Uint8Array(10).fill(9), 0, 10);
  await expect((async () => node.write(9 << 20, new Uint8Array(10), 0, 10))()).rejects.toMatchObject({ kind: 'no-space' });
  await bench.graph.release(node);
  expect((await bench.content(fixed)).subarray(99, 111)).toEqual(new Uint8Array(12).fill(1).fill(9, 1, 11));
});
