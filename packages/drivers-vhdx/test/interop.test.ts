/** Both ways with the reference tools, and 7-Zip. */
import { readdirSync, readFileSync } from 'node:fs';
import { expectSameBytes, loadDisk, prng, readAll, saveDisk, writeBytes, type MemoryDisk } from '@blk/driver-conformance';
import { createImage, imageInfo, qemuIo, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, compareWith } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const seven = skipUnless('7zz');
/** 7-Zip opens no disk of an odd number of sectors, neither ours nor the reference's. */
const SIZE = 9_001_984;
const VARIANTS = [
  {}, { subformat: 'fixed' }, { block_size: 1 << 20 }, { subformat: 'fixed', block_size: 2 << 20 }, { block_state_zero: false, log_size: 2 << 20, block_size: 4 << 20 },
] as const;
const asText = (options: object): string => Object.entries(options).map(([name, value]) => `${name}=${value === false ? 'off' : String(value)}`).join(',');

/** Random writes, some of them beside each other in a block. */
async function scribble(bench: Bench, disk: MemoryDisk, model: Uint8Array, seed: number): Promise<void> {
  const node = await bench.open(disk);
  const random = prng(seed);
  for (let step = 0; step < 25; step++) {
    const piece = random.bytes(1 + random.below(random.pick([600, 70_000])));
    const offset = random.below(model.length - piece.length);
    await writeBytes(node, offset, piece);
    model.set(piece, offset);
    if (step % 10 === 0) await node.flush();
    if (step % 6 === 0) {
      const length = 1 + random.below(50_000);
      const at = random.below(model.length - length);
      await node.writeZeroes(at, length, 2);
      model.fill(0, at, at + length);
    }
  }
  expectSameBytes(await readAll(node), model);
  await bench.graph.release(node);
}

describe.skipIf(oracle.skip)(oracle.title('images both ways'), () => {
  test.each(VARIANTS)('made by the reference, changed by both: %o', async (options) => {
    using dir = tempDir();
    const file = dir.file('image');
    await createImage(file, 'vhdx', SIZE, ...(asText(options) === '' ? [] : ['-o', asText(options)]));
    // One opening for each, since some versions of the reference damage the table when it changes twice.
    await qemuIo(file, ['write -P 2 3M 70k'], { format: 'vhdx' });
    const bench = new Bench();
    const disk = loadDisk(file);
    const node = await bench.open(disk);
    const model = await readAll(node);
    expectSameBytes(model, new Uint8Array(SIZE).fill(2, 3 << 20, (3 << 20) + 71_680));
    await bench.graph.release(node);
    await scribble(bench, disk, model, 1);
    saveDisk(disk, file);
    await compareWith(file, model);
  });

  test.each(VARIANTS)('made here: %o', async (options) => {
    using dir = tempDir();
    const file = dir.file('image');
    const bench = new Bench();
    const disk = await bench.create(SIZE, options);
    saveDisk(disk, file);
    const model = new Uint8Array(SIZE);
    await compareWith(file, model);
    await scribble(bench, disk, model, 2);
    saveDisk(disk, file);
    await compareWith(file, model);
    if (!seven.skip) {
      const unpacked = await run('7zz', ['e', '-y', '-tvhdx', `-o${dir.file('out')}`, file]);
      expect(unpacked.code, unpacked.stderr).toBe(0);
      const [name] = readdirSync(dir.file('out'));
      expectSameBytes(readFileSync(`${dir.file('out')}/${name}`).subarray(0, SIZE), model);
    }
    // And written by the reference, into a block that is there.
    if (!('subformat' in options)) return;
    await qemuIo(file, ['write -P 9 4M 1M'], { format: 'vhdx' });
    model.fill(9, 4 << 20, 5 << 20);
    expectSameBytes(await readAll(await bench.open(loadDisk(file))), model);
  });

  test('block sizes by the size of the disk', async () => {
    using dir = tempDir();
    for (const [size, options] of [[2 ** 30, ''], [2 ** 30 + 512, ''], [100 * 2 ** 30 + 512, ''], [33 * 2 ** 40, ''], [10 << 20, 'block_size=1500000'], [10 << 20, 'block_size=512M']] as const) {
      const off = 'block_state_zero=off';
      await createImage(dir.file('theirs'), 'vhdx', size, '-o', options === '' ? off : `${options},${off}`);
      const ours = await new Bench().create(size, { block_state_zero: 'off', ...(options === '' ? {} : { block_size: options.slice(11) }) });
      const node = await new Bench().open(ours);
      const theirs = await imageInfo(dir.file('theirs'));
      expect([node.size, (await node.driver.info?.())?.clusterSize]).toEqual([theirs['virtual-size'], theirs['cluster-size']]);
    }
  });

  test.each([
    [10 << 20, { block_size: 3 << 20 }, 'Block size must be a power of two'],
    [10 << 20, { log_size: 0 }, 'Log size must be a multiple of 1 MB'],
    [10 << 20, { log_size: 5 * 2 ** 30 }, 'Log size must be smaller than 4 GB'],
    [65 * 2 ** 40, {}, 'Image size too large; max of 64TB'],
  ])('refused: %i, %o', async (size, options, message) => {
    await expect(new Bench().create(size, options)).rejects.toMatchObject({ message });
  });
});
