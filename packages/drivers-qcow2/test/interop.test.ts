/** Images made by the reference tools: read right, written to, and still whole for them afterwards. */
import { readFileSync, rmSync } from 'node:fs';
import { WriteFlag } from '@blk/core-graph';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { createImage, imageInfo, qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { playHistory } from './history.js';
import { Bench, checkImage, compareWith, done, load, readAll, save, write } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');

/**
 * Commands for qemu-io that leave clusters of every kind. The compressed ones come first: qemu-io 7.2 damages its own image
 * where compressed writes follow the freeing of compressed clusters.
 */
function commands(seed: number, size: number, clusterSize: number, count: number): string[] {
  const random = prng(seed);
  const first = random.below(5);
  const compressed = Array.from({ length: Math.min(20, Math.floor(size / clusterSize / 3)) }, (_, at) => {
    return `write -c -P ${1 + random.below(255)} ${Math.min(first + at * 2, size / clusterSize - 1) * clusterSize} ${clusterSize}`;
  });
  const others = Array.from({ length: count }, () => {
    const offset = Math.floor(random.below(size) / 512) * 512;
    const length = Math.min(size - offset, 512 * (1 + random.below((clusterSize * 3) / 512)));
    const pattern = 1 + random.below(255);
    return random.pick([
      `write -P ${pattern} ${offset} ${length}`,
      `write -P ${pattern} ${offset} ${length}`,
      `write -z ${offset} ${length}`,
      `write -z -u ${offset} ${length}`,
      `discard ${offset} ${Math.min(length, clusterSize)}`,
    ]);
  });
  return [...compressed, ...others];
}

async function rawOf(file: string, ...extra: string[]): Promise<Uint8Array> {
  const { code, stderr } = await qemuImg('convert', '-f', 'qcow2', '-O', 'raw', ...extra, file, `${file}.out`);
  if (code !== 0) throw new Error(stderr);
  const bytes = new Uint8Array(readFileSync(`${file}.out`));
  rmSync(`${file}.out`);
  return bytes;
}

describe.skipIf(oracle.skip)(oracle.title('images of the reference'), () => {
  const shapes = [
    { clusterSize: 512, options: 'compat=0.10' },
    { clusterSize: 512, options: 'refcount_bits=1' },
    { clusterSize: 4096, options: 'refcount_bits=64' },
    { clusterSize: 4096, options: 'compat=0.10' },
    { clusterSize: 65536, options: 'refcount_bits=16' },
    { clusterSize: 65536, options: 'preallocation=metadata' },
    { clusterSize: 1048576, options: 'refcount_bits=8' },
    { clusterSize: 2097152, options: 'refcount_bits=2' },
  ];
  test.each(shapes)('clusters of $clusterSize, $options', async ({ clusterSize, options }) => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = Math.min(clusterSize * 200, 16 << 20);
    await createImage(file, 'qcow2', size, '-o', `${options},cluster_size=${clusterSize}`);
    await qemuIo(file, commands(clusterSize, size, clusterSize, 80), { format: 'qcow2', args: ['-d', 'unmap'] });
    const bench = new Bench();
    const disk = load(file);
    const node = await bench.open(disk, {}, true);
    const model = await rawOf(file);
    expectSameBytes(await readAll(node), model);
    await bench.graph.release(node);
    await playHistory(bench, disk, model, { seed: 3, steps: 60, clusterSize });
    save(disk, file);
    await checkImage(file);
    await compareWith(file, model);
  });

  test.each(['zlib', 'zstd'])('a converted image, compressed with %s', async (type) => {
    using dir = tempDir();
    const random = prng(4);
    const model = new Uint8Array(4 << 20);
    for (let at = 0; at < model.length; at++) model[at] = random.below(at % 65536 < 30000 ? 4 : 1);
    const bench = new Bench();
    const source = await bench.create(model.length, { cluster_size: 65536 });
    const node = await bench.open(source);
    await write(node, 0, model);
    await bench.graph.release(node);
    save(source, dir.file('plain'));
    await qemuImg('convert', '-c', '-f', 'qcow2', '-O', 'qcow2', '-o', `compression_type=${type}`, dir.file('plain'), dir.file('packed'));
    const packed = await bench.open(load(dir.file('packed')), {}, true);
    expectSameBytes(await readAll(packed), model);
    expect((await packed.extent(0, model.length)).compressed).toBe(true);
    expect((await packed.driver.info?.())?.specific?.data['compression-type']).toBe(type);
    await bench.graph.release(packed);
  });

  test.each(['0.10', '1.1'])('with internal snapshots, compat %s: the disk changes, the snapshots do not', async (compat) => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = 1 << 20;
    await createImage(file, 'qcow2', size, '-o', `compat=${compat},cluster_size=4096`);
    for (const name of ['one', 'two']) {
      await qemuIo(file, commands(name.length + size + name.charCodeAt(0), size, 4096, 40), { format: 'qcow2' });
      expect((await qemuImg('snapshot', '-c', name, file)).code).toBe(0);
    }
    const before = [await rawOf(file, '-l', 'one'), await rawOf(file, '-l', 'two')];
    const model = await rawOf(file);
    const bench = new Bench();
    const disk = load(file);
    await playHistory(bench, disk, model, { seed: 8, steps: 150, clusterSize: 4096, open: { 'overlap-check': 'all' } });
    save(disk, file);
    await checkImage(file);
    await compareWith(file, model);
    expectSameBytes(await rawOf(file, '-l', 'one'), before[0]);
    expectSameBytes(await rawOf(file, '-l', 'two'), before[1]);
  });

  test('left dirty by a kill: refcounts are rebuilt before anything is written', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    await createImage(file, 'qcow2', 8 << 20, '-o', 'lazy_refcounts=on,cluster_size=4096');
    await expect(qemuIo(file, ['write -P 5 0 1M', 'write -P 6 3M 100k', 'flush', 'abort'], { format: 'qcow2' })).rejects.toThrow('SIGABRT');
    const bench = new Bench();
    const disk = load(file);
    const looked = await bench.open(disk, {}, true);
    expect((await looked.driver.info?.())?.dirty).toBe(true);
    const model = await readAll(looked);
    expect(model[0]).toBe(5);
    await bench.graph.release(looked);
    const node = await bench.open(disk);
    await write(node, 5 << 20, new Uint8Array(300_000).fill(9));
    model.fill(9, 5 << 20, (5 << 20) + 300_000);
    await bench.graph.release(node);
    save(disk, file);
    await checkImage(file);
    expect((await imageInfo(file))['dirty-flag']).toBe(false);
    await compareWith(file, model);
  });

  test('the extents are those of the reference', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const size = 4 << 20;
    await createImage(file, 'qcow2', size, '-o', 'cluster_size=4096');
    await qemuIo(file, commands(11, size, 4096, 60), { format: 'qcow2', args: ['-d', 'unmap'] });
    const { stdout } = await qemuImg('map', '--output=json', '-f', 'qcow2', file);
    const theirs = (JSON.parse(stdout) as { start: number; length: number; zero: boolean; data: boolean; present: boolean; offset?: number }[]);
    const bench = new Bench();
    const node = await bench.open(load(file), {}, true);
    for (const { start, length, zero, data, present, offset } of theirs) {
      const ours = await node.driver.extent?.(start, size - start);
      expect({ start, allocated: ours?.allocated, data: ours?.data }).toEqual({ start, allocated: present, data });
      expect(ours?.zero === true || ours?.allocated === false).toBe(zero);
      if (offset !== undefined) expect(ours?.hostOffset).toBe(offset);
      expect(ours?.length).toBeGreaterThanOrEqual(length);
    }
    await bench.graph.release(node);
  });

  test('what is flushed is there for others while the image is open', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(4 << 20, { cluster_size: 4096 });
    const node = await bench.open(disk);
    await write(node, 5000, new Uint8Array(100_000).fill(8));
    await done(node.writeZeroes(8192, 8192, WriteFlag.MayUnmap));
    await done(node.flush());
    const model = await readAll(node);
    save(disk, dir.file('image'));
    await checkImage(dir.file('image'), true);
    await compareWith(dir.file('image'), model);
    await bench.graph.release(node);
  });
});
