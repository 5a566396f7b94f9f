/** A disk that fails: errors come through, nothing that was written before is lost, and the tables stay whole. */
import { BlockError, WriteFlag } from '@blk/core-graph';
import { expectSameBytes, faulty, MemoryDisk, prng, slow } from '@blk/driver-conformance';
import { skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, checkImage, compareWith, done, readAll, save, write } from './support.js';

const oracle = skipUnless('qemu-img');

describe.skipIf(oracle.skip)(oracle.title('a failing disk'), () => {
  test.each([
    { name: 'full now and then', verb: 'write' as const, error: 'ENOSPC' },
    { name: 'failing flushes', verb: 'flush' as const, error: 'EIO' },
    { name: 'failing reads', verb: 'read' as const, error: 'EIO' },
    { name: 'half writes', verb: 'write' as const, error: 'EIO', partial: true },
  ])('$name', async ({ verb, error, partial }) => {
    using dir = tempDir();
    for (let seed = 1; seed <= 6; seed++) {
      const bench = new Bench();
      const size = 512 << 10;
      const disk = await bench.create(size, { cluster_size: 1024 });
      const random = prng(seed);
      const node = await bench.open(disk, { 'cache-size': 4096 });
      if (seed % 2 === 0) disk.use(slow(seed));
      const chance = prng(seed + 50);
      const faults = disk.use(faulty({ verb, error, partial: partial ?? false, when: () => chance.below(5) === 0 }));
      const model = new Uint8Array(size);
      // Bytes that a failed write may or may not have changed.
      const unsure = new Uint8Array(size);
      for (let step = 0; step < 120; step++) {
        const offset = random.below(size);
        const length = Math.min(size - offset, 1 + random.below(6000));
        const bytes = random.bytes(length);
        try {
          const kind = random.below(10);
          if (kind === 0) await done(node.flush());
          else if (kind < 4) {
            const found = new Uint8Array(length);
            await done(node.read(offset, found, 0, length));
            expectSameBytes(found, model.slice(offset, offset + length).map((byte, at) => (unsure[offset + at] === 1 ? found[at] : byte)));
            continue;
          }
          else {
            await done(node.write(offset, bytes, 0, length));
            model.set(bytes, offset);
            unsure.fill(0, offset, offset + length);
          }
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(BlockError);
          expect((thrown as BlockError).errno).toBe(error);
          unsure.fill(1, offset, offset + length);
        }
      }
      expect(faults.failures).toBeGreaterThan(0);
      faults.clear();
      await done(node.flush());
      const seen = await readAll(node);
      expectSameBytes(seen, model.map((byte, at) => (unsure[at] === 1 ? seen[at] : byte)));
      await bench.graph.release(node);
      save(disk, dir.file('image'));
      await checkImage(dir.file('image'), true);
      await compareWith(dir.file('image'), seen);
    }
  });
});

test('a device that is full says so, and keeps what it has', async () => {
  const bench = new Bench();
  const made = await bench.create(1 << 20, { cluster_size: 4096 });
  const content = new Uint8Array(256 * 1024 + 100);
  content.set(made.toBytes());
  const disk = new MemoryDisk({ content, growable: false });
  const node = await bench.open(disk);
  let written = 0;
  await expect(
    (async () => {
      for (; written < 256; written++) await done(node.write(written * 4096, new Uint8Array(4096).fill(written + 1), 0, 4096));
    })(),
  ).rejects.toMatchObject({ kind: 'no-space' });
  expect(written).toBe(64 - 5);
  await bench.graph.release(node);
  const again = await bench.open(disk, {}, true);
  const bytes = await readAll(again);
  for (let at = 0; at < written; at++) expect(bytes[at * 4096]).toBe(at + 1);
});

test('room that a failed compressed write gave back is not packed into again', async () => {
  const bench = new Bench();
  const clusterSize = 4096;
  const disk = await bench.create(1 << 20, { cluster_size: clusterSize });
  const node = await bench.open(disk);
  const packable = (fill: number): Uint8Array => new Uint8Array(clusterSize).fill(fill);
  const faults = disk.use(faulty({ verb: 'write', times: 1 }));
  await expect(write(node, 0, packable(1), WriteFlag.Compressed)).rejects.toMatchObject({ kind: 'io' });
  faults.clear();
  const data = prng(3).bytes(clusterSize);
  await write(node, clusterSize, data);
  await write(node, 2 * clusterSize, packable(2), WriteFlag.Compressed);
  const seen = await readAll(node);
  expectSameBytes(seen.subarray(clusterSize, 2 * clusterSize), data);
  expectSameBytes(seen.subarray(2 * clusterSize, 3 * clusterSize), packable(2));
  await bench.graph.release(node);
});

/** Lets the next write of the header fail. */
function failHeader(disk: MemoryDisk): void {
  disk.use(faulty({ verb: 'write', offset: 0, times: 1 }));
}

test('lazy refcounts: the dirty bit is on disk before the tables, even if it could not be written at once', async () => {
  const bench = new Bench();
  const disk = await bench.create(1 << 20, { cluster_size: 4096, lazy_refcounts: true });
  const node = await bench.open(disk);
  await write(node, 0, prng(1).bytes(5000));
  failHeader(disk);
  await expect(done(node.flush())).rejects.toMatchObject({ kind: 'io' });
  await done(node.flush());
  const seen = await readAll(node);
  // What a power cut leaves here.
  const cut = new MemoryDisk({ content: disk.content.clone() });
  expect(cut.toBytes()[79] & 1).toBe(1);
  await bench.graph.release(node);
  const again = await bench.open(cut);
  await write(again, 500_000, prng(2).bytes(5000));
  expectSameBytes((await readAll(again)).subarray(0, 5000), seen.subarray(0, 5000));
  await bench.graph.release(again);
});

describe.skipIf(oracle.skip)(oracle.title('a resize that fails'), () => {
  test.each([
    { name: 'growing, 1st write of the header', from: 1 << 20, to: 200 << 20, nth: 1, verb: 'write' as const },
    { name: 'growing, 2nd write of the header', from: 1 << 20, to: 200 << 20, nth: 2, verb: 'write' as const },
    { name: 'shrinking', from: 8 << 20, to: 1 << 20, nth: 1, verb: 'write' as const },
    ...[1, 2, 3, 4, 5, 6].map((nth) => ({ name: `growing, flush ${nth}`, from: 1 << 20, to: 200 << 20, nth, verb: 'flush' as const })),
    ...[1, 2, 3].map((nth) => ({ name: `shrinking, flush ${nth}`, from: 8 << 20, to: 1 << 20, nth, verb: 'flush' as const })),
  ])('leaves an image of the old size or the new: $name', async ({ from, to, nth, verb }) => {
    using dir = tempDir();
    for (const lazy of [false, true]) {
      const bench = new Bench();
      const disk = await bench.create(from, { cluster_size: 4096, lazy_refcounts: lazy });
      const node = await bench.open(disk);
      const model = prng(7).bytes(300_000);
      await write(node, 0, model);
      await done(node.flush());
      await write(node, 200_000, model.subarray(0, 50_000));
      model.copyWithin(200_000, 0, 50_000);
      const faults = disk.use(faulty({ verb, nth, times: 1, ...(verb === 'write' ? { offset: 0 } : {}) }));
      const failed = await node.truncate(to, { preallocation: 'off', shrink: true }).then(
        () => false,
        () => true,
      );
      // What goes wrong after the new size is in force only leaves space allocated, and is not told.
      if (to > from || faults.failures === 0) expect(failed).toBe(faults.failures > 0);
      expect(node.size).toBe(failed ? from : to);
      faults.clear();
      // Clusters are taken and filled, whatever the failure gave back.
      for (let at = 0; at < 60; at++) await write(node, 400_000 + at * 4096, prng(at).bytes(4096));
      const seen = await readAll(node);
      expectSameBytes(seen.subarray(0, model.length), model);
      await done(node.flush());
      const cut = new MemoryDisk({ content: disk.content.clone() });
      const afterCut = await bench.open(cut);
      expect(afterCut.size).toBe(node.size);
      expectSameBytes(await readAll(afterCut), seen);
      await bench.graph.release(afterCut);
      await bench.graph.release(node);
      save(disk, dir.file('image'));
      await checkImage(dir.file('image'), true);
      await compareWith(dir.file('image'), seen);
    }
  });
});

test.each([
  { name: 'a full file system', growable: true },
  { name: 'a full device', growable: false },
  { name: 'a device that ends where a refcount block ends', growable: false, clusters: 256 * 3 },
])('$name: what was written before can be flushed', async ({ growable, clusters = 700 }) => {
  const clusterSize = 512;
  for (const size of growable ? [clusters, clusters + 1, clusters + 2, 256 * 3, 256 * 3 + 1, 256 * 4 - 1].map((count) => count * clusterSize) : [clusters * clusterSize]) {
    const bench = new Bench();
    const made = await bench.create(8 << 20, { cluster_size: clusterSize });
    const content = new Uint8Array(growable ? made.size : size);
    content.set(made.toBytes());
    const disk = new MemoryDisk({ content, growable });
    disk.use(faulty({ verb: 'write', error: 'ENOSPC', when: ({ offset, length }) => offset + length > size }));
    const node = await bench.open(disk);
    const written: number[] = [];
    const stride = 60 * clusterSize;
    let refused = 0;
    for (let at = 0; at < 6000 && refused < 3; at++) {
      const offset = (at * stride) % (node.size - clusterSize);
      try {
        await write(node, offset - (offset % clusterSize), new Uint8Array(clusterSize).fill(1 + (at % 250)));
        written.push(at);
      } catch (error) {
        expect((error as BlockError).errno).toBe('ENOSPC');
        refused++;
      }
    }
    expect(refused).toBe(3);
    await done(node.flush());
    await bench.graph.release(node);
    const again = await bench.open(disk, {}, true);
    const bytes = await readAll(again);
    for (const at of written) {
      const offset = (at * stride) % (node.size - clusterSize);
      expect(bytes[offset - (offset % clusterSize)]).toBe(1 + (at % 250));
    }
  }
});
