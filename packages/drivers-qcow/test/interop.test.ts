/** Images both ways: made by the reference and read here, made here and read and written by the reference. */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { deflateRaw } from '@blk/compression';
import { WriteFlag } from '@blk/core-graph';
import { expectSameBytes, loadDisk, MemoryDisk, prng, saveDisk, scribble } from '@blk/driver-conformance';
import { createImage, expectContent, qemuImg, qemuIo, run, needTool, scribbleWithQemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, checkBytes, ENCRYPTED, KEY } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const words = (options: object): string[] => Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
const SECRET = ['--object', 'secret,id=sec0,data=open sesame'];

describe.skipIf(oracle.skip)(oracle.title('both ways'), () => {
  test('turns of writing here and there', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = (6 << 20) + 1536;
    const model = new Uint8Array(size);
    const random = prng(3);
    const bench = new Bench();
    saveDisk(await bench.create(size), file);
    for (let turn = 0; turn < 3; turn++) {
      await scribbleWithQemuIo(file, 'qcow', model, random);
      const disk = loadDisk(file);
      await scribble(bench, disk, model, random);
      checkBytes(disk);
      saveDisk(disk, file);
      await expectContent(file, 'qcow', model);
    }
  });

  test('over a backing file', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = 6 << 20;
    const random = prng(4);
    const below = random.bytes(5 << 20);
    writeFileSync(dir.file('below'), below);
    await createImage(file, 'qcow', size, '-b', dir.file('below'), '-F', 'raw');
    const model = new Uint8Array(size);
    model.set(below);
    const bench = new Bench();
    const backing = { driver: 'raw', file: new MemoryDisk({ content: below }).definition };
    for (let turn = 0; turn < 2; turn++) {
      // The reference takes its time over each of these small clusters.
      const offset = 512 * random.below(9000);
      model.fill(turn + 5, offset, offset + 70 * 512);
      expect(await qemuIo(file, [`write -P ${turn + 5} ${offset} ${70 * 512}`], { format: 'qcow' })).toMatchObject({ code: 0 });
      const disk = loadDisk(file);
      await scribble(bench, disk, model, random, { backing });
      checkBytes(disk);
      saveDisk(disk, file);
      await expectContent(file, 'qcow', model);
    }
  });

  test('encrypted', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const bench = new Bench();
    const model = new Uint8Array(3 << 20);
    const random = prng(5);
    saveDisk(await bench.create(model.length, ENCRYPTED), file);
    const theirs = ['--image-opts', `driver=qcow,encrypt.format=aes,encrypt.key-secret=sec0,file.filename=${file}`];
    for (let turn = 0; turn < 2; turn++) {
      const offset = 512 * random.below(4000);
      model.fill(turn + 5, offset, offset + 70 * 512);
      expect(await run(needTool('qemu-io'), [...SECRET, '-c', `write -P ${turn + 5} ${offset} ${70 * 512}`, ...theirs])).toMatchObject({ code: 0 });
      const disk = loadDisk(file);
      await scribble(bench, disk, model, random, KEY);
      saveDisk(disk, file);
      expect(await qemuImg('convert', ...SECRET, '-O', 'raw', ...theirs, dir.file('raw'))).toMatchObject({ code: 0 });
      expectSameBytes(new Uint8Array(readFileSync(dir.file('raw'))), model);
    }
    const disk = loadDisk(file);
    await expect(bench.open(disk)).rejects.toMatchObject({ message: "Parameter 'encrypt.key-secret' is required for cipher" });
    await expect(bench.open(disk, { encrypt: { format: 'luks', 'key-secret': 'sec0' } })).rejects.toMatchObject({ message: /^Header reported 'aes'/ });
  });

  test('compressed by the reference, and by ours', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const random = prng(6);
    const model = new Uint8Array(4 << 20);
    model.fill(97, 0, 3_000_000);
    model.set(random.bytes(200_000), 3_000_000);
    writeFileSync(dir.file('raw'), model);
    // It ends with 1 even where all is well.
    await qemuImg('convert', '-c', '-O', 'qcow', dir.file('raw'), file);
    await expectContent(file, 'qcow', model);
    const bench = new Bench();
    const theirs = loadDisk(file);
    expectSameBytes(await bench.content(theirs), model);
    await scribble(bench, theirs, model, random);
    saveDisk(theirs, file);
    await expectContent(file, 'qcow', model);
    const disk = await bench.create(model.length);
    const node = await bench.open(disk);
    await node.write(0, model, 0, model.length, WriteFlag.Compressed);
    await expect((async () => node.write(0, model, 0, 512, WriteFlag.Compressed))()).rejects.toMatchObject({ kind: 'invalid-argument' });
    await bench.graph.release(node);
    expect(disk.size).toBeLessThan(model.length * 0.9);
    expectSameBytes(await bench.content(disk), model);
    saveDisk(disk, file);
    await expectContent(file, 'qcow', model);
  });

  test('compressed over a backing file, in clusters of 512 bytes', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const model = prng(10).bytes(1 << 20);
    writeFileSync(dir.file('below'), model);
    await createImage(file, 'qcow', model.length, '-b', dir.file('below'), '-F', 'raw');
    const backing = { driver: 'raw', file: new MemoryDisk({ content: model.slice() }).definition };
    const bench = new Bench();
    const disk = loadDisk(file);
    const node = await bench.open(disk, { backing });
    for (const [offset, length] of [[0, 512], [5120, 20 * 512], [model.length - 512, 512]] as const) {
      model.fill(offset & 0x7f, offset, offset + length).fill(3, offset + 7, offset + 100);
      await node.write(offset, model, offset, length, WriteFlag.Compressed);
    }
    await bench.graph.release(node);
    expectSameBytes(await bench.content(disk, { backing }), model);
    saveDisk(disk, file);
    await expectContent(file, 'qcow', model);
    model.fill(9, 512, 1024);
    expect(await qemuIo(file, ['write -c -P 9 512 512'], { format: 'qcow' })).toMatchObject({ code: 0 });
    expectSameBytes(await bench.content(loadDisk(file), { backing }), model);
  });

  test('clusters that take as much room packed as not, or a byte less or more', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const random = prng(9);
    const clusters = Array.from({ length: 160 }, (_, step) => random.bytes(4096).map((byte, at) => (at < 1500 + 4 * step ? byte & 0x7f : byte)));
    const lengths = await Promise.all(clusters.map(async (cluster) => (await deflateRaw(cluster, { windowBits: 12 })).length));
    expect(lengths).toEqual(expect.arrayContaining([4096]));
    const model = new Uint8Array(Buffer.concat(clusters));
    const disk = await bench.create(model.length);
    const node = await bench.open(disk);
    await node.write(0, model, 0, model.length, WriteFlag.Compressed);
    await bench.graph.release(node);
    expectSameBytes(await bench.content(disk), model);
    saveDisk(disk, dir.file('image'));
    await expectContent(dir.file('image'), 'qcow', model);
  });

  test('tables, clusters and packed clusters that lie behind 4 GiB in the file', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const random = prng(8);
    const model = new Uint8Array(6 << 20);
    const disk = await bench.create(model.length);
    const far = 5 * 2 ** 30;
    await disk.truncate(far);
    const node = await bench.open(disk);
    // Each has a table of its own.
    for (const [offset, flags] of [[0, WriteFlag.Compressed], [2 << 20, 0], [4 << 20, WriteFlag.Compressed], [8192, WriteFlag.Compressed]] as const) {
      const bytes = random.bytes(4096).fill(1, 1000);
      model.set(bytes, offset);
      await node.write(offset, bytes, 0, bytes.length, flags);
    }
    await bench.graph.release(node);
    expectSameBytes(await bench.content(disk), model);
    const fd = openSync(dir.file('image'), 'w');
    for (const [from, end] of [[0, 65536], [far, disk.size]] as const) {
      const bytes = new Uint8Array(end - from);
      disk.content.read(from, bytes, 0, bytes.length);
      writeSync(fd, bytes, 0, bytes.length, from);
    }
    closeSync(fd);
    await expectContent(dir.file('image'), 'qcow', model);
  });

  test.each([
    [1, {}], [(10 << 20) + 1, {}], [2 ** 40, {}], [10 << 20, { backing_file: 'y', backing_fmt: 'raw' }], [2 ** 34, { backing_file: 'longer' }],
  ])('a new image of %d bytes, %o, is the same to the byte', async (size, options) => {
    using dir = tempDir();
    await qemuImg('create', '-q', '-u', '-f', 'qcow', ...words({ backing_fmt: 'raw', ...options }), dir.file('theirs'), String(size));
    const bench = new Bench();
    await bench.graph.create('memory:image', { format: 'qcow', size, options, unsafe: true });
    expect(Buffer.compare(bench.disks.get('image').toBytes(), readFileSync(dir.file('theirs')))).toBe(0);
  });

  test.each([[0, {}], [1 << 20, { 'encrypt.format': 'luks', 'encrypt.key-secret': 'sec0' }], [1 << 20, { encryption: true }]])('refused alike: %d, %o', async (size, options) => {
    using dir = tempDir();
    const { stderr } = await qemuImg('create', '-q', ...SECRET, '-f', 'qcow', ...words(options).map((word) => word.replace('true', 'on')), dir.file('x'), String(size));
    await expect(new Bench().create(size, options)).rejects.toMatchObject({ message: stderr.trim().replace(/^.*?: .*?: /, '') });
  });

  test('the map is that of the reference', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    await createImage(file, 'qcow', '5M');
    await qemuIo(file, ['write -P 1 3M 64k', 'write -P 2 0 64k', 'write -c -P 3 1M 4k'], { format: 'qcow' });
    const node = await new Bench().open(loadDisk(file));
    const { stdout } = await qemuImg('map', '-f', 'qcow', '--output=json', file);
    for (const { start, length, data, present, offset } of JSON.parse(stdout) as { start: number; length: number; data: boolean; present: boolean; offset?: number }[]) {
      // Ours may end where a table does.
      for (let at = 0; at < length; ) {
        const extent = await node.driver.extent?.(start + at, length - at);
        expect(extent).toMatchObject({ data, allocated: present, hostOffset: offset === undefined ? -1 : offset + at });
        at += extent?.length ?? length;
      }
    }
  });
});
