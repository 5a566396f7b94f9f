/** Tables larger than the memory for them, and a disk below that fails. */
import { BlockError } from '@blk/core-graph';
import { expectSameBytes, FormatBench, prng, readAll } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { toy } from './toy.js';

// A page has 8192 entries: 16 of them, where 4 are kept.
const SIZE = 16 * 8192 * 512;

test('pages come and go, and none with changes is lost', async () => {
  const random = prng(1);
  const bench = new FormatBench(toy(512, 8192, 1));
  const disk = await bench.create(SIZE);
  const model = new Uint8Array(SIZE);
  const node = await bench.open(disk);
  for (let step = 0; step < 400; step++) {
    const offset = random.below(SIZE / 512) * 512;
    const bytes = random.bytes(Math.min(SIZE - offset, 512 * (1 + random.below(8))));
    model.set(bytes, offset);
    await node.write(offset, bytes, 0, bytes.length);
    if (step % 100 === 50) expectSameBytes(await readAll(node), model);
  }
  await bench.graph.release(node);
  expectSameBytes(await bench.content(disk), model);
});

test('requests are tried again until they succeed', async () => {
  const random = prng(2);
  const bench = new FormatBench(toy(4096, 8));
  const disk = await bench.create(60 * 4096);
  const model = new Uint8Array(60 * 4096);
  let failures = 0;
  const tap = disk.use({
    before: ({ verb }) => {
      if (verb === 'read' || random.below(6) > 0) return;
      failures++;
      throw new BlockError('io', 'the disk failed');
    },
  });
  const again = async (work: () => void | Promise<void>): Promise<void> => {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        expect(error).toMatchObject({ message: 'the disk failed' });
      }
    }
  };
  const node = await bench.open(disk);
  const requests: Promise<void>[] = [];
  for (let step = 0; step < 200; step++) {
    // One part of each cluster for each turn: nothing overlaps what is under way.
    const offset = random.below(60) * 4096 + (step % 8) * 512;
    const bytes = random.bytes(512);
    model.set(bytes, offset);
    requests.push(again(() => node.write(offset, bytes, 0, 512)));
    if (step % 8 < 7) continue;
    await Promise.all(requests.splice(0));
    await again(() => node.flush());
  }
  expectSameBytes(await readAll(node), model);
  await again(() => node.flush());
  disk.remove(tap);
  await bench.graph.release(node);
  expectSameBytes(await bench.content(disk), model);
  expect(failures).toBeGreaterThan(10);
});

test('small tables take what they take, and no page of 64 KiB each', async () => {
  const tables = 40;
  const bench = new FormatBench(toy(512, 64, tables * (64 * 8 + 1024)));
  const disk = await bench.create(tables * 64 * 512);
  const node = await bench.open(disk);
  const starts = Array.from({ length: tables }, (_, table) => table * 64 * 512);
  for (const start of starts) await node.write(start, new Uint8Array(1), 0, 1);
  await bench.graph.release(node);
  const holes = starts.map((start) => start + 1024);
  expect(await bench.secondReads(disk, holes)).toBe(0);
  // One less, and those that were used longest ago have to go.
  const few = new FormatBench(toy(512, 64, tables * (64 * 8 + 1024) - 1));
  expect(await few.secondReads(disk, holes)).toBeGreaterThan(0);
});
