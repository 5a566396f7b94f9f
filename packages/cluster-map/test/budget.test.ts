/** Tables larger than the memory for them, and a disk below that fails. */
import { BlockError, defineDriver, type Edge } from '@blk/core-graph';
import { expectSameBytes, FormatBench, MemoryDisk, prng, proveFailingDisk, provePowerCuts, readAll, slow } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { FixedRoot, Tables } from '../src/index.js';
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

// Tables of 64 entries: 20 of them, where 4 are kept.
const SMALL = 20 * 64 * 512;

/** Tables of 20 pages, four of them in memory, which are all of the disk. */
async function tablesOver(disk: MemoryDisk): Promise<Tables> {
  const edges: Edge[] = [];
  const plain = defineDriver<{ readonly file: unknown }>({
    name: 'plain', role: 'format', options: {}, children: { file: 'required' },
    async open(options, context) {
      const file = await context.child('file', options.file, 'storage');
      edges.push(file);
      return { size: 0, limits: file.node.limits, read: () => undefined, close: () => Promise.resolve() };
    },
  });
  await new FormatBench(plain).open(disk);
  const [file] = edges;
  return new Tables(file, { driver: 'plain', codec: { bytes: 8, littleEndian: true, decode: (low) => low, encode: (place) => place }, entries: 20 * 8192, root: new FixedRoot(0), budget: 0 });
}

test.each([false, true])('many at once over few pages: an entry is never set in a page that has left, requests late: %s', async (late) => {
  const bench = new FormatBench(toy(512, 64, 1));
  const disk = await bench.create(SMALL);
  const model = new Uint8Array(SMALL);
  const random = prng(6);
  const node = await bench.open(disk);
  // All tables have their places.
  for (let table = 0; table < 20; table++) await node.write((table * 64 + 63) * 512, new Uint8Array(512).fill(1), 0, 512);
  for (let table = 0; table < 20; table++) model.fill(1, (table * 64 + 63) * 512, (table * 64 + 64) * 512);
  if (late) disk.use(slow(6));
  for (let step = 0; step < 300; step++) {
    // Pages without changes are those that leave.
    if (step % 3 === 0) await node.flush();
    await Promise.all(Array.from({ length: 8 }, async (_, guest) => {
      // Each has clusters of its own.
      const offset = (random.below(SMALL / 4096) * 8 + guest) * 512;
      const bytes = random.bytes(512);
      model.set(bytes, offset);
      await node.write(offset, bytes, 0, 512);
    }));
  }
  expectSameBytes(await readAll(node), model);
  await bench.graph.release(node);
  expectSameBytes(await bench.content(disk), model);
});

test.each([false, true])('power cuts over few pages, requests late and several at a time: %s', async (late) => {
  const bench = new FormatBench(toy(512, 64, 1));
  await provePowerCuts(bench.subject(), await bench.create(SMALL), { seed: 8, cuts: 20, steps: 60, longest: 100 * 512, late });
});

test.each([1, 2, 3, 4])('a failing disk over few pages, seed %i', async (seed) => {
  const bench = new FormatBench(toy(512, 64, 1));
  expect(await proveFailingDisk({ ...bench.subject(), look: () => undefined }, await bench.create(SMALL), { seed, rounds: 25, longest: 20_000 })).toBeGreaterThan(5);
});

test('a page that can not be read is an error of the requests that need it, and is read anew for the next', async () => {
  const bench = new FormatBench(toy(512, 64, 1));
  const disk = await bench.create(SMALL);
  const writer = await bench.open(disk);
  await writer.write(64 * 512, new Uint8Array(1024).fill(5), 0, 1024);
  await bench.graph.release(writer);
  const node = await bench.open(disk);
  const tap = disk.use({ before: ({ verb }) => (verb === 'read' ? Promise.reject(new BlockError('io', 'the disk failed')) : undefined) });
  const read = async (offset: number): Promise<number> => {
    const bytes = new Uint8Array(1);
    await node.read(offset, bytes, 0, 1);
    return bytes[0];
  };
  const failing = await Promise.allSettled([read(64 * 512), read(64 * 512 + 512), node.write(64 * 512, new Uint8Array(10), 0, 10), node.extent(64 * 512, 512)]);
  for (const result of failing) expect(result).toMatchObject({ status: 'rejected', reason: { message: 'the disk failed' } });
  disk.remove(tap);
  const before = disk.counts.read;
  expect(await Promise.all([read(64 * 512), read(64 * 512 + 512), read(66 * 512)])).toEqual([5, 5, 0]);
  // The page once for all of them, and the two clusters.
  expect(disk.counts.read - before).toBe(3);
  await bench.graph.release(node);
});

test('a page whose changes can not be written stays until they can be', async () => {
  const bench = new FormatBench(toy(512, 64, 1));
  const disk = await bench.create(SMALL);
  const model = new Uint8Array(SMALL);
  const node = await bench.open(disk);
  const write = async (table: number, value: number): Promise<void> => {
    await node.write(table * 64 * 512, new Uint8Array(512).fill(value), 0, 512);
    model.fill(value, table * 64 * 512, table * 64 * 512 + 512);
  };
  // Tables of their own for all of them first.
  for (let table = 0; table < 20; table++) await write(table, 1);
  await node.flush();
  // The disk writes data, and no tables.
  const tap = disk.use({ before: ({ verb }) => (verb === 'flush' ? Promise.reject(new BlockError('io', 'the disk failed')) : undefined) });
  let refused = 0;
  for (let table = 0; table < 20; table++) {
    const offset = table * 64 * 512 + 1024;
    try {
      await node.write(offset, new Uint8Array(512).fill(2), 0, 512);
      model.fill(2, offset, offset + 512);
    } catch (error) {
      expect(error).toMatchObject({ message: 'the disk failed' });
      refused++;
    }
  }
  // As many as fit into memory were taken, and no more.
  expect(refused).toBeGreaterThan(10);
  expectSameBytes(await readAll(node), model);
  await expect((async () => node.flush())()).rejects.toThrow('the disk failed');
  disk.remove(tap);
  for (let table = 0; table < 20; table++) await write(table, 3);
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

test('a walk through all of the entries sees what is in memory, and crowds nothing out', async () => {
  const disk = new MemoryDisk({ content: new Uint8Array(20 * 65536) });
  const tables = await tablesOver(disk);
  for (let page = 0; page < 20; page++) disk.content.write(page * 65536, new Uint8Array([page]), 0, 1);
  await tables.load(19);
  tables.peek(19)?.setHalves(0, 99, 0);
  const walk = async (visit: (low: number, first: number, end: number) => Promise<void> | void): Promise<void> => {
    await tables.walk(20 * 8192 - 5, (page, first, end) => visit(page.low(0), first, end));
  };
  const seen: number[] = [];
  let behind = 0;
  await walk((low, first, end) => {
    expect(first).toBe(behind);
    behind = end;
    seen.push(low);
  });
  expect(behind).toBe(20 * 8192 - 5);
  expect(seen).toEqual([...Array.from({ length: 19 }, (_, page) => page), 99]);
  // The first pages and the last one are in memory, as they were after three quarters of the room were taken.
  expect(Array.from({ length: 20 }, (_, page) => page).filter((page) => tables.peek(page) !== undefined)).toEqual([0, 1, 2, 19]);
  // One that is loaded and changed while it is being looked at is seen with its changes.
  const changing = disk.use({
    before: ({ verb, offset }) => {
      if (verb !== 'read' || offset !== 7 * 65536) return;
      disk.remove(changing);
      return tables.load(7).then(() => tables.peek(7)?.setHalves(0, 77, 0));
    },
  });
  const again: number[] = [];
  await walk((low) => {
    again.push(low);
  });
  expect(again[7]).toBe(77);
  await expect(walk(() => Promise.reject(new Error('enough')))).rejects.toThrow('enough');
});
