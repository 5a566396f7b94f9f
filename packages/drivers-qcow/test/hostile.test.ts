/** Damaged images: refused by name where they are opened, or an error where the damage is met. */
import { UNTRUSTED, WriteFlag } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng, saveDisk } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, ENCRYPTED, KEY, L1, L2, sample, type Edit } from './support.js';

/** Edits that the reference refuses as well. */
const BOTH: [string, Edit[], string][] = [
  ['magic', [[0, 1, 32]], 'Image not in qcow format'],
  ['version 2', [[4, 2, 32]], "qcow (v1) does not support qcow version 2\nTry the 'qcow2' driver instead."],
  ['another version', [[4, 9, 32]], 'qcow (v1) does not support qcow version 9'],
  ['no size', [[24, 1]], 'Image size is too small (must be at least 2 bytes)'],
  ['a huge disk', [[24, 2 ** 62]], 'Image too large'],
  ['small clusters', [[32, 8, 8]], 'Cluster size must be between 512 and 64k'],
  ['large clusters', [[32, 17, 8]], 'Cluster size must be between 512 and 64k'],
  ['small tables', [[33, 5, 8]], 'L2 table size must be between 512 and 64k'],
  ['large tables', [[33, 14, 8]], 'L2 table size must be between 512 and 64k'],
  ['another encryption', [[36, 2, 32]], 'invalid encryption method in qcow header'],
  ['a long name', [[8, 60], [16, 1024, 32]], 'Backing file name too long'],
];
/** What the reference opens. */
const STRICTER: typeof BOTH = [
  ['a first table beyond the end', [[40, 2 ** 40]], 'The L1 table at 0x10000000000 reaches beyond the end of the file'],
  ['a first table over the header', [[40, 8]], "The L1 table can't be at 0x8"],
  ['a name beyond the end', [[8, 2 ** 40], [16, 20, 32]], 'The name of the backing file at 0x10000000000 reaches beyond the end of the file'],
];

describe('hostile images', () => {
  test.each([...BOTH, ...STRICTER])('%s', async (_name, edits, message) => {
    await expect(new Bench().open(await sample(edits))).rejects.toThrow(message);
  });

  test('offsets that can not be are errors where they are met, and change nothing', async () => {
    const bench = new Bench();
    for (const [at, value, message] of [
      [L2, 2 ** 40, /^Cluster at 0x10000000000 lies beyond the end of the file/], [L2, 0x2001, "A cluster can't be at 0x2001"], [L2, 2 ** 60, "A cluster can't be at 0x1000000000000000"],
      [L1, 2 ** 40, /^Table at 0x10000000000 reaches beyond the end/], [L1, L2 + 5, "A table can't be at 0x1005"], [L2, 2 ** 63 + 2 ** 40, /^Compressed cluster at 0x10000000000 lies beyond/],
    ] as [number, number, string | RegExp][]) {
      const disk = await sample([[at, value]]);
      const before = disk.toBytes();
      const node = await bench.open(disk);
      const buffer = new Uint8Array(512);
      await expect((async () => node.read(0, buffer, 0, 512))()).rejects.toMatchObject({ message: typeof message === 'string' ? message : expect.stringMatching(message) as string });
      await expect((async () => node.write(0, buffer, 0, 512))()).rejects.toMatchObject({ name: 'BlockError' });
      await bench.graph.release(node);
      expectSameBytes(disk.toBytes().subarray(0, 0x2000), before.subarray(0, 0x2000));
    }
  });

  test.each([['a cluster', L2, "A cluster can't be at 0x2200"], ['a table', 0x3000, "A table can't be at 0x2200"]])(
    '%s that reaches into the first table is an error where it is met', async (_name, at, message) => {
      const bytes = (await sample()).toBytes();
      // The first table at another place, in the middle of the file; what was there is not looked at.
      bytes.copyWithin(0x3000, L1, L1 + 40);
      const view = new DataView(bytes.buffer);
      view.setBigUint64(40, 0x3000n);
      view.setBigUint64(at, 0x2200n);
      const disk = new MemoryDisk({ content: bytes });
      const bench = new Bench();
      const node = await bench.open(disk);
      const buffer = new Uint8Array(512);
      await expect((async () => node.read(0, buffer, 0, 512))()).rejects.toThrow(message);
      await expect((async () => node.write(0xc00, buffer, 0, 512))()).rejects.toThrow(message);
      await bench.graph.release(node);
      expectSameBytes(disk.toBytes(), bytes);
    });

  test('a packed cluster that is damaged is an error', async () => {
    const disk = await sample();
    const bytes = disk.toBytes();
    const entry = new DataView(bytes.buffer).getBigUint64(L2 + 8 * 256);
    bytes[Number(entry & 0xffff_ffffn)] = 0xff;
    const bench = new Bench();
    const node = await bench.open(new MemoryDisk({ content: bytes }));
    const buffer = new Uint8Array(4096);
    await expect((async () => node.read(1 << 20, buffer, 0, 4096))()).rejects.toMatchObject({ kind: 'io', message: /^Compressed cluster at/ });
    await bench.graph.release(node);
  });

  test('first tables beyond the policy are not read', async () => {
    const disk = await sample([[24, 2 ** 40]]);
    await disk.truncate(2 ** 30);
    await expect(new Bench({ ...UNTRUSTED, maxMetadataBytes: 1 << 20 }).open(disk)).rejects.toMatchObject({ kind: 'policy' });
  });

  test('compressed writes of anything but whole clusters, or into an encrypted image, are refused and change nothing', async () => {
    const size = 5 * 4096 + 1024;
    const content = prng(1).bytes(size);
    for (const [create, open, offset, length, message] of [
      [{}, {}, 512, 4096, 'Compressed writes are whole clusters of 4096 bytes, not 4096 bytes at 512'], [{}, {}, 4096, 512, /not 512 bytes at 4096$/],
      [{}, {}, 4 * 4096, 4096 + 512, /not 4608 bytes at 16384$/], [{}, {}, 5 * 4096, 512, /not 512 bytes at 20480$/],
      [ENCRYPTED, KEY, 0, 4096, 'Compression and encryption not supported at the same time'],
    ] as const) {
      const bench = new Bench();
      const disk = await bench.create(size, create);
      const node = await bench.open(disk, open);
      await node.write(0, content, 0, size);
      await node.flush();
      const before = disk.toBytes();
      await expect((async () => node.write(offset, new Uint8Array(length), 0, length, WriteFlag.Compressed))()).rejects.toThrow(message);
      await bench.graph.release(node);
      expectSameBytes(disk.toBytes(), before);
      expectSameBytes(await bench.content(disk, open), content);
    }
  });

  test('what the header says of encryption and of a backing file is what is told', async () => {
    const bench = new Bench();
    await expect(bench.open(await bench.create(1 << 20), KEY)).rejects.toThrow("No encryption in image header, but options specified format 'aes'");
    const bytes = (await sample()).toBytes();
    const name = Buffer.from('dir/bäcking');
    bytes.set(name, 0x800);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(8, 0x800n);
    view.setUint32(16, name.length);
    const node = await bench.open(new MemoryDisk({ content: bytes }), { backing: null }, { readOnly: true });
    expect(node.driver.recordedBacking).toEqual({ filename: 'dir/bäcking' });
    await bench.graph.release(node);
  });

  test('without a key, an encrypted image tells what it is, and nothing that it holds', async () => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20, ENCRYPTED);
    const writer = await bench.open(disk, KEY);
    await writer.write(0, new Uint8Array(512).fill(1), 0, 512);
    await bench.graph.release(writer);
    expect(Buffer.from(disk.toBytes()).includes(Buffer.alloc(16, 1))).toBe(false);
    const node = await bench.graph.open({ driver: 'qcow', file: disk.definition }, { readOnly: true, noIo: true });
    expect(await node.driver.info?.()).toMatchObject({ encrypted: true, clusterSize: 4096 });
    await expect((async () => node.driver.read(0, new Uint8Array(512), 0, 512))()).rejects.toMatchObject({ kind: 'permission' });
    await bench.graph.release(node);
  });

  test('any header and tables give an image or an error, and so does what is done to them', async () => {
    const random = prng(5);
    const bench = new Bench();
    const bytes = (await sample()).toBytes();
    let opened = 0;
    for (let run = 0; run < 300; run++) {
      const copy = bytes.slice(0, random.below(8) === 0 ? random.below(bytes.length) : bytes.length);
      for (let edit = 0; edit <= random.below(3); edit++) {
        copy[random.pick([random.below(48), L1 + random.below(40), L2 + random.below(200), L2 + 2048 + random.below(16)])] = random.pick([0, 1, 2, 0x80, 0xff, random.below(256)]);
      }
      try {
        const image = await bench.open(new MemoryDisk({ content: copy }), { backing: null });
        opened++;
        const buffer = new Uint8Array(Math.min(image.size, 2 << 20));
        await image.read(0, buffer, 0, buffer.length);
        if (buffer.length > 0) await image.write(0, buffer, 0, buffer.length);
        await bench.graph.release(image);
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
    }
    expect(opened).toBeGreaterThan(50);
  });
});

const oracle = skipUnless('qemu-img');
describe.skipIf(oracle.skip)(oracle.title('the reference'), () => {
  test.each(BOTH)('%s: refused in the same words', async (_name, edits, message) => {
    using dir = tempDir();
    saveDisk(await sample(edits), dir.file('image'));
    expect((await qemuImg('info', '-f', 'qcow', dir.file('image'))).stderr).toContain(message);
  });
});
