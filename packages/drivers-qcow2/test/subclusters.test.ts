/** Extended L2 entries: what is damaged, what is left alone, and what the reference says of the same image. */
import { WriteFlag } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk } from '@blk/driver-conformance';
import { createImage, qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, checkImage, compareWith, done, load, readAll, save, write } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const CLUSTER = 65536;
const SUB = CLUSTER / 32;

/** The two words of L2 entry `index` of the first table. */
function entryOf(disk: MemoryDisk, index: number): { readonly entry: bigint; readonly zeroes: number; readonly allocated: number; readonly at: number } {
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer);
  const l1 = Number(view.getBigUint64(40));
  const at = Number(view.getBigUint64(l1) & 0x00ff_ffff_ffff_fe00n) + index * 16;
  return { entry: view.getBigUint64(at), zeroes: view.getUint32(at + 8), allocated: view.getUint32(at + 12), at };
}

async function make(): Promise<{ bench: Bench; disk: MemoryDisk }> {
  const bench = new Bench();
  return { bench, disk: await bench.create(4 << 20, { extended_l2: true, cluster_size: CLUSTER }) };
}

describe('subclusters', () => {
  test('are allocated and zeroed by themselves, and discarded by clusters', async () => {
    const { bench, disk } = await make();
    const node = await bench.open(disk);
    await write(node, SUB * 3 + 100, new Uint8Array(10).fill(1));
    await done(node.flush());
    expect(entryOf(disk, 0)).toMatchObject({ zeroes: 0, allocated: 0b1000 });
    await write(node, SUB * 4, new Uint8Array(SUB * 3).fill(2));
    await done(node.writeZeroes(SUB * 5, SUB, WriteFlag.MayUnmap));
    await done(node.flush());
    expect(entryOf(disk, 0)).toMatchObject({ zeroes: 0b10_0000, allocated: 0b101_1000 });
    expect(await node.extent(SUB * 5, SUB * 4)).toMatchObject({ length: SUB, zero: true, allocated: true });
    expect(await node.extent(SUB * 7, SUB * 4)).toMatchObject({ length: SUB * 4, allocated: false });
    await done(node.discard(SUB * 3, CLUSTER - SUB * 3));
    await done(node.flush());
    expect(entryOf(disk, 0)).toMatchObject({ zeroes: 0b10_0000, allocated: 0b101_1000 });
    await done(node.discard(0, CLUSTER));
    await done(node.flush());
    expect(entryOf(disk, 0)).toMatchObject({ entry: 0n, allocated: 0 });
    await bench.graph.release(node);
  });

  test('of a cluster that a write shares with nobody are not copied', async () => {
    const { bench, disk } = await make();
    const node = await bench.open(disk);
    await write(node, 0, new Uint8Array(SUB));
    await done(node.flush());
    const before = disk.counts.read;
    await write(node, SUB * 9, new Uint8Array(SUB).fill(7));
    expect(disk.counts.read).toBe(before);
    await bench.graph.release(node);
  });

  test.each([
    ['a subcluster both written and zero', 0, 0x3_0000_0003n, 8],
    ['written subclusters without a cluster', 5, 0x5n, 8],
    ['a compressed cluster with bitmaps', 1, 0x1n, 8],
    ['a misaligned cluster', 0, 0x8000_0000_0005_0200n, 0],
  ])('%s is damage', async (_name, index, word, at) => {
    const { bench, disk } = await make();
    const node = await bench.open(disk);
    await write(node, 0, new Uint8Array(CLUSTER).fill(1));
    await done(node.write(CLUSTER, new Uint8Array(CLUSTER).fill(1), 0, CLUSTER, WriteFlag.Compressed));
    await bench.graph.release(node);
    const bytes = disk.toBytes();
    new DataView(bytes.buffer).setBigUint64(entryOf(disk, index).at + at, word);
    const damaged = await bench.open(new MemoryDisk({ content: bytes }), {}, true);
    await expect(readAll(damaged)).rejects.toMatchObject({ kind: 'corrupt' });
    await bench.graph.release(damaged);
  });
});

describe.skipIf(oracle.skip)(oracle.title('subclusters of the reference'), () => {
  test('shared with a snapshot: what is written moves away, the snapshot stays', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    await createImage(file, 'qcow2', 1 << 20, '-o', `extended_l2=on,cluster_size=${CLUSTER}`);
    await qemuIo(file, ['write -P 1 4k 2k', 'write -P 2 20k 10k', 'write -P 3 64k 64k', 'write -c -P 4 128k 64k', 'write -z 192k 3k'], { format: 'qcow2' });
    expect((await qemuImg('snapshot', '-c', 'one', file)).code).toBe(0);
    const bench = new Bench();
    const disk = load(file);
    const node = await bench.open(disk);
    const model = await readAll(node);
    const before = model.slice();
    for (const [at, length] of [[9 << 10, 100], [30 << 10, 40 << 10], [130 << 10, 10], [192 << 10, 1000], [500 << 10, 1]] as const) {
      await write(node, at, new Uint8Array(length).fill(9));
      model.fill(9, at, at + length);
    }
    expectSameBytes(await readAll(node), model);
    await bench.graph.release(node);
    save(disk, file);
    await checkImage(file);
    await compareWith(file, model);
    expect((await qemuImg('snapshot', '-a', 'one', file)).code).toBe(0);
    await compareWith(file, before);
  });

  test('the extents are those of the reference', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = 4 << 20;
    await createImage(file, 'qcow2', size, '-o', 'extended_l2=on,preallocation=metadata');
    const commands = ['write 4k 6k', 'write -z 5k 2k', 'write 60k 70k', 'discard 64k 64k', 'write -zu 1M 1k', 'write -zu 1M 128k', 'write 2M 2k', 'write -c 3M 64k'];
    await qemuIo(file, commands, { format: 'qcow2', args: ['-d', 'unmap'] });
    const { stdout } = await qemuImg('map', '--output=json', '-f', 'qcow2', file);
    const bench = new Bench();
    const node = await bench.open(load(file), {}, true);
    for (const { start, length, zero, data, present, offset } of JSON.parse(stdout) as { start: number; length: number; zero: boolean; data: boolean; present: boolean; offset?: number }[]) {
      const ours = await node.driver.extent?.(start, size - start);
      expect({ start, allocated: ours?.allocated, data: ours?.data }).toEqual({ start, allocated: present, data });
      expect(ours?.zero === true || ours?.allocated === false).toBe(zero);
      expect(ours?.hostOffset).toBe(offset ?? -1);
      expect(ours?.length).toBeGreaterThanOrEqual(length);
    }
    await bench.graph.release(node);
  });
});
