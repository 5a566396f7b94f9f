// Repair, amendment and shrinking: whole for the reference afterwards, and whole after a power cut at any moment.
import { readFileSync, writeFileSync } from 'node:fs';
import type { BlockNode, CheckResult, Repair } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng, recorder } from '@blk/driver-conformance';
import { qemuImg, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { playHistory } from './history.js';
import { holds, PowerCuts } from './power-cuts.js';
import { Bench, checkImage, compareWith, done, load, readAll, save, write } from './support.js';

const oracle = skipUnless('qemu-img');

async function check(bench: Bench, disk: MemoryDisk, repair: Repair): Promise<CheckResult> {
  const node = await bench.graph.open({ driver: 'qcow2', file: disk.definition }, { checking: true, readOnly: repair === 'none' });
  const result = await node.driver.check?.({ repair });
  await bench.graph.release(node);
  return result as CheckResult;
}

async function amend(node: BlockNode, options: Record<string, unknown>): Promise<void> {
  await node.driver.amend?.(options, { force: false });
}

/** An image with data of every kind, and what it holds. */
async function filled(bench: Bench, options: Record<string, unknown>, size: number, seed: number): Promise<{ disk: MemoryDisk; model: Uint8Array }> {
  const disk = await bench.create(size, options);
  const model = new Uint8Array(size);
  await playHistory(bench, disk, model, { seed, steps: 40, clusterSize: Number(options['cluster_size']), compressed: !('data_file' in options) });
  return { disk, model };
}

/** Sets 16-bit counts in the first refcount block: cluster by cluster what `change` makes of it. */
function changeCounts(disk: MemoryDisk, change: (count: number, cluster: number) => number): MemoryDisk {
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const block = Number(view.getBigUint64(Number(view.getBigUint64(48))));
  const entries = 2 ** view.getUint32(20) / 2;
  for (let cluster = 0; cluster < entries; cluster++) view.setUint16(block + cluster * 2, change(view.getUint16(block + cluster * 2), cluster));
  return new MemoryDisk({ content: bytes });
}

describe('check', () => {
  test('finds nothing in a whole image, and changes nothing', async () => {
    const bench = new Bench();
    const { disk } = await filled(bench, { cluster_size: 1024 }, 1 << 20, 1);
    const before = disk.toBytes();
    const result = await check(bench, disk, 'all');
    expect(result).toMatchObject({ corruptions: 0, leaks: 0, checkErrors: 0, corruptionsFixed: 0, leaksFixed: 0, totalClusters: 1024 });
    expect(Buffer.compare(before, disk.toBytes())).toBe(0);
  });

  test('an image that is open may be checked and repaired, and goes on', async () => {
    const bench = new Bench();
    const { disk, model } = await filled(bench, { cluster_size: 1024 }, 1 << 20, 2);
    const damaged = changeCounts(disk, (count, cluster) => (count > 0 && cluster % 3 === 0 ? count + 1 : count));
    const node = await bench.open(damaged);
    const result = await node.driver.check?.({ repair: 'all' });
    expect(result?.leaksFixed).toBeGreaterThan(0);
    const bytes = prng(5).bytes(5000);
    model.set(bytes, 70_000);
    await write(node, 70_000, bytes);
    expect(Buffer.compare(await readAll(node), model)).toBe(0);
    await bench.graph.release(node);
    expect(await check(bench, damaged, 'none')).toMatchObject({ corruptions: 0, leaks: 0 });
  });

  test('an image larger than the memory that the policy allows is refused', async () => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20, { cluster_size: 512 });
    const policy = { ...bench.graph.policy, maxMetadataBytes: 2 };
    const node = await bench.graph.open({ driver: 'qcow2', file: disk.definition }, { checking: true, readOnly: true, policy });
    await expect(node.driver.check?.({ repair: 'none' })).rejects.toMatchObject({ kind: 'policy' });
    await bench.graph.release(node);
  });
});

describe.skipIf(oracle.skip)(oracle.title('power cuts during'), () => {
  test.each([
    { name: 'leaks', change: (count: number, cluster: number) => (cluster % 5 === 0 ? count + 1 : count) },
    { name: 'lost counts', change: () => 0 },
    { name: 'counts of every kind', change: (count: number, cluster: number) => [count, 0, 1, 3][cluster % 4] },
    { name: 'counts below extended L2 entries', change: (count: number, cluster: number) => [count, 0, 3][cluster % 3], options: { cluster_size: 16384, extended_l2: true } },
  ])('repair of $name', async ({ change, options = { cluster_size: 1024 } }) => {
    using dir = tempDir();
    const bench = new Bench();
    const { disk, model } = await filled(bench, options, 512 << 10, 3);
    const damaged = changeCounts(disk, change);
    const before = await check(bench, damaged, 'none');
    const recording = recorder(damaged);
    await check(bench, damaged, 'all');
    const random = prng(4);
    const step = Math.max(1, Math.floor(recording.now / 40));
    for (let moment = 0; moment <= recording.now; moment += step) {
      const left = recording.crash(moment, random);
      const found = await check(bench, left, 'none');
      // A count that is right already may have a mark that is not yet.
      expect(found.corruptions).toBeLessThanOrEqual(before.corruptions + before.leaks);
      await check(bench, left, 'all');
      expect(await check(bench, left, 'none')).toMatchObject({ corruptions: 0, leaks: 0 });
      const node = await bench.open(left, {}, true);
      expectSameBytes(await readAll(node), model);
      await bench.graph.release(node);
    }
    save(damaged, dir.file('image'));
    await checkImage(dir.file('image'));
    await compareWith(dir.file('image'), model);
  });

  test.each([
    { name: 'to version 2', options: { cluster_size: 1024 }, change: { compat: '0.10' } },
    { name: 'to version 3', options: { cluster_size: 1024, compat: 'v2' }, change: { compat: '1.1', lazy_refcounts: true } },
    { name: 'to narrow refcounts', options: { cluster_size: 1024 }, change: { refcount_bits: 8 } },
    { name: 'to wide refcounts', options: { cluster_size: 512, refcount_bits: 8 }, change: { refcount_bits: 64, lazy_refcounts: true } },
    { name: 'to narrow refcounts, extended L2 entries', options: { cluster_size: 16384, extended_l2: true }, change: { refcount_bits: 8, lazy_refcounts: true } },
    { name: 'of a data file', options: { cluster_size: 4096, data_file: 'memory:data', data_file_raw: true }, change: { data_file: 'memory:other', data_file_raw: false, refcount_bits: 32 } },
    { name: 'away from lazy refcounts', options: { cluster_size: 1024, lazy_refcounts: true }, change: { lazy_refcounts: false } },
  ])('amendment $name', async ({ options, change }) => {
    using dir = tempDir();
    const bench = new Bench();
    const { disk, model } = await filled(bench, options, 512 << 10, 6);
    const data = 'data_file' in options ? bench.disks.get('data') : undefined;
    if (data !== undefined) bench.disks.put('other', data);
    const cuts = new PowerCuts(bench, disk, holds(model), data === undefined ? {} : { data });
    const node = await bench.open(disk);
    await amend(node, change);
    await bench.graph.release(node);
    await cuts.prove({ seed: 8, most: 60, folder: dir, sample: 8 });
    await playHistory(bench, disk, model, { seed: 9, steps: 30, clusterSize: options.cluster_size, compressed: data === undefined });
    await whole(dir, disk, model, data);
  });

  test.each([
    { name: 'plain', options: { cluster_size: 512 } },
    { name: 'extended L2 entries', options: { cluster_size: 16384, extended_l2: true } },
    { name: 'a raw data file', options: { cluster_size: 512, data_file: 'memory:data', data_file_raw: true } },
  ])('shrinking, which gives back tables and the end of the file: $name', async ({ options }) => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(1 << 20, options);
    const data = 'data_file' in options ? bench.disks.get('data') : undefined;
    const node = await bench.open(disk);
    const model = prng(10).bytes(1 << 20);
    await write(node, 0, model);
    await done(node.flush());
    const long = disk.toBytes().length;
    const cuts = new PowerCuts(bench, disk, holds(model), data === undefined ? {} : { data });
    const kept = model.slice(0, 100 << 10);
    await cuts.during(holds(model), beginsWith(kept), () => node.truncate(kept.length, { preallocation: 'off', shrink: true }));
    await bench.graph.release(node);
    await cuts.prove({ seed: 11, most: 60, folder: dir, sample: 8 });
    if (data === undefined) expect(disk.toBytes().length).toBeLessThan(long / 2);
    else expectSameBytes(data.toBytes(), kept);
    await whole(dir, disk, kept, data);
  });
});

/** The reference finds nothing wrong, and reads these bytes. */
async function whole(dir: TempDir, disk: MemoryDisk, bytes: Uint8Array, data: MemoryDisk | undefined): Promise<void> {
  const [file, dataFile] = [dir.file('image'), data === undefined ? undefined : dir.file('data')];
  save(disk, file);
  if (data !== undefined && dataFile !== undefined) save(data, dataFile);
  await checkImage(file, false, dataFile);
  await compareWith(file, bytes, dataFile);
}

/** The disk begins with these bytes; a crash while it is cut off may leave it longer. */
function beginsWith(bytes: Uint8Array): (node: BlockNode) => Promise<void> {
  return async (node) => {
    expectSameBytes((await readAll(node)).subarray(0, bytes.length), bytes);
  };
}

describe.skipIf(oracle.skip)(oracle.title('images of the reference are amended'), () => {
  test('snapshots and zero clusters over a backing file, to version 2 and back', async () => {
    using dir = tempDir();
    const file = dir.file('image.qcow2');
    const base = dir.file('base.qcow2');
    writeFileSync(dir.file('base.raw'), prng(12).bytes(1 << 20));
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', dir.file('base.raw'), base);
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', '-b', base, '-F', 'qcow2', file);
    await qemuIo(file, ['write -P 1 0 64k', 'write -z 32k 64k', 'write -z 8k 4k'], { format: 'qcow2' });
    for (const [index, commands] of [['write -z 256k 64k'], ['write -P 2 300k 8k', 'write -z 40k 4k']].entries()) {
      await qemuImg('snapshot', '-c', `s${index}`, file);
      await qemuIo(file, commands, { format: 'qcow2' });
    }
    const contents = async (): Promise<Buffer[]> => {
      const all: Buffer[] = [];
      for (const words of [[], ['-l', 's0'], ['-l', 's1']]) {
        const { code, stderr } = await qemuImg('convert', '-f', 'qcow2', '-O', 'raw', ...words, file, dir.file('out'));
        if (code !== 0) throw new Error(stderr);
        all.push(readFileSync(dir.file('out')));
      }
      return all;
    };
    const before = await contents();
    const bench = new Bench();
    const backing = { driver: 'qcow2', file: load(base).definition };
    for (const compat of ['0.10', '1.1']) {
      const disk = load(file);
      const node = await bench.open(disk, { backing });
      await amend(node, { compat });
      await bench.graph.release(node);
      save(disk, file);
      await checkImage(file);
      const after = await contents();
      expect(after.map((bytes, index) => bytes.compare(before[index]))).toEqual([0, 0, 0]);
    }
  });
});
