/** What formats with packed blocks lean on: blocks kept and under way within a bound, and reads that bring the next ones along. */
import { BlockGraph, defineDriver, NO_LIMITS, type Edge } from '@blk/core-graph';
import { expectSameBytes, faulty, MemoryDisk, MemoryDisks, prng, slow } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { BlockCache, ReadAhead } from '../src/index.js';

const SIZE = 1000;

/** The edge that a format has to its file. */
async function edgeOver(disk: MemoryDisk): Promise<Edge> {
  let edge: Edge | undefined;
  const format = defineDriver<{ readonly file: unknown }>({
    name: 'none', role: 'format', options: {}, children: { file: 'required' },
    async open({ file }, context) {
      edge = await context.child('file', file, 'storage');
      return { size: 0, limits: NO_LIMITS, read: () => undefined, close: () => Promise.resolve() };
    },
  });
  await new BlockGraph({ drivers: [new MemoryDisks().driver, format] }).open({ driver: 'none', file: disk.definition }, { readOnly: true });
  if (edge === undefined) throw new Error('no edge');
  return edge;
}

test('a block is unpacked once for all who ask, and stays for a while', async () => {
  let unpacked = 0;
  const open: (() => void)[] = [];
  const cache = new BlockCache(3 * SIZE, (index, into) => {
    unpacked++;
    return new Promise<void>((resolve) => open.push(() => { into.fill(index); resolve(); }));
  });
  const asked = [1, 1, 2, 1].map(async (index) => cache.read(index, SIZE));
  expect(unpacked).toBe(2);
  for (const finish of open) finish();
  expect((await Promise.all(asked)).map((block) => block[0])).toEqual([1, 1, 2, 1]);
  expect(cache.read(1, SIZE)).toBeInstanceOf(Uint8Array);
  expect(unpacked).toBe(2);
});

test('no more is under way or kept than the bound says, but for a single block', async () => {
  const random = prng(1);
  let underWay = 0;
  let most = 0;
  let unpacked = 0;
  const cache = new BlockCache(3 * SIZE, async (index, into) => {
    unpacked++;
    underWay += into.length;
    most = Math.max(most, underWay);
    await new Promise<void>((resolve) => { setImmediate(resolve); });
    into.fill(index);
    underWay -= into.length;
  });
  for (const block of await Promise.all(Array.from({ length: 50 }, async () => {
    const index = random.below(20);
    return { index, bytes: await cache.read(index, SIZE) };
  }))) expect(block.bytes.every((byte) => byte === block.index)).toBe(true);
  expect(most).toBe(3 * SIZE);
  const before = unpacked;
  for (const index of [100, 101, 102]) await cache.read(index, SIZE);
  for (const index of [102, 101, 100]) expect(cache.read(index, SIZE)).toBeInstanceOf(Uint8Array);
  await cache.read(103, SIZE);
  // The one that was not used for longest had to go.
  await cache.read(102, SIZE);
  expect(unpacked - before).toBe(5);
  expect((await cache.read(200, 10 * SIZE)).length).toBe(10 * SIZE);
});

test('a block that can not be had is an error for those who wait, and is tried again', async () => {
  let fail = true;
  const cache = new BlockCache(SIZE, async (index, into) => {
    await Promise.resolve();
    if (fail) throw new Error('damaged');
    into.fill(index);
  });
  const asked = [1, 1, 2].map(async (index) => cache.read(index, SIZE));
  expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  fail = false;
  expect((await cache.read(1, SIZE))[0]).toBe(1);
});

test('pieces in order are few reads, and any piece is right', async () => {
  const random = prng(2);
  const content = random.bytes(100_000);
  for (const late of [false, true]) {
    const disk = new MemoryDisk({ content });
    if (late) disk.use(slow(1));
    const ahead = new ReadAhead(await edgeOver(disk), 10_000);
    for (let at = 0; at < content.length; at += 1000) expectSameBytes(await ahead.read(at, 1000), content.subarray(at, at + 1000));
    expect(disk.counts.read).toBe(10);
    await Promise.all(Array.from({ length: 60 }, async () => {
      const at = random.below(content.length);
      const length = Math.min(content.length - at, 1 + random.below(30_000));
      expectSameBytes(await ahead.read(at, length), content.subarray(at, at + length));
    }));
  }
});

test('a read that fails is tried again', async () => {
  for (const late of [false, true]) {
    const disk = new MemoryDisk({ content: prng(3).bytes(5000) });
    if (late) disk.use(slow(2));
    const ahead = new ReadAhead(await edgeOver(disk), 1000);
    disk.use(faulty({ verb: 'read', times: 1 }));
    await expect((async () => ahead.read(0, 100))()).rejects.toMatchObject({ kind: 'io' });
    expectSameBytes(await ahead.read(0, 100), disk.toBytes().subarray(0, 100));
  }
});
