/** Images both ways: made by the reference and read here, made here and read, checked and written by the reference. */
import { readFileSync } from 'node:fs';
import { loadDisk, prng, saveDisk, scribble } from '@blk/driver-conformance';
import { checkImage, createImage, expectContent, imageInfo, qemuImg, qemuIo, scribbleWithQemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const VARIANTS = [{}, { static: true }] as const;
const word = (options: { readonly static?: boolean }): string[] => (options.static === true ? ['-o', 'static=on'] : []);
/** Where the UUIDs are. */
const UUIDS = [0x188, 0x1a8] as const;

describe.skipIf(oracle.skip)(oracle.title('both ways'), () => {
  test.each(VARIANTS)('turns of writing here and there, %o', async (options) => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = (6 << 20) + 1536;
    const model = new Uint8Array(size);
    const random = prng(options === VARIANTS[0] ? 1 : 2);
    const bench = new Bench();
    saveDisk(await bench.create(size, options), file);
    for (let turn = 0; turn < 3; turn++) {
      await scribbleWithQemuIo(file, 'vdi', model, random);
      const disk = loadDisk(file);
      await scribble(bench, disk, model, random);
      saveDisk(disk, file);
      await checkImage(file, 'vdi');
      await expectContent(file, 'vdi', model);
    }
    await createImage(file, 'vdi', size, ...word(options));
    const disk = loadDisk(file);
    const theirs = new Uint8Array(size);
    await scribble(bench, disk, theirs, random);
    saveDisk(disk, file);
    await checkImage(file, 'vdi');
    await expectContent(file, 'vdi', theirs);
  });

  test.each([0, 1, 512, 513, 1 << 20, (10 << 20) + 1, 3 * 2 ** 40])('a new image of %d bytes is the same to the byte', async (size) => {
    using dir = tempDir();
    for (const options of size > 2 ** 30 ? [{}] : VARIANTS) {
      await createImage(dir.file('theirs'), 'vdi', size, ...word(options));
      const ours = (await new Bench().create(size, options)).toBytes();
      const theirs = new Uint8Array(readFileSync(dir.file('theirs')));
      for (const bytes of [ours, theirs]) bytes.fill(0, ...UUIDS);
      expect(Buffer.compare(ours, theirs)).toBe(0);
    }
  });

  test('info and map are those of the reference', async () => {
    using dir = tempDir();
    for (const options of VARIANTS) {
      await createImage(dir.file('image'), 'vdi', '5M', ...word(options));
      const commands = ['write -P 1 3M 64k', 'write -P 2 0 64k', 'write -P 3 1M 64k'];
      expect(await qemuIo(dir.file('image'), commands, { format: 'vdi' })).toMatchObject({ code: 0 });
      const node = await new Bench().open(loadDisk(dir.file('image')));
      const info = await imageInfo(dir.file('image'));
      expect(await node.driver.info?.()).toEqual({ clusterSize: info['cluster-size'], dirty: info['dirty-flag'] });
      const { stdout } = await qemuImg('map', '-f', 'vdi', '--output=json', dir.file('image'));
      const theirs = JSON.parse(stdout) as { start: number; length: number; data: boolean; zero: boolean; offset?: number }[];
      for (const { start, length, data, offset } of theirs) {
        const extent = await node.driver.extent?.(start, length);
        expect(extent).toMatchObject({ data, length, hostOffset: offset ?? -1 });
      }
    }
  });

  test('sizes beyond the format are refused in the same words', async () => {
    using dir = tempDir();
    const size = 1024 * 2 ** 40;
    const { stderr } = await qemuImg('create', '-q', '-f', 'vdi', dir.file('image'), String(size));
    await expect(new Bench().create(size)).rejects.toMatchObject({ kind: 'unsupported', message: stderr.trim().replace(/^.*?: .*?: /, '') });
  });
});
