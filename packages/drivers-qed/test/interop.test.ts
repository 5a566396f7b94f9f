/** Images both ways: made by the reference and read here, made here and read, checked and written by the reference. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expectSameBytes, loadDisk, MemoryDisk, prng, readAll, saveDisk, scribble } from '@blk/driver-conformance';
import { checkImage, createImage, expectContent, imageInfo, qemuImg, qemuIo, scribbleWithQemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const words = (options: object): string[] => Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);

describe.skipIf(oracle.skip)(oracle.title('both ways'), () => {
  test.each([{}, { cluster_size: 4096, table_size: 2 }, { cluster_size: 1 << 20, table_size: 16 }, { cluster_size: 65536, table_size: 2 }])('turns of writing here and there, %o', async (options) => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = (6 << 20) + 1536;
    const model = new Uint8Array(size);
    const random = prng(3);
    const bench = new Bench();
    saveDisk(await bench.create(size, options), file);
    for (let turn = 0; turn < 3; turn++) {
      await scribbleWithQemuIo(file, 'qed', model, random);
      const disk = loadDisk(file);
      await scribble(bench, disk, model, random);
      saveDisk(disk, file);
      await checkImage(file, 'qed');
      await expectContent(file, 'qed', model);
    }
  });

  test('over a backing file', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = 6 << 20;
    const random = prng(4);
    const below = random.bytes(5 << 20);
    writeFileSync(dir.file('below'), below);
    await createImage(file, 'qed', size, '-b', dir.file('below'), '-F', 'raw', '-o', 'cluster_size=8192');
    const model = new Uint8Array(size);
    model.set(below);
    const bench = new Bench();
    const backing = { driver: 'raw', file: new MemoryDisk({ content: below }).definition };
    for (let turn = 0; turn < 3; turn++) {
      await scribbleWithQemuIo(file, 'qed', model, random);
      const disk = loadDisk(file);
      await scribble(bench, disk, model, random, { backing });
      saveDisk(disk, file);
      await checkImage(file, 'qed');
      await expectContent(file, 'qed', model);
    }
  });

  test.each([
    [0, {}], [1, {}], [(10 << 20) + 1, {}], [2 ** 46, {}], [10 << 20, { cluster_size: 4096, table_size: 1 }], [10 << 20, { cluster_size: 2 ** 20, table_size: 16 }],
    [10 << 20, { backing_file: 'below', backing_fmt: 'raw' }], [10 << 20, { backing_file: 'below', backing_fmt: 'qcow2' }],
  ])('a new image of %d bytes, %o, is the same to the byte', async (size, options) => {
    using dir = tempDir();
    await qemuImg('create', '-q', '-u', '-f', 'qed', ...words(options), dir.file('theirs'), String(size));
    const bench = new Bench();
    await bench.graph.create('memory:image', { format: 'qed', size, options, unsafe: true });
    expect(Buffer.compare(bench.disks.get('image').toBytes(), readFileSync(dir.file('theirs')))).toBe(0);
  });

  test.each([
    [10 << 20, { cluster_size: 1000 }], [10 << 20, { cluster_size: 2 ** 27 }], [10 << 20, { table_size: 3 }], [10 << 20, { table_size: 32 }], [2 ** 50, {}],
    [2 ** 31, { cluster_size: 4096, table_size: 1 }],
  ])('refused alike: %d, %o', async (size, options) => {
    using dir = tempDir();
    const { stderr } = await qemuImg('create', '-q', '-f', 'qed', ...words(options), dir.file('x'), String(size));
    await expect(new Bench().create(size, options)).rejects.toMatchObject({ message: stderr.trim().replace(/^.*?: .*?: /, '') });
  });

  test('the map is that of the reference, and so is the name of a backing file after it was changed', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    await createImage(file, 'qed', '5M', '-o', 'cluster_size=4096,table_size=2');
    await qemuIo(file, ['write -P 1 3M 64k', 'write -P 2 0 64k', 'write -z 1M 64k'], { format: 'qed' });
    const bench = new Bench();
    const disk = loadDisk(file);
    const node = await bench.open(disk);
    const { stdout } = await qemuImg('map', '-f', 'qed', '--output=json', file);
    for (const { start, length, data, present, offset } of JSON.parse(stdout) as { start: number; length: number; data: boolean; present: boolean; offset?: number }[]) {
      expect(await node.driver.extent?.(start, length)).toMatchObject({ data, allocated: present, length, hostOffset: offset ?? -1 });
    }
    for (const backing of [{ filename: 'one', format: 'raw' }, { filename: 'another', format: 'qcow2' }, undefined]) {
      await node.driver.changeBackingFile?.(backing);
      expect(node.driver.recordedBacking).toEqual(backing);
      saveDisk(disk, file);
      const info = await imageInfo(file, '-f', 'qed');
      expect([info['backing-filename'], info['backing-filename-format']]).toEqual([backing?.filename, backing?.format === 'raw' ? 'raw' : undefined]);
    }
    await bench.graph.release(node);
  });

  test('a disk that grew has zeroes at its end, whatever a longer backing file holds', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create((1 << 20) + 1536, { cluster_size: 4096, table_size: 2 });
    const below = new Uint8Array(12 << 20).fill(7);
    const backing = { driver: 'raw', file: new MemoryDisk({ content: below }).definition };
    const node = await bench.open(disk, { backing });
    await expect(node.truncate(1 << 20)).rejects.toMatchObject({ message: 'Shrinking images is currently not supported' });
    await expect(node.truncate(2 ** 40)).rejects.toMatchObject({ message: 'Invalid image size specified' });
    await node.truncate(10 << 20);
    await node.write(9 << 20, new Uint8Array(100).fill(3), 0, 100);
    const expected = new Uint8Array(10 << 20).fill(7, 0, (1 << 20) + 1536).fill(3, 9 << 20, (9 << 20) + 100);
    expectSameBytes(await readAll(node), expected);
    await bench.graph.release(node);
    saveDisk(disk, dir.file('image'));
    writeFileSync(dir.file('below'), below);
    await checkImage(dir.file('image'), 'qed');
    await qemuImg('rebase', '-u', '-f', 'qed', '-b', dir.file('below'), '-F', 'raw', dir.file('image'));
    await expectContent(dir.file('image'), 'qed', expected);
  });

  test('a file of more clusters than a cluster has bytes leaks none, whatever the reference says', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    await createImage(file, 'qed', 17 << 20, '-o', 'cluster_size=4096,table_size=2');
    await qemuIo(file, ['write -q 0 16m'], { format: 'qed' });
    const theirs = JSON.parse((await qemuImg('check', '--output=json', '-f', 'qed', file)).stdout) as { leaks?: number };
    expect(theirs.leaks).toBe(1);
    // The header, the first table, four second ones, and the data.
    const disk = loadDisk(file);
    expect(disk.toBytes().length).toBe((1 + 2 + 4 * 2 + 4096) * 4096);
    expect((await new Bench().check(disk)).result).toMatchObject({ corruptions: 0, leaks: 0 });
  });
});
