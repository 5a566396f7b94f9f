/** Internal snapshots: random histories against one array of bytes for each of them, and both ways with the reference. */
import { readFileSync } from 'node:fs';
import { applySnapshot, deleteSnapshot, showSnapshot, takeSnapshot, WriteFlag, type BlockNode } from '@blk/core-graph';
import { expectSameBytes, prng, type MemoryDisk, type Prng } from '@blk/driver-conformance';
import { qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, checkImage, compareWith, done, load, readAll, save, write } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const WHEN = { dateSec: 1_700_000_000, dateNsec: 5 };

/** What the disk holds, and what each snapshot does. */
interface Model {
  disk: Uint8Array;
  readonly kept: Map<string, Uint8Array>;
}

async function change(node: BlockNode, model: Model, random: Prng, clusterSize: number): Promise<void> {
  const { disk } = model;
  const unit = random.pick([1, 512, clusterSize]);
  const offset = Math.floor(random.below(disk.length) / unit) * unit;
  const length = Math.min(disk.length - offset, 1 + random.below(random.pick([600, clusterSize, clusterSize * 6])));
  const kind = random.below(8);
  if (kind < 4) {
    const bytes = random.bytes(length);
    disk.set(bytes, offset);
    await write(node, offset, bytes);
  } else if (kind === 4) {
    disk.fill(0, offset, offset + length);
    await done(node.writeZeroes(offset, length, random.pick([0, WriteFlag.MayUnmap])));
  } else if (kind === 5) {
    await done(node.discard(offset, length));
    await done(node.read(offset, disk, offset, length));
  } else {
    const cluster = Math.floor(offset / clusterSize) * clusterSize;
    const bytes = random.bytes(Math.min(clusterSize, disk.length - cluster)).fill(9, 40);
    disk.set(bytes, cluster);
    await write(node, cluster, bytes, WriteFlag.Compressed);
  }
}

async function step(node: BlockNode, model: Model, random: Prng, clusterSize: number, resize: boolean): Promise<void> {
  const kind = random.below(20);
  const ids = [...model.kept.keys()];
  if (kind === 0 && ids.length < 6) {
    const { id } = await takeSnapshot(node, { name: `s${random.below(3)}`, ...WHEN });
    model.kept.set(id, model.disk.slice());
  } else if (kind === 1 && ids.length > 0) {
    const id = random.pick(ids);
    await applySnapshot(node, id);
    model.disk = (model.kept.get(id) as Uint8Array).slice();
  } else if (kind === 2 && ids.length > 0) {
    const id = random.pick(ids);
    await deleteSnapshot(node, id);
    model.kept.delete(id);
  } else if (kind === 3 && resize) {
    const size = 512 * (1 + random.below(clusterSize));
    await node.truncate(size, { preallocation: 'off', shrink: true });
    const grown = new Uint8Array(size);
    grown.set(model.disk.subarray(0, size));
    model.disk = grown;
  } else if (kind === 4) {
    await done(node.flush());
  } else {
    await change(node, model, random, clusterSize);
  }
  expect(node.size).toBe(model.disk.length);
}

/** Every snapshot by ours, and by the reference out of `file`. */
async function compareAll(bench: Bench, disk: MemoryDisk, model: Model, file: string): Promise<void> {
  save(disk, file);
  await checkImage(file);
  await compareWith(file, model.disk);
  for (const [id, bytes] of model.kept) {
    const node = await bench.open(disk, {}, true);
    await showSnapshot(node, id);
    expectSameBytes((await readAll(node)).subarray(0, bytes.length), bytes);
    await bench.graph.release(node);
    const { code, stderr } = await qemuImg('convert', '-l', `snapshot.id=${id}`, '-O', 'raw', file, `${file}.out`);
    expect([code, stderr]).toEqual([0, '']);
    const theirs = new Uint8Array(readFileSync(`${file}.out`));
    const common = Math.min(theirs.length, bytes.length);
    expectSameBytes(theirs.subarray(0, common), bytes.subarray(0, common));
  }
}

const cases = [
  { name: 'clusters of 512, 16-bit refcounts', options: { cluster_size: 512 }, clusterSize: 512, size: 200 << 10 },
  { name: 'clusters of 512, 4-bit refcounts, tiny caches', options: { cluster_size: 512, refcount_bits: 4 }, clusterSize: 512, size: 160 << 10, open: { 'cache-size': 1024, 'overlap-check': 'all' } },
  { name: 'clusters of 1024, 64-bit refcounts', options: { cluster_size: 1024, refcount_bits: 64 }, clusterSize: 1024, size: 300 << 10 },
  { name: 'clusters of 4096, 8-bit refcounts', options: { cluster_size: 4096, refcount_bits: 8 }, clusterSize: 4096, size: 900 << 10 },
  { name: 'clusters of 4096, version 2', options: { cluster_size: 4096, compat: 'v2' }, clusterSize: 4096, size: 900 << 10, fixed: true },
  { name: 'clusters of 1024, lazy refcounts', options: { cluster_size: 1024, lazy_refcounts: true }, clusterSize: 1024, size: 300 << 10 },
  { name: 'clusters of 65536, 32-bit refcounts', options: { cluster_size: 65536, refcount_bits: 32 }, clusterSize: 65536, size: 2 << 20, fixed: true, steps: 20 },
  { name: 'clusters of 2 MiB', options: { cluster_size: 2 << 20 }, clusterSize: 2 << 20, size: 5 << 20, fixed: true, steps: 8 },
];

describe.skipIf(oracle.skip)(oracle.title('random histories with snapshots'), () => {
  test.each(cases)('$name', async ({ options, clusterSize, size, open, fixed, steps = 50 }) => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(size, options);
    const model: Model = { disk: new Uint8Array(size), kept: new Map() };
    const random = prng(clusterSize + size);
    for (let session = 0; session < 3; session++) {
      const node = await bench.open(disk, open);
      for (let at = 0; at < steps; at++) {
        await step(node, model, random, clusterSize, fixed !== true);
        if (at % 10 === 0) expectSameBytes(await readAll(node), model.disk);
      }
      expectSameBytes(await readAll(node), model.disk);
      await bench.graph.release(node);
      await compareAll(bench, disk, model, dir.file('image'));
    }
    expect(bench.warnings).toEqual([]);
  });
});

describe.skipIf(oracle.skip)(oracle.title('snapshots and the reference'), () => {
  test('theirs are listed, read, applied and deleted by us', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=1k', file, '256k');
    await qemuIo(file, ['write -P 1 0 100k'], { format: 'qcow2' });
    await qemuImg('snapshot', '-c', 'first', file);
    await qemuImg('resize', '-q', file, '2M');
    await qemuIo(file, ['write -P 2 50k 1M'], { format: 'qcow2' });
    await qemuImg('snapshot', '-c', 'sécond', file);
    await qemuIo(file, ['write -P 3 0 300k'], { format: 'qcow2' });
    const bench = new Bench();
    const disk = load(file);
    const node = await bench.open(disk);
    const { snapshots } = node.driver;
    expect(snapshots?.list.map(({ id, name, diskSize, vmStateSize, icount }) => ({ id, name, diskSize, vmStateSize, icount }))).toEqual([
      { id: '1', name: 'first', diskSize: 256 << 10, vmStateSize: 0, icount: 0n },
      { id: '2', name: 'sécond', diskSize: 2 << 20, vmStateSize: 0, icount: 0n },
    ]);
    await applySnapshot(node, '1');
    const first = new Uint8Array(256 << 10).fill(1, 0, 100 << 10);
    expectSameBytes(await readAll(node), first);
    await deleteSnapshot(node, '1');
    await write(node, 0, new Uint8Array(512).fill(4));
    await applySnapshot(node, '2');
    const second = new Uint8Array(2 << 20).fill(1, 0, 50 << 10).fill(2, 50 << 10, (50 << 10) + (1 << 20));
    expectSameBytes(await readAll(node), second);
    await deleteSnapshot(node, '2');
    await bench.graph.release(node);
    save(disk, file);
    await checkImage(file);
    await compareWith(file, second);
  });

  test('ours are listed, applied and deleted by theirs', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const bench = new Bench();
    const disk = await bench.create(1 << 20, { cluster_size: 4096 });
    const node = await bench.open(disk);
    await write(node, 0, new Uint8Array(300_000).fill(5));
    await takeSnapshot(node, { name: 'ours', dateSec: 1_700_000_000, dateNsec: 1, vmClockNsec: 3_723_004_000_000n, icount: 77n });
    await write(node, 1000, new Uint8Array(100_000).fill(6));
    await bench.graph.release(node);
    save(disk, file);
    await checkImage(file);
    expect((await qemuImg('snapshot', '-l', file)).stdout).toMatch(/\n1 +ours +0 B 2023-11-1\d \d\d:13:20 01:02:03\.004 +77\n$/);
    await qemuImg('snapshot', '-a', 'ours', file);
    await checkImage(file);
    await compareWith(file, new Uint8Array(1 << 20).fill(5, 0, 300_000));
    await qemuImg('snapshot', '-d', 'ours', file);
    await checkImage(file);
  });

  test('a snapshot that the refcounts have no room for is refused, and nothing has changed', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(1 << 20, { cluster_size: 1024, refcount_bits: 1 });
    const node = await bench.open(disk);
    await takeSnapshot(node, { name: 'of nothing', ...WHEN });
    await write(node, 0, new Uint8Array(200_000).fill(5));
    const refused = await Promise.resolve(takeSnapshot(node, { name: 'too much', ...WHEN })).catch((error: unknown) => error);
    expect(refused).toMatchObject({ kind: 'invalid-argument', errno: 'EINVAL' });
    await write(node, 500, new Uint8Array(1000).fill(6));
    expect(node.driver.snapshots?.list.map(({ name }) => name)).toEqual(['of nothing']);
    const seen = await readAll(node);
    await bench.graph.release(node);
    save(disk, dir.file('image'));
    await checkImage(dir.file('image'));
    await compareWith(dir.file('image'), seen);
  });

  test('a snapshot of an overlay keeps what is left to the backing file', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const base = await bench.open(await bench.create(256 << 10, { cluster_size: 1024 }, 'base'));
    await write(base, 0, new Uint8Array(256 << 10).fill(3));
    await bench.graph.release(base);
    const disk = await bench.create(256 << 10, { cluster_size: 4096, backing_file: 'base', backing_fmt: 'qcow2' });
    const backing = { backing: { driver: 'qcow2', file: bench.disks.get('base').definition } };
    const node = await bench.open(disk, backing);
    await write(node, 100, new Uint8Array(5000).fill(4));
    const before = await readAll(node);
    const { id } = await takeSnapshot(node, { name: 's', ...WHEN });
    await write(node, 0, new Uint8Array(200_000).fill(5));
    await applySnapshot(node, id);
    expectSameBytes(await readAll(node), before);
    await bench.graph.release(node);
    save(bench.disks.get('base'), dir.file('base'));
    save(disk, dir.file('image'));
    await checkImage(dir.file('image'));
    await compareWith(dir.file('image'), before);
  });
});

describe('snapshots of machines, and tables', () => {
  /** An image whose snapshot covers more than its disk: what lies behind the disk's end is a machine's state. */
  async function withState(bench: Bench): Promise<MemoryDisk> {
    const disk = await bench.create(1 << 20, { cluster_size: 512 });
    const node = await bench.open(disk);
    await write(node, 0, new Uint8Array(1 << 20).fill(7));
    await takeSnapshot(node, { name: 'machine', ...WHEN, vmStateSize: 5_000_000_000, vmClockNsec: 2n ** 63n, icount: 2n ** 60n });
    await bench.graph.release(node);
    // The disk that the snapshot records: a quarter of what its tables reach.
    const entry = disk.toBytes();
    const at = Number(new DataView(entry.buffer).getBigUint64(64));
    const size = new Uint8Array(8);
    new DataView(size.buffer).setBigUint64(0, BigInt(256 << 10));
    await done(disk.write(at + 48, size, 0, 8, 0));
    return disk;
  }

  test("a machine's state comes back with its snapshot, and survives others", async () => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await withState(bench);
    let node = await bench.open(disk);
    expect(node.driver.snapshots?.list[0]).toMatchObject({ vmStateSize: 5_000_000_000, vmClockNsec: 2n ** 63n, icount: 2n ** 60n, diskSize: 256 << 10 });
    await write(node, 0, new Uint8Array(1 << 20).fill(8));
    const other = await takeSnapshot(node, { name: 'other', ...WHEN });
    await deleteSnapshot(node, other.id);
    await applySnapshot(node, '1');
    expect(node.size).toBe(256 << 10);
    expectSameBytes(await readAll(node), new Uint8Array(256 << 10).fill(7));
    await bench.graph.release(node);
    node = await bench.open(disk);
    expect(node.driver.snapshots?.list[0]).toMatchObject({ vmStateSize: 5_000_000_000, vmClockNsec: 2n ** 63n, icount: 2n ** 60n });
    // Without the state in the way the disk grows over clean space.
    await node.truncate(1 << 20);
    expectSameBytes(await readAll(node), new Uint8Array(1 << 20).fill(7, 0, 256 << 10));
    await bench.graph.release(node);
    if (oracle.skip) return;
    save(disk, dir.file('image'));
    await checkImage(dir.file('image'));
  });

  test('what an entry holds besides is kept when the table is written anew', async () => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20, { cluster_size: 4096 });
    let node = await bench.open(disk);
    await takeSnapshot(node, { name: 'x'.repeat(100), ...WHEN });
    await takeSnapshot(node, { name: 'second', ...WHEN });
    await bench.graph.release(node);
    // 64 bytes of the name become extra data that nobody knows.
    const bytes = disk.toBytes();
    const at = Number(new DataView(bytes.buffer).getBigUint64(64));
    const view = new DataView(bytes.buffer, at);
    view.setUint32(36, 24 + 64);
    view.setUint16(14, 36);
    bytes[at + 40 + 24 + 64] = 0x31;
    const before = bytes.slice(at, at + 40 + 88 + 1 + 36);
    await done(disk.write(at, before, 0, before.length, 0));
    node = await bench.open(disk);
    await deleteSnapshot(node, '2');
    await takeSnapshot(node, { name: '', ...WHEN });
    expect(node.driver.snapshots?.list.map(({ id, name }) => [id, name])).toEqual([['1', 'x'.repeat(36)], ['2', '']]);
    await bench.graph.release(node);
    const after = disk.toBytes();
    const moved = Number(new DataView(after.buffer).getBigUint64(64));
    expectSameBytes(after.slice(moved, moved + before.length), before);
  });

  test('hostile tables are refused in one sentence', async () => {
    const bench = new Bench();
    const spoilt = async (at: number, ...words: number[]): Promise<unknown> => {
      const disk = await bench.create(1 << 20, { cluster_size: 4096 }, 'spoilt');
      const node = await bench.open(disk);
      await write(node, 0, new Uint8Array(9000).fill(1));
      await takeSnapshot(node, { name: 'n', ...WHEN });
      await bench.graph.release(node);
      const table = Number(new DataView(disk.toBytes().buffer).getBigUint64(64));
      const bytes = Uint8Array.from(words);
      await done(disk.write(at < 0 ? -at : table + at, bytes, 0, bytes.length, 0));
      try {
        const opened = await bench.open(disk);
        await bench.graph.release(opened);
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(await spoilt(36, 0xff, 0, 0, 0)).toMatch(/^Too much extra metadata in snapshot table entry 0\nYou can force-remove /);
    expect(await spoilt(8, 0xff, 0xff, 0xff, 0xff)).toBe('Snapshot L1 table too large in snapshot table entry 0');
    expect(await spoilt(0, 0, 0, 1, 0)).toBe('Snapshot L1 table offset invalid in snapshot table entry 0');
    expect(await spoilt(7, 1)).toBe('Snapshot L1 table offset invalid in snapshot table entry 0');
    expect(await spoilt(-60, 0, 2, 0, 0)).toBe('Snapshot table too large');
    expect(await spoilt(-60, 0, 1, 0, 0)).toMatch(/^Snapshot (table entry \d+ lies beyond the end of the file|L1 table offset invalid .*)$/);
    expect(await spoilt(-64, 0x40)).toBe('Snapshot table offset invalid');
  });

  test('names up to 64 KiB are taken, longer ones are not', async () => {
    const bench = new Bench();
    const node = await bench.open(await bench.create(1 << 20, { cluster_size: 512 }));
    const long = 'n'.repeat(65535);
    await takeSnapshot(node, { name: long, ...WHEN });
    await expect(takeSnapshot(node, { name: `${long}n`, ...WHEN })).rejects.toThrow('Snapshot name is too long');
    expect(node.driver.snapshots?.list.map(({ name }) => name.length)).toEqual([65535]);
    await bench.graph.release(node);
  });
});
