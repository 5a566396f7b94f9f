/** Both ways with the reference tools, 7-Zip, and over parents. */
import { readFileSync } from 'node:fs';
import { UNTRUSTED } from '@blk/core-graph';
import { expectSameBytes, loadDisk, MemoryDisk, prng, readAll, saveDisk, writeBytes } from '@blk/driver-conformance';
import { createImage, expectContent, imageInfo, qemuIo, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, differencing } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const seven = skipUnless('7zz');
const VARIANTS = [{}, { subformat: 'fixed' }, { force_size: true }, { subformat: 'fixed', force_size: true }] as const;
const asText = (options: object): string => Object.entries(options).map(([name, value]) => `${name}=${value === true ? 'on' : String(value)}`).join(',');

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
    await createImage(file, 'vpc', 9_000_000, ...(asText(options) === '' ? [] : ['-o', asText(options)]));
    await qemuIo(file, ['write -P 1 0 512', 'write -P 2 3M 70k', 'write -P 3 6000000 1k'], { format: 'vpc' });
    const bench = new Bench();
    const disk = loadDisk(file);
    const node = await bench.open(disk);
    const model = await readAll(node);
    expect(node.size).toBe((await imageInfo(file, '-f', 'vpc'))['virtual-size']);
    expect([model[0], model[3 << 20], model[6_000_000], model[5_000_000]]).toEqual([1, 2, 3, 0]);
    await bench.graph.release(node);
    await scribble(bench, disk, model, 1);
    saveDisk(disk, file);
    await expectContent(file, 'vpc', model);
    await qemuIo(file, ['write -P 9 4M 3M', 'write -P 8 7k 3k'], { format: 'vpc' });
    model.fill(9, 4 << 20, 7 << 20).fill(8, 7 << 10, 10 << 10);
    expectSameBytes(await readAll(await bench.open(loadDisk(file))), model);
  });

  test.each(VARIANTS)('made here: %o', async (options) => {
    using dir = tempDir();
    const file = dir.file('image');
    const bench = new Bench();
    const disk = await bench.create(9_000_000, options);
    saveDisk(disk, file);
    const { 'virtual-size': size } = await imageInfo(file, '-f', 'vpc');
    const model = new Uint8Array(size as number);
    await expectContent(file, 'vpc', model);
    await scribble(bench, disk, model, 2);
    saveDisk(disk, file);
    await expectContent(file, 'vpc', model);
    if (seven.skip) return;
    const unpacked = await run('7zz', ['e', '-y', '-tvhd', `-o${dir.file('out')}`, file]);
    expect(unpacked.code, unpacked.stderr).toBe(0);
    const name = (await run('ls', [dir.file('out')])).stdout.trim();
    expectSameBytes(readFileSync(`${dir.file('out')}/${name}`).subarray(0, model.length), model);
  });

  test('new images are the same but for time and identifier, at all sizes', async () => {
    using dir = tempDir();
    const random = prng(6);
    const sizes = [0, 1, 512, 513, 34816, 10 << 20, 2 ** 30, 127 * 2 ** 30, 136_899_993_600, 136_899_993_601, 2040 * 2 ** 30];
    // Where the calculation of geometries goes another way.
    for (const sectors of [69_632, 278_528, 507_904, 66_059_280, 267_382_800]) for (const more of [-1, 0, 1]) sizes.push((sectors + more) * 512);
    for (let more = 0; more < 12; more++) sizes.push(random.below(2 ** (9 + more * 2)) * 512);
    for (const size of sizes) {
      for (const options of [{}, { force_size: true }, { subformat: 'fixed' }]) {
        if ('subformat' in options && size > 2 ** 24) continue;
        await createImage(dir.file('theirs'), 'vpc', size, ...(asText(options) === '' ? [] : ['-o', asText(options)]));
        const theirs = new Uint8Array(readFileSync(dir.file('theirs')));
        const ours = (await new Bench().create(size, options)).toBytes();
        for (const bytes of [theirs, ours]) {
          for (const at of [0, bytes.length - 512]) {
            if (String.fromCharCode(...bytes.subarray(at, at + 8)) === 'conectix') bytes.fill(0, at + 24, at + 28).fill(0, at + 64, at + 84);
          }
        }
        expectSameBytes(ours, theirs, `size ${size}, ${asText(options)}`);
      }
    }
  });

  test('what Azure takes: a fixed disk of whole MiB, footer behind it', async () => {
    const bytes = (await new Bench().create(3 << 20, { subformat: 'fixed', force_size: true })).toBytes();
    expect(bytes.length).toBe((3 << 20) + 512);
    const view = new DataView(bytes.buffer, 3 << 20);
    expect(view.getUint32(52)).toBe(3 << 20);
    expect(view.getUint32(60)).toBe(2);
  });

  test('no other size than the format has', async () => {
    await expect(new Bench().create(2040 * 2 ** 30 + 1)).rejects.toMatchObject({ message: "The image size is too large for file format 'vpc'" });
  });
});

describe('differencing disks', () => {
  const parentOf = async (bench: Bench): Promise<{ disk: MemoryDisk; model: Uint8Array }> => {
    const disk = await bench.create(5 << 20, { force_size: true }, 'parent.vhd');
    const model = new Uint8Array(5 << 20);
    await scribble(bench, disk, model, 8);
    return { disk, model };
  };
  const named = async (bench: Bench, name: string, platform: string): Promise<Uint8Array> => {
    const { disk } = await parentOf(bench);
    const child = bench.disks.put('child.vhd');
    const bytes = differencing(disk.toBytes(), name, { platform });
    child.content.write(0, bytes, 0, bytes.length);
    const node = await bench.graph.open('memory:child.vhd', { format: 'vpc', readOnly: true });
    expect(node.driver.recordedBacking?.format).toBe('vpc');
    return readAll(node);
  };

  test.each([
    ['parent.vhd', 'W2ru'],
    ['.\\parent.vhd', 'W2ru'],
    ['C:\\Users\\x\\parent.vhd', 'W2ku'],
  ])('a parent named %s by %s', async (name, platform) => {
    const bench = new Bench();
    const content = await named(bench, name, platform);
    expectSameBytes(content, (await parentOf(new Bench())).model);
  });

  test('a parent that the policy does not allow, that is not there, or is another', async () => {
    await expect(named(new Bench(UNTRUSTED), 'parent.vhd', 'W2ru')).rejects.toMatchObject({ kind: 'policy' });
    await expect(named(new Bench(), 'other.vhd', 'W2ru')).rejects.toMatchObject({ message: /^Could not open backing file/ });
    await expect(named(new Bench(), 'file:///', 'MacX')).rejects.toThrow();
    const bench = new Bench();
    const { disk } = await parentOf(bench);
    const child = new MemoryDisk({ content: differencing(disk.toBytes(), 'parent.vhd') });
    const other = await bench.create(5 << 20, { force_size: true }, 'other');
    await expect(bench.open(child, { backing: { driver: 'vpc', file: other.definition } })).rejects.toMatchObject({ message: /^The parent has the identifier/ });
  });

  test('written over a parent, which stays as it is', async () => {
    const bench = new Bench();
    const { disk, model } = await parentOf(bench);
    const before = disk.toBytes();
    const child = new MemoryDisk({ content: differencing(before, 'parent.vhd') });
    const node = await bench.open(child, { backing: { driver: 'vpc', file: disk.definition } });
    const content = model.slice();
    const random = prng(12);
    for (let step = 0; step < 60; step++) {
      const piece = random.bytes(1 + random.below(3000));
      const offset = random.below(content.length - piece.length);
      await writeBytes(node, offset, piece);
      content.set(piece, offset);
      const at = random.below(content.length - 2000);
      await node.writeZeroes(at, 2000);
      content.fill(0, at, at + 2000);
    }
    expectSameBytes(await readAll(node), content);
    await bench.graph.release(node);
    expectSameBytes(await readAll(await bench.open(child, { backing: { driver: 'vpc', file: disk.definition } }, { readOnly: true })), content);
    expectSameBytes(disk.toBytes(), before);
    // Without the parent, only what the child holds.
    expect((await readAll(await bench.open(child, { backing: null }, { readOnly: true }))).some((byte) => byte !== 0)).toBe(true);
  });
});
