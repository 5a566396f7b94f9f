/** Images both ways: made by the reference and read here, made here and read, checked and written by the reference. */
import { readFileSync } from 'node:fs';
import { expectSameBytes, loadDisk, prng, saveDisk, scribble } from '@blk/driver-conformance';
import { checkImage, createImage, expectContent, qemuImg, qemuIo, scribbleWithQemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, edited, oldImage, walked } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(oracle.skip)(oracle.title('both ways'), () => {
  test.each([1 << 20, 65536, 63 * 512, 3 << 20])('turns of writing here and there, clusters of %d bytes', async (cluster) => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = (6 << 20) + 1536;
    const model = new Uint8Array(size);
    const random = prng(cluster);
    const bench = new Bench();
    saveDisk(await bench.create(size, { cluster_size: cluster }), file);
    for (let turn = 0; turn < 3; turn++) {
      await scribbleWithQemuIo(file, 'parallels', model, random);
      const disk = loadDisk(file);
      await scribble(bench, disk, model, random);
      saveDisk(disk, file);
      await checkImage(file, 'parallels');
      await expectContent(file, 'parallels', model);
      expectSameBytes(walked(disk), model);
    }
    await createImage(file, 'parallels', size, '-o', `cluster_size=${cluster}`);
    const disk = loadDisk(file);
    const theirs = new Uint8Array(size);
    await scribble(bench, disk, theirs, random);
    saveDisk(disk, file);
    await checkImage(file, 'parallels');
    await expectContent(file, 'parallels', theirs);
  });

  test('images of the old kind', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const bench = new Bench();
    const disk = oldImage(60);
    const model = new Uint8Array((60 * 63 - 5) * 512);
    const random = prng(9);
    await scribble(bench, disk, model, random);
    saveDisk(disk, file);
    await expectContent(file, 'parallels', model);
    expectSameBytes(walked(disk), model);
    // The reference writes where the data offset is said.
    const said = edited(oldImage(60), [[48, 64]]);
    await said.truncate(64 * 512);
    saveDisk(said, file);
    const theirs = new Uint8Array(model.length);
    await scribbleWithQemuIo(file, 'parallels', theirs, random);
    const back = loadDisk(file);
    await scribble(bench, back, theirs, random);
    saveDisk(back, file);
    await expectContent(file, 'parallels', theirs);
    expectSameBytes(walked(back), theirs);
  });

  test.each([
    [0, {}], [1, {}], [513, {}], [(10 << 20) + 1, {}], [3 * 2 ** 40, {}], [10 << 20, { cluster_size: 512 }], [10 << 20, { cluster_size: 1000 }], [10 << 20, { cluster_size: 1 }],
    [10 << 20, { cluster_size: 1047552 }], [1 << 20, { cluster_size: 65536 }],
  ])('a new image of %d bytes, %o, is the same to the byte', async (size, options) => {
    using dir = tempDir();
    await createImage(dir.file('theirs'), 'parallels', size, ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]));
    const ours = await new Bench().create(size, options);
    expect(Buffer.compare(ours.toBytes(), readFileSync(dir.file('theirs')))).toBe(0);
  });

  test.each([
    [10 << 20, { cluster_size: 0 }], [10 << 20, { cluster_size: 2 ** 31 }], [4_503_599_627_370_495, {}],
  ])('refused alike: %d, %o', async (size, options) => {
    using dir = tempDir();
    const { stderr } = await qemuImg('create', '-q', '-f', 'parallels', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]), dir.file('x'), String(size));
    await expect(new Bench().create(size, options)).rejects.toMatchObject({ message: stderr.trim().replace(/^.*?: .*?: /, '') });
  });

  test('the map is that of the reference', async () => {
    using dir = tempDir();
    await createImage(dir.file('image'), 'parallels', '5M');
    await qemuIo(dir.file('image'), ['write -P 1 3M 64k', 'write -P 2 0 64k', 'write -P 3 1M 64k'], { format: 'parallels' });
    const node = await new Bench().open(loadDisk(dir.file('image')));
    const { stdout } = await qemuImg('map', '-f', 'parallels', '--output=json', dir.file('image'));
    const theirs = JSON.parse(stdout) as { start: number; length: number; data: boolean; present: boolean; offset?: number }[];
    for (const { start, length, data, present, offset } of theirs) {
      expect(await node.driver.extent?.(start, length)).toMatchObject({ data, allocated: present, length, hostOffset: offset ?? -1 });
    }
  });
});
