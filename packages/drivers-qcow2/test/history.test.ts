import { expectSameBytes, prng } from '@blk/driver-conformance';
import { skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { playHistory } from './history.js';
import { Bench, checkImage, compareWith, readAll, save } from './support.js';

const oracle = skipUnless('qemu-img');
const ORDERS = [1, 2, 4, 8, 16, 32, 64];

interface Case {
  readonly name: string;
  readonly size: number;
  readonly options: Record<string, unknown>;
  readonly clusterSize: number;
  readonly open?: Record<string, unknown>;
  readonly steps: number;
}

const cases: Case[] = [];
for (let bits = 9; bits <= 21; bits++) {
  const clusterSize = 2 ** bits;
  const size = Math.min(clusterSize * 300, 24 << 20) + 512 * (bits % 3);
  for (const compat of ['v2', 'v3']) {
    const refcount_bits = compat === 'v2' ? 16 : ORDERS[bits % 7];
    cases.push({
      name: `clusters of ${clusterSize}, ${compat}, ${refcount_bits}-bit refcounts`,
      size,
      clusterSize,
      options: { cluster_size: clusterSize, compat, refcount_bits },
      steps: bits > 16 ? 60 : 160,
    });
  }
}
for (const refcount_bits of ORDERS) {
  cases.push({
    name: `small caches, ${refcount_bits}-bit refcounts`,
    size: 3 << 20,
    clusterSize: 512,
    options: { cluster_size: 512, refcount_bits },
    open: { 'l2-cache-size': 512, 'refcount-cache-size': 512, 'overlap-check': 'all' },
    steps: 200,
  });
}
cases.push({ name: 'zstd clusters', size: 1 << 20, clusterSize: 4096, options: { cluster_size: 4096, compression_type: 'zstd' }, steps: 200 });
cases.push({ name: 'lazy refcounts', size: 2 << 20, clusterSize: 4096, options: { cluster_size: 4096, lazy_refcounts: true }, steps: 200 });

for (const [cluster_size, open] of [[16384, {}], [65536, {}], [2 << 20, {}], [16384, { 'l2-cache-size': 16384, 'refcount-cache-size': 16384, 'overlap-check': 'all' }]] as const) {
  cases.push({ name: `extended L2 entries, clusters of ${cluster_size}, ${JSON.stringify(open)}`, size: Math.min(cluster_size * 300, 24 << 20) + 512, clusterSize: cluster_size, options: { cluster_size, extended_l2: true }, open, steps: 150 });
}

describe.skipIf(oracle.skip)(oracle.title('random histories'), () => {
  test.each(cases)('$name', async ({ size, options, clusterSize, open, steps }) => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(size, options);
    const model = new Uint8Array(Math.ceil(size / 512) * 512);
    await playHistory(bench, disk, model, { seed: clusterSize + size, steps, clusterSize, ...(open ? { open } : {}) });
    save(disk, dir.file('image'));
    await checkImage(dir.file('image'));
    await compareWith(dir.file('image'), model);
  });

  test.each([
    { compat: 'v3', backingSize: 300_000 },
    { compat: 'v3', backingSize: 2 << 20 },
    { compat: 'v2', backingSize: 300_032 },
    { compat: 'v2', backingSize: 2 << 20 },
    { compat: 'v3', backingSize: 300_032, extended: true },
    { compat: 'v3', backingSize: 2 << 20, extended: true },
  ])('over a backing file of $backingSize bytes, $compat, extended L2 entries: $extended', async ({ compat, backingSize, extended = false }) => {
    using dir = tempDir();
    const bench = new Bench();
    const size = 1 << 20;
    const base = await bench.create(backingSize, { cluster_size: 1024 }, 'base');
    const baseModel = new Uint8Array(Math.ceil(backingSize / 512) * 512);
    await playHistory(bench, base, baseModel, { seed: 5, steps: 60, clusterSize: 1024 });
    const disk = await bench.create(size, {
      cluster_size: extended ? 16384 : 4096, compat, backing_file: 'memory:base', backing_fmt: 'qcow2', extended_l2: extended,
      preallocation: extended && backingSize > size ? 'metadata' : 'off',
    });
    const model = new Uint8Array(size);
    model.set(baseModel.subarray(0, size));
    await playHistory(bench, disk, model, { seed: backingSize, steps: 200, clusterSize: extended ? 16384 : 4096 });
    // The same by name for the reference.
    save(base, dir.file('base'));
    const node = await bench.open(disk);
    await node.driver.changeBackingFile?.({ filename: 'base', format: 'qcow2' });
    await bench.graph.release(node);
    save(disk, dir.file('image'));
    await checkImage(dir.file('image'));
    await compareWith(dir.file('image'), model);
  });

  test.each([
    { name: 'plain', options: {} },
    { name: 'raw', options: { data_file_raw: true } },
    { name: 'raw, extended L2 entries', options: { data_file_raw: true, extended_l2: true } },
    { name: 'clusters of 512, preallocated', options: { cluster_size: 512, preallocation: 'full' } },
  ])('external data file, $name', async ({ options }) => {
    using dir = tempDir();
    const bench = new Bench();
    const size = (1 << 20) + 1024;
    const disk = await bench.create(size, { cluster_size: 16384, data_file: 'memory:data', ...options });
    const data = bench.disks.get('data');
    expect(data.size).toBe(size);
    const clusterSize = 'cluster_size' in options ? options.cluster_size : 16384;
    const model = new Uint8Array(size);
    await playHistory(bench, disk, model, { seed: 12, steps: 200, clusterSize, compressed: false });
    if ('data_file_raw' in options) expectSameBytes(data.toBytes(), model);
    save(disk, dir.file('image'));
    save(data, dir.file('data'));
    await checkImage(dir.file('image'), false, dir.file('data'));
    await compareWith(dir.file('image'), model, dir.file('data'));
    const node = await bench.open(disk);
    await node.truncate(size / 2, { preallocation: 'off', shrink: true });
    expect(data.size).toBe(size / 2);
    await node.truncate(size * 2, { preallocation: 'off' });
    const grown = new Uint8Array(node.size);
    grown.set(model.subarray(0, size / 2));
    expectSameBytes(await readAll(node), grown);
    await bench.graph.release(node);
    if ('data_file_raw' in options) expectSameBytes(data.toBytes(), grown);
    save(disk, dir.file('image'));
    save(data, dir.file('data'));
    await checkImage(dir.file('image'), false, dir.file('data'));
    await compareWith(dir.file('image'), grown, dir.file('data'));
  });

  test('requests at the same time leave one of the writers in every byte, and clean tables', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const size = 1 << 20;
    const disk = await bench.create(size, { cluster_size: 4096 });
    const random = prng(9);
    disk.use({ before: () => (random.below(3) === 0 ? undefined : settleSoon(random.below(4))) });
    const node = await bench.open(disk);
    for (let round = 0; round < 20; round++) {
      const requests: Promise<void>[] = [];
      for (let at = 0; at < 24; at++) {
        const offset = random.below(200_000);
        const length = 1 + random.below(30_000);
        const kind = random.below(8);
        if (kind === 0) requests.push(Promise.resolve(node.writeZeroes(offset, length, random.pick([0, 2]))));
        else if (kind === 1) requests.push(Promise.resolve(node.discard(offset, length)));
        else if (kind === 2) requests.push(Promise.resolve(node.flush()));
        else if (kind === 3) requests.push(Promise.resolve(node.read(offset, new Uint8Array(length), 0, length)));
        else if (kind === 4) requests.push(Promise.resolve(node.write(Math.floor(offset / 4096) * 4096, new Uint8Array(4096).fill(at), 0, 4096, 16)));
        else requests.push(Promise.resolve(node.write(offset, new Uint8Array(length).fill(at + 1), 0, length)));
      }
      await Promise.all(requests);
    }
    const seen = await readAll(node);
    await bench.graph.release(node);
    const again = await bench.open(disk, {}, true);
    expectSameBytes(await readAll(again), seen);
    await bench.graph.release(again);
    save(disk, dir.file('image'));
    await checkImage(dir.file('image'));
    await compareWith(dir.file('image'), seen);
  });
});

/** A few turns of the microtask queue. */
async function settleSoon(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await Promise.resolve();
}
