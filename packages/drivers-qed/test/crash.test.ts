/** Power cuts: at any moment the image opens, and what was flushed is there. */
import { expectSameBytes, MemoryDisk, prng, provePowerCuts, readAll, recorder, saveDisk } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img');

test.each([false, true])('requests late and several at a time: %s', async (late) => {
  for (let seed = 1; seed <= 3; seed++) {
    const bench = new Bench();
    const size = 1 << 20;
    const below = seed === 1 ? {} : { backing: { driver: 'raw', file: new MemoryDisk({ content: new Uint8Array(size).fill(7) }).definition } };
    const look = async (left: MemoryDisk): Promise<void> => {
      const { result } = await bench.check(left);
      if (result.corruptions > 0) throw new Error(`${result.corruptions} corruptions`);
    };
    const disk = await bench.create(size, { cluster_size: 4096, table_size: 1 });
    await provePowerCuts(bench.subject(look, below), disk, { seed, cuts: 25, steps: 50, longest: 48 << 10, late, initial: () => (seed === 1 ? 0 : 7) });
  }
});

describe.skipIf(oracle.skip)(oracle.title('with the reference looking on'), () => {
  test('it finds nothing but leaks', async () => {
    using dir = tempDir();
    const bench = new Bench();
    let looked = 0;
    const look = async (left: MemoryDisk): Promise<void> => {
      if (looked++ % 4 !== 0) return;
      saveDisk(left, dir.file('left'));
      const { code, stdout, stderr } = await qemuImg('check', '-f', 'qed', dir.file('left'));
      if (code !== 0 && code !== 3) throw new Error(stdout + stderr);
    };
    await provePowerCuts(bench.subject(look), await bench.create(4 << 20), { seed: 7, cuts: 16, steps: 25, longest: 3 << 18 });
  });
});

test('while it is written to, an image asks for a check; closed, it does not', async () => {
  const bench = new Bench();
  const disk = await bench.create(4 << 20);
  const features = (): number => disk.toBytes()[16];
  const node = await bench.open(disk);
  await node.write(0, new Uint8Array(512).fill(1), 0, 512);
  await node.flush();
  expect(features()).toBe(2);
  await bench.graph.release(node);
  expect(features()).toBe(0);
});

test('it asks before a table changes, and ceases to when all that it has is on stable storage', async () => {
  const bench = new Bench();
  const disk = await bench.create(4 << 20, { cluster_size: 4096, table_size: 2 });
  const recording = recorder(disk);
  const node = await bench.open(disk);
  await node.write(0, new Uint8Array(512).fill(1), 0, 512);
  await bench.graph.release(node);
  const writes = recording.operations.filter(({ verb }) => verb === 'write');
  const [asks, ceases] = writes.filter(({ offset }) => offset === 0);
  const others = writes.filter(({ offset }) => offset >= 4096);
  const [tables, data] = [others.filter(({ offset }) => offset < 3 * 4096), others.filter(({ offset }) => offset >= 3 * 4096)];
  expect(tables.length * data.length).toBeGreaterThan(0);
  for (const { start } of tables) expect(recording.isStable(asks, start)).toBe(true);
  for (const written of others) expect(recording.isStable(written, ceases.start)).toBe(true);
  expect(recording.isStable(ceases, recording.now)).toBe(true);
});

test('a disk that grows has its old size or the new one after a power cut, and zeroes in what is new', async () => {
  const bench = new Bench();
  const [before, after] = [(1 << 18) + 1536, 1 << 20];
  const backing = { driver: 'raw', file: new MemoryDisk({ content: new Uint8Array(2 << 20).fill(7) }).definition };
  const disk = await bench.create(before, { cluster_size: 4096, table_size: 1 });
  const recording = recorder(disk);
  const node = await bench.open(disk, { backing });
  await node.truncate(after);
  await bench.graph.release(node);
  const random = prng(1);
  const sizes = new Set<number>();
  for (let moment = 0; moment <= recording.now; moment++) {
    for (const left of [recording.cut(moment), ...Array.from({ length: 8 }, () => recording.crash(moment, random))]) {
      const reader = await bench.open(left, { backing }, { readOnly: true });
      sizes.add(reader.size);
      expectSameBytes(await readAll(reader), new Uint8Array(reader.size).fill(7, 0, before));
      await bench.graph.release(reader);
    }
  }
  expect([...sizes]).toEqual([before, after]);
});
