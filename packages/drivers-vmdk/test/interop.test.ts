/** Images both ways: made by the reference and read here, made here and read and written by the reference. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hasFlag, WriteFlag } from '@blk/core-graph';
import { expectSameBytes, readAll, scribble } from '@blk/driver-conformance';
import { checkImage, createImage, expectContent, imageInfo, needTool, prng, qemuImg, run, scribbleWithQemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const SIZE = (40 << 20) + 1536;
/** Sizes and options of new images. */
const WISHES: [number, Record<string, unknown>][] = [
  [SIZE, {}], [5 * 2 ** 30, {}], [1000, {}], [SIZE, { zeroed_grain: true, adapter_type: 'lsilogic', hwversion: '9', toolsversion: '12' }],
  [SIZE, { compat6: true, adapter_type: 'buslogic' }], [SIZE, { subformat: 'streamOptimized' }], [3 * 2 ** 30, { subformat: 'streamOptimized', zeroed_grain: true }],
  [SIZE, { subformat: 'monolithicFlat', adapter_type: 'legacyESX' }], [SIZE, { subformat: 'twoGbMaxExtentFlat' }], [5 * 2 ** 30, { subformat: 'twoGbMaxExtentSparse' }],
];

describe.skipIf(oracle.skip)(oracle.title('both ways'), () => {
  test.each(['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', 'monolithicSparse,zeroed_grain=on'])('turns of writing here and there, %s', async (subformat) => {
    using dir = tempDir();
    const file = dir.file('image.vmdk');
    const model = new Uint8Array(SIZE);
    const random = prng(3);
    await createImage(file, 'vmdk', SIZE, '-o', `subformat=${subformat}`);
    for (let turn = 0; turn < 2; turn++) {
      await scribbleWithQemuIo(file, 'vmdk', model, random);
      const bench = new Bench();
      const disk = bench.load(dir.path, 'image.vmdk');
      await scribble(bench, disk, model, random);
      bench.save(dir.path);
      await checkImage(file, 'vmdk');
      await expectContent(file, 'vmdk', model);
    }
  });

  test.each(['monolithicSparse', 'twoGbMaxExtentSparse', 'streamOptimized'])('what is to be packed is stored, as by the reference, also where nothing is: %s', async (subformat) => {
    using dir = tempDir();
    const model = sample(false);
    await createImage(dir.file('image.vmdk'), 'vmdk', SIZE, '-o', `subformat=${subformat}`);
    const bench = new Bench();
    const node = await bench.open(bench.load(dir.path, 'image.vmdk'));
    expect(hasFlag(node.driver.writeFlags ?? 0, WriteFlag.Compressed)).toBe(true);
    await node.write(0, model, 0, SIZE, WriteFlag.Compressed);
    await bench.graph.release(node);
    bench.save(dir.path);
    await expectContent(dir.file('image.vmdk'), 'vmdk', model);
  });

  test('flat extents take nothing that is to be packed', async () => {
    using dir = tempDir();
    await createImage(dir.file('image.vmdk'), 'vmdk', SIZE, '-o', 'subformat=monolithicFlat');
    const bench = new Bench();
    const node = await bench.open(bench.load(dir.path, 'image.vmdk'));
    expect(hasFlag(node.driver.writeFlags ?? 0, WriteFlag.Compressed)).toBe(false);
    await bench.graph.release(node);
  });

  test.each(['', 'random'])('a compressed image of the reference, its last grain in part, %s', async (kind) => {
    using dir = tempDir();
    const model = sample(kind === 'random');
    writeFileSync(dir.file('raw'), model);
    await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', dir.file('raw'), dir.file('image.vmdk'));
    const bench = new Bench();
    expectSameBytes(await bench.content(bench.load(dir.path, 'image.vmdk')), model);
  });

  test('a compressed image whose directory a footer tells, as VMware’s are: read as by the reference, and not written to', async () => {
    using dir = tempDir();
    const model = sample(true);
    writeFileSync(dir.file('raw'), model);
    await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', dir.file('raw'), dir.file('image.vmdk'));
    const made = readFileSync(dir.file('image.vmdk'));
    const marker = (type: number): Buffer => {
      const sector = Buffer.alloc(512);
      sector.writeUInt32LE(type, 12);
      return sector;
    };
    const whole = Buffer.concat([made, Buffer.alloc(-made.length & 511), marker(3), made.subarray(0, 512), marker(0)]);
    whole.writeBigUInt64LE(2n ** 64n - 1n, 56);
    writeFileSync(dir.file('image.vmdk'), whole);
    await expectContent(dir.file('image.vmdk'), 'vmdk', model);
    const bench = new Bench();
    const disk = bench.load(dir.path, 'image.vmdk');
    expectSameBytes(await bench.content(disk), model);
    await expect(bench.open(disk)).rejects.toMatchObject({ kind: 'read-only', message: /told by a footer, is only read/ });
    expectSameBytes(disk.toBytes(), whole);
  });

  test('version 3 is read as by the reference, and refused to be written in its words', async () => {
    using dir = tempDir();
    const file = dir.file('image.vmdk');
    const model = new Uint8Array(SIZE);
    await createImage(file, 'vmdk', SIZE);
    await scribbleWithQemuIo(file, 'vmdk', model, prng(5));
    const bytes = readFileSync(file);
    bytes.writeUInt32LE(3, 4);
    writeFileSync(file, bytes);
    await expectContent(file, 'vmdk', model);
    const refused = await run(needTool('qemu-io'), ['-f', 'vmdk', '-c', 'write 0 512', file]);
    expect(refused.stderr).toMatch(/VMDK version 3 must be read only$/m);
    const bench = new Bench();
    const disk = bench.load(dir.path, 'image.vmdk');
    await expect(bench.open(disk)).rejects.toMatchObject({ kind: 'read-only', message: 'VMDK version 3 must be read only' });
    const reader = await bench.open(disk, {}, { readOnly: true });
    expectSameBytes(await readAll(reader), model);
    await bench.graph.release(reader);
    expectSameBytes(disk.toBytes(), bytes);
  });

  test('a compressed image that was written here, in the midst of grains and at the end', async () => {
    using dir = tempDir();
    const file = dir.file('image.vmdk');
    const model = new Uint8Array(SIZE);
    await createImage(file, 'vmdk', SIZE, '-o', 'subformat=streamOptimized');
    for (let turn = 0; turn < 2; turn++) {
      const bench = new Bench();
      await scribble(bench, bench.load(dir.path, 'image.vmdk'), model, prng(turn + 5));
      bench.save(dir.path);
      await checkImage(file, 'vmdk');
      await expectContent(file, 'vmdk', model);
    }
  });

  test.each(WISHES)('a new image of %d bytes, %o, is the same to the byte but for its identifier', async (size, options) => {
    using dir = tempDir();
    const words = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${String(value)}`]);
    await createImage(dir.file('image.vmdk'), 'vmdk', size, ...words);
    const ours = new Bench();
    await ours.create(size, options, 'image.vmdk');
    for (const name of readdirSync(dir.path)) {
      expectSameBytes(withoutId(ours.disks.get(name).toBytes()), withoutId(readFileSync(dir.file(name))), name);
    }
  });

  test.each([
    { adapter_type: 'IDE' }, { subformat: 'odd' }, { compat6: true, hwversion: '5' }, { subformat: 'monolithicFlat', zeroed_grain: true },
    { subformat: 'twoGbMaxExtentFlat', backing_file: 'x.vmdk', backing_fmt: 'vmdk' }, { backing_fmt: 'raw' }, { backing_fmt: '' },
  ])('refused alike: %o', async (options) => {
    using dir = tempDir();
    const words = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${String(value)}`]);
    const { stderr } = await qemuImg('create', '-q', '-u', '-f', 'vmdk', ...words, dir.file('x'), '1M');
    const made = new Bench().graph.create('memory:x', { format: 'vmdk', size: 1 << 20, options, unsafe: true });
    await expect(made).rejects.toMatchObject({ message: stderr.trim().replace(/^.*?: .*?: /, '') });
  });

  test.each(['monolithicSparse', 'twoGbMaxExtentSparse', 'streamOptimized'])('over a parent, until that changes: %s', async (subformat) => {
    using dir = tempDir();
    const model = sample(false);
    const parent = dir.file('parent.vmdk');
    await createImage(parent, 'vmdk', SIZE);
    const bench = new Bench();
    const below = await bench.open(bench.load(dir.path, 'parent.vmdk'));
    await below.write(0, model, 0, SIZE);
    await bench.graph.release(below);
    await bench.graph.create('memory:child.vmdk', { format: 'vmdk', size: SIZE, options: { subformat, backing_file: 'parent.vmdk', backing_fmt: 'vmdk' } });
    const backing = { driver: 'vmdk', file: { driver: 'memory', filename: 'memory:parent.vmdk' } };
    await scribble(bench, bench.disks.get('child.vmdk'), model, prng(8), { backing });
    bench.note('child.vmdk', ...(subformat.startsWith('two') ? ['child-s001.vmdk'] : []));
    bench.save(dir.path);
    await expectContent(dir.file('child.vmdk'), 'vmdk', model);

    const changed = await bench.graph.open(backing);
    await changed.write(0, model, 0, 512);
    await bench.graph.release(changed);
    const child = await bench.graph.open('memory:child.vmdk', { format: 'vmdk', readOnly: true });
    await expect((async () => { await readAll(child); })()).rejects.toMatchObject({ kind: 'invalid-argument', message: /^The parent has the content identifier [0-9a-f]{8}, expected is/ });
    await bench.graph.release(child);
  });

  test.each(['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', 'streamOptimized'])('%s is described alike', async (subformat) => {
    using dir = tempDir();
    const file = dir.file('image.vmdk');
    await createImage(file, 'vmdk', '5G', '-o', `subformat=${subformat}`);
    const told = await imageInfo(file);
    const bench = new Bench();
    bench.load(dir.path, 'image.vmdk');
    const node = await bench.graph.open('memory:image.vmdk', { format: 'vmdk', readOnly: true });
    const about = await node.driver.info?.();
    await bench.graph.release(node);
    expect([about?.clusterSize, node.size]).toEqual([told['cluster-size'], told['virtual-size']]);
    const plain = JSON.stringify(about?.specific).replaceAll('memory:', '');
    const theirs = JSON.stringify(told['format-specific']).replaceAll(`${dir.path}/`, '');
    expect(JSON.parse(plain)).toEqual(JSON.parse(theirs));
    expect(about?.specific?.data).toMatchObject({ 'create-type': subformat, cid: expect.any(Number) as number, 'parent-cid': 0xffffffff });
  });
});

/** Without the identifiers of the content, which the reference writes without leading zeroes. */
function withoutId(bytes: Uint8Array): Uint8Array {
  const embedded = Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'KDMV';
  const [from, to] = embedded ? [512, 21 * 512] : [0, Math.min(bytes.length, 4096)];
  const text = Buffer.from(bytes.subarray(from, to)).toString('latin1').replace(/^((?:parent)?CID=)[0-9a-f]+/gm, '$1').replace(/\0+$/, '');
  return Buffer.concat([bytes.subarray(0, from), Buffer.from(text, 'latin1'), bytes.subarray(to)]);
}

/** Data that does not get shorter, data that does, and holes. */
function sample(noise: boolean): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  const random = prng(7);
  for (let at = 0; at < SIZE; at += 1 + random.below(1_500_000)) {
    const length = Math.min(SIZE - at, 1 + random.below(700_000));
    if (noise) bytes.set(random.bytes(length), at);
    else bytes.fill(random.below(256), at, at + length);
  }
  bytes.fill(9, SIZE - 1000);
  return bytes;
}
