/** Images both ways: made by the reference and read here, made here and read, checked and written by the reference. */
import { readFileSync } from 'node:fs';
import { expectSameBytes, prng, type MemoryDisk, type Prng } from '@blk/driver-conformance';
import { createImage, imageInfo, qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, checkImage, compareWith, load, readAll, save } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const VARIANTS = [{}, { static: true }] as const;
const word = (options: { readonly static?: boolean }): string[] => (options.static === true ? ['-o', 'static=on'] : []);
/** Where the UUIDs are. */
const UUIDS = [0x188, 0x1a8] as const;

/** Random writes and zeroes, here and in `model`. */
async function play(bench: Bench, disk: MemoryDisk, model: Uint8Array, random: Prng): Promise<void> {
  const node = await bench.open(disk);
  for (let step = 0; step < 25; step++) {
    const offset = random.below(model.length);
    const length = Math.min(model.length - offset, 1 + random.below(random.pick([600, 100_000, 2_500_000])));
    if (random.below(5) === 0) {
      model.fill(0, offset, offset + length);
      await node.writeZeroes(offset, length, random.pick([0, 2]));
    } else {
      const bytes = random.bytes(length);
      model.set(bytes, offset);
      await node.write(offset, bytes, 0, length);
    }
    if (random.below(4) === 0) await node.flush();
  }
  expectSameBytes(await readAll(node), model);
  await bench.graph.release(node);
}

/** The same by the reference. */
async function playTheirs(file: string, model: Uint8Array, random: Prng): Promise<void> {
  const commands: string[] = [];
  for (let step = 0; step < 12; step++) {
    const offset = random.below(model.length / 512) * 512;
    const length = Math.min(model.length - offset, 512 * (1 + random.below(3000)));
    const pattern = random.below(256);
    model.fill(pattern, offset, offset + length);
    commands.push(pattern === 0 ? `write -z ${offset} ${length}` : `write -P ${pattern} ${offset} ${length}`);
  }
  expect(await qemuIo(file, commands, { format: 'vdi' })).toMatchObject({ code: 0 });
}

describe.skipIf(oracle.skip)(oracle.title('both ways'), () => {
  test.each(VARIANTS)('turns of writing here and there, %o', async (options) => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = (6 << 20) + 1536;
    const model = new Uint8Array(size);
    const random = prng(options === VARIANTS[0] ? 1 : 2);
    const bench = new Bench();
    save(await bench.create(size, options), file);
    for (let turn = 0; turn < 3; turn++) {
      await playTheirs(file, model, random);
      const disk = load(file);
      await play(bench, disk, model, random);
      save(disk, file);
      await checkImage(file);
      await compareWith(file, model);
    }
    await createImage(file, 'vdi', size, ...word(options));
    const disk = load(file);
    const theirs = new Uint8Array(size);
    await play(bench, disk, theirs, random);
    save(disk, file);
    await checkImage(file);
    await compareWith(file, theirs);
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
      const node = await new Bench().open(load(dir.file('image')));
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
