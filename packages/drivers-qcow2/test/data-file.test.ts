/** External data files: which one is opened, what is made, and what the reference makes of it. */
import { readFileSync } from 'node:fs';
import { BlockGraph, NO_LIMITS, TRUSTED, UNTRUSTED } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk } from '@blk/driver-conformance';
import { qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { qcow2 } from '../src/index.js';
import { Bench, checkImage, compareWith, done, load, readAll, save, write } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const SIZE = 1 << 20;

async function filled(options: Record<string, unknown> = {}): Promise<{ bench: Bench; disk: MemoryDisk; data: MemoryDisk }> {
  const bench = new Bench();
  const disk = await bench.create(SIZE, { data_file: 'memory:data', ...options });
  const node = await bench.open(disk);
  await write(node, 5000, new Uint8Array(100_000).fill(3));
  await bench.graph.release(node);
  return { bench, disk, data: bench.disks.get('data') };
}

describe('the data file', () => {
  test('holds the guest offsets, and nothing of it is in the image', async () => {
    const { bench, disk, data } = await filled();
    expect(data.size).toBe(SIZE);
    expectSameBytes(data.toBytes().subarray(5000, 105_000), new Uint8Array(100_000).fill(3));
    expect(disk.size).toBeLessThanOrEqual(5 * 65536);
    const node = await bench.open(disk, {}, true);
    expect(await node.extent(65536, 100)).toMatchObject({ data: true, hostOffset: 65536 });
    expect((await node.driver.info?.())?.specific?.data).toMatchObject({ 'data-file': 'memory:data', 'data-file-raw': false });
    await bench.graph.release(node);
  });

  test('named by the caller replaces the recorded one', async () => {
    const { bench, disk, data } = await filled();
    const other = new MemoryDisk({ content: data.toBytes().fill(8, 5000, 6000) });
    const node = await bench.open(disk, { 'data-file': other.definition }, true);
    expect((await readAll(node))[5000]).toBe(8);
    await bench.graph.release(node);
  });

  test('recorded in an image is opened only where the policy allows it', async () => {
    const { bench, disk, data } = await filled();
    const asked: unknown[] = [];
    const policies = [UNTRUSTED, { ...TRUSTED, allowReference: (...all: unknown[]) => (asked.push(all), false) }];
    for (const policy of policies) {
      const graph = new BlockGraph({ drivers: [bench.disks.driver, qcow2], policy });
      const image = { driver: 'qcow2', file: disk.definition };
      await expect(graph.open(image, { readOnly: true })).rejects.toMatchObject({
        kind: 'policy',
        message: "The policy for this image does not allow its data file 'memory:data'",
      });
      const node = await graph.open({ ...image, 'data-file': data.definition }, { readOnly: true });
      expect((await readAll(node))[5000]).toBe(3);
      await graph.release(node);
    }
    expect(asked).toEqual([['memory:data', 'data-file', 'memory:']]);
  });

  test('that is missing or not wanted is told in one sentence', async () => {
    const { bench, disk } = await filled();
    const copy = copyOf(disk);
    bench.disks.put('data', new MemoryDisk());
    const elsewhere = new Bench();
    await expect(elsewhere.open(copy, {}, true)).rejects.toThrow("Could not open 'memory:data': No such file or directory");
    const plain = await elsewhere.create(SIZE);
    await expect(elsewhere.open(plain, { 'data-file': copy.definition })).rejects.toThrow("'data-file' can only be set for images with an external data file");
  });

  test('need not be there for metadata only, and reading fails then', async () => {
    const { disk } = await filled();
    const graph = new BlockGraph({ drivers: [new Bench().disks.driver, qcow2] });
    const node = await graph.open({ driver: 'qcow2', file: disk.definition }, { readOnly: true, noIo: true });
    expect((await node.driver.info?.())?.specific?.data).toMatchObject({ 'data-file': 'memory:data' });
    await expect(readAll(node)).rejects.toThrow('The external data file is not open');
    await graph.release(node);
  });

  test('cut short is an error, not zeroes', async () => {
    const { bench, disk, data } = await filled();
    data.content.resize(70_000);
    const node = await bench.open(disk, {}, true);
    await expect(readAll(node)).rejects.toMatchObject({ kind: 'io' });
    await bench.graph.release(node);
  });

  test('takes no compressed clusters', async () => {
    const { bench, disk } = await filled();
    const node = await bench.open(disk);
    await expect(done(node.write(0, new Uint8Array(65536), 0, 65536, 16))).rejects.toMatchObject({ kind: 'unsupported' });
    await bench.graph.release(node);
  });

  test('in another order than the guest’s is refused, and so is a compressed entry', async () => {
    for (const [high, low, message] of [
      [0x8000_0000, 0x30000, /only equal offsets are supported/],
      [0x4000_0000, 0x30000, /Compressed cluster entry found in image with external data file/],
    ] as const) {
      const { bench, disk } = await filled();
      const bytes = disk.toBytes();
      const view = new DataView(bytes.buffer);
      const l1 = Number(view.getBigUint64(40));
      const l2 = Number(view.getBigUint64(l1) & 0x00ff_ffff_ffff_fe00n);
      view.setUint32(l2, high);
      view.setUint32(l2 + 4, low);
      const node = await bench.open(new MemoryDisk({ content: bytes }), {}, true);
      await expect(readAll(node)).rejects.toThrow(message);
      await bench.graph.release(node);
    }
  });

  test('on a device that can not grow or shrink keeps its size', async () => {
    const { bench, disk, data } = await filled({ data_file_raw: true });
    const device = new MemoryDisk({ content: data.toBytes(), growable: false, without: ['truncate'], limits: NO_LIMITS });
    const node = await bench.open(disk, { 'data-file': device.definition });
    await node.truncate(SIZE / 2, { preallocation: 'off', shrink: true });
    await expect(node.truncate(SIZE * 2)).rejects.toThrow();
    await node.truncate(SIZE);
    const bytes = await readAll(node);
    expect(bytes[5000]).toBe(3);
    await bench.graph.release(node);
    expectSameBytes(device.toBytes(), bytes);
  });
});

describe.skipIf(oracle.skip)(oracle.title('data files of the reference'), () => {
  test.each([{ raw: 'off' }, { raw: 'on' }])('raw $raw: read, written to, whole for it afterwards', async ({ raw }) => {
    using dir = tempDir();
    const [file, name] = [dir.file('image'), dir.file('data')];
    expect((await qemuImg('create', '-f', 'qcow2', '-o', `data_file=${name},data_file_raw=${raw}`, file, '1M')).code).toBe(0);
    await qemuIo(file, ['write -P 5 0 256k', 'write -z 0 64k', 'write -zu 64k 64k', 'discard 128k 64k', 'write -P 6 513k 1k', 'write -z 640k 64k'], { format: 'qcow2', args: ['-d', 'unmap'] });
    const model = new Uint8Array(SIZE);
    model.fill(5, 192 << 10, 256 << 10);
    model.fill(6, 513 << 10, 514 << 10);
    const bench = new Bench();
    const [disk, data] = [load(file), load(name)];
    const node = await bench.open(disk, { 'data-file': data.definition });
    expectSameBytes(await readAll(node), model);
    await write(node, 0, new Uint8Array(3000).fill(7));
    model.fill(7, 0, 3000);
    await done(node.writeZeroes(200 << 10, 300_000, 2));
    model.fill(0, 200 << 10, (200 << 10) + 300_000);
    await bench.graph.release(node);
    if (raw === 'on') expectSameBytes(data.toBytes(), model);
    save(disk, file);
    save(data, name);
    await checkImage(file);
    await compareWith(file, model);
    expect(readFileSync(file)[95]).toBe(raw === 'on' ? 2 : 0);
  });
});

function copyOf(disk: MemoryDisk): MemoryDisk {
  return new MemoryDisk({ content: disk.toBytes() });
}
