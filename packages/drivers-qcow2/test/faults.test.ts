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
