// Room for clusters that others fill: what is given, who waits for it, what becomes of what was not stored, and guests who do all this at the same time.
import { BlockError, type BlockNode, type NewPlace } from '@blk/core-graph';
import { expectSameBytes, prng, slow } from '@blk/driver-conformance';
import { describe, expect, test } from 'vitest';
import { metadataFaults } from './metadata-faults.js';
import { Bench, done, fillPlace, readAll, write } from './support.js';

const CLUSTER = 4096;
const KEY = { 'encrypt.key-secret': 'sec0' };

async function opened(options: Record<string, unknown> = {}, size = 1 << 20, open: Record<string, unknown> = {}): Promise<{ bench: Bench; node: BlockNode }> {
  const bench = new Bench();
  const disk = await bench.create(size, { cluster_size: CLUSTER, ...options });
  return { bench, node: await bench.open(disk, open) };
}

const take = (node: BlockNode, offset: number, length: number, step = CLUSTER): Promise<NewPlace | undefined> =>
  (node.driver.takePlace as NonNullable<typeof node.driver.takePlace>)(offset, length, step);

/** Closes the image, and throws where something is wrong with it. */
async function closeClean({ bench, node }: { bench: Bench; node: BlockNode }): Promise<void> {
  await bench.graph.release(node);
  const { corruptions, marks, leaks } = metadataFaults(bench.disks.get('image').toBytes());
  expect([...corruptions, ...marks, ...leaks]).toEqual([]);
}

describe('a place', () => {
  test.each<readonly [string, number, number, number, number | undefined]>([
    ['whole clusters', 8 * CLUSTER, 3 * CLUSTER, CLUSTER, 3 * CLUSTER],
    ['as many whole clusters as there are', 0, 3 * CLUSTER + 100, CLUSTER, 3 * CLUSTER],
    ['in steps of several', 0, 4 * CLUSTER, 2 * CLUSTER, 4 * CLUSTER],
    ['in no steps at all', 0, CLUSTER, 0, CLUSTER],
    ['to the end of what a table covers', 511 * CLUSTER, 5 * CLUSTER, CLUSTER, CLUSTER],
    ['not for the last one, in part beyond the end', (4 << 20) - 2 * CLUSTER, 2 * CLUSTER, CLUSTER, CLUSTER],
    ['not for a part of one', 0, CLUSTER - 1, CLUSTER, undefined],
    ['not from the middle of one', 512, 3 * CLUSTER, CLUSTER, undefined],
    ['not in steps that end inside of them', 0, 3 * CLUSTER, 512, undefined],
  ])('is for %s', async (_title, offset, length, step, expected) => {
    const image = await opened({}, (4 << 20) - 512);
    const place = await take(image.node, offset, length, step);
    expect(place?.length).toBe(expected);
    expect(place?.node).toBe(place && image.node.children.get('file')?.node);
    await place?.settle([]);
    await closeClean(image);
  });

  test.each<readonly [string, Record<string, unknown>, Record<string, unknown>]>([
    ['an external data file', { data_file: 'memory:data' }, {}],
    ['encryption', { 'encrypt.format': 'luks', 'encrypt.iter-time': 0, ...KEY }, KEY],
    ['clusters that have theirs', { preallocation: 'metadata' }, {}],
  ])('is none with %s', async (_title, options, open) => {
    const image = await opened(options, 1 << 20, open);
    expect(await take(image.node, 0, 4 * CLUSTER)).toBeUndefined();
    await image.bench.graph.release(image.node);
  });

  test('ends before a cluster that can be written where it is', async () => {
    const image = await opened();
    await write(image.node, 3 * CLUSTER + 7, new Uint8Array(5).fill(9));
    const place = await take(image.node, 0, 8 * CLUSTER);
    expect(place?.length).toBe(3 * CLUSTER);
    await place?.settle([]);
    await closeClean(image);
  });

  test('is refused where the file has no room, with nothing lost', async () => {
    const { bench, node } = await opened();
    const file = node.children.get('file')?.node as BlockNode;
    Object.defineProperty(file.driver, 'growable', { value: false });
    await expect(take(node, 0, 8 * CLUSTER)).rejects.toThrow(BlockError);
    Object.defineProperty(file.driver, 'growable', { value: true });
    await write(node, 0, new Uint8Array(CLUSTER).fill(1));
    await closeClean({ bench, node });
  });
});

describe('settling', () => {
  test('holds what was stored, and gives the rest of the room back', async () => {
    const image = await opened();
    const { node } = image;
    const bytes = prng(3).bytes(8 * CLUSTER);
    const kept = new Set([1, 2, 5]);
    expect(await fillPlace(node, 16 * CLUSTER, bytes, CLUSTER, (cluster) => kept.has(cluster))).toBe(8 * CLUSTER);
    const model = new Uint8Array(node.size);
    for (const at of kept) model.set(bytes.subarray(at * CLUSTER, (at + 1) * CLUSTER), (16 + at) * CLUSTER);
    expectSameBytes(await readAll(node), model);
    // The five that were not used come next.
    const file = node.children.get('file')?.node as BlockNode;
    const { size } = file;
    await write(node, 100 * CLUSTER, new Uint8Array(5 * CLUSTER).fill(4));
    expect(file.size).toBeLessThanOrEqual(size + 5 * CLUSTER);
    const place = await take(node, 0, CLUSTER);
    await write(node, 110 * CLUSTER, new Uint8Array(5).fill(4));
    await place?.settle([]);
    model.fill(4, 100 * CLUSTER, 105 * CLUSTER).fill(4, 110 * CLUSTER, 110 * CLUSTER + 5);
    expectSameBytes(await readAll(node), model);
    await closeClean(image);
  });

  test('leaves out a cluster that is stored in part', async () => {
    const image = await opened();
    const { node } = image;
    const place = (await take(node, 0, 4 * CLUSTER)) as NewPlace;
    await done(place.node.write(place.offset, new Uint8Array(3 * CLUSTER).fill(5), 0, 3 * CLUSTER));
    await place.settle([{ at: CLUSTER, length: CLUSTER }, { at: 3 * CLUSTER, length: CLUSTER - 1 }]);
    const model = new Uint8Array(node.size).fill(5, CLUSTER, 2 * CLUSTER);
    expectSameBytes(await readAll(node), model);
    // Its room was written to, and reads as zeroes where it is used again.
    await write(node, 0, new Uint8Array([1]));
    model[0] = 1;
    expectSameBytes(await readAll(node), model);
    await closeClean(image);
  });

  test('refuses what does not begin with a cluster, and gives all of the room back', async () => {
    const image = await opened();
    const place = (await take(image.node, 0, 4 * CLUSTER)) as NewPlace;
    await expect(place.settle([{ at: 512, length: 2 * CLUSTER }])).rejects.toThrow('does not begin with a cluster');
    await write(image.node, 0, new Uint8Array(CLUSTER).fill(1));
    await closeClean(image);
  });

  test('is waited for by whoever changes these clusters, and by nobody else', async () => {
    const image = await opened();
    const { node } = image;
    const place = (await take(node, 0, 4 * CLUSTER)) as NewPlace;
    const order: string[] = [];
    const overlapping = write(node, CLUSTER + 5, new Uint8Array(10).fill(8)).then(() => order.push('written'));
    await write(node, 4 * CLUSTER, new Uint8Array(CLUSTER).fill(6));
    await done(place.node.write(place.offset, new Uint8Array(place.length).fill(7), 0, place.length));
    order.push('settled');
    await place.settle([{ at: 0, length: place.length }]);
    await overlapping;
    expect(order).toEqual(['settled', 'written']);
    const model = new Uint8Array(node.size).fill(7, 0, 4 * CLUSTER).fill(6, 4 * CLUSTER, 5 * CLUSTER).fill(8, CLUSTER + 5, CLUSTER + 15);
    expectSameBytes(await readAll(node), model);
    await closeClean(image);
  });
});

describe('several guests at once, on a slow disk', () => {
  test.each([1, 2, 3, 4, 5, 6])('seed %i', async (seed) => {
    const guests = 5;
    const clusters = 400;
    const { bench, node } = await opened({ cluster_size: 512, refcount_bits: seed % 2 === 0 ? 1 : 16 }, clusters * 512, { 'cache-size': 2048 });
    bench.disks.get('image').use(slow(seed));
    const model = new Uint8Array(node.size);
    let placed = 0;
    // Each has a part of the disk, which tables do not end with.
    const guest = async (part: number): Promise<void> => {
      const random = prng(seed * 10 + part);
      const own = clusters / guests;
      for (let step = 0; step < 60; step++) {
        const first = random.below(own);
        const count = Math.min(own - first, 1 + random.below(9));
        const offset = (part * own + first) * 512;
        const bytes = random.bytes(count * 512);
        const kind = random.below(5);
        if (kind < 2) {
          const kept = Array.from({ length: count }, () => random.below(4) > 0);
          const length = await fillPlace(node, offset, bytes, 512, (cluster) => kept[cluster]);
          for (let at = 0; at < length; at += 512) if (kept[at / 512]) model.set(bytes.subarray(at, at + 512), offset + at);
          placed += length;
        } else if (kind === 2) {
          const from = random.below(500);
          await write(node, offset + from, bytes.subarray(from));
          model.set(bytes.subarray(from), offset + from);
        } else if (kind === 3) {
          await done(node.writeZeroes(offset, bytes.length));
          model.fill(0, offset, offset + bytes.length);
        } else {
          await done(node.flush());
        }
      }
    };
    await Promise.all(Array.from({ length: guests }, (_, part) => guest(part)));
    expect(placed).toBeGreaterThan(0);
    expectSameBytes(await readAll(node), model);
    await closeClean({ bench, node });
    const again = await bench.open(bench.disks.get('image'));
    expectSameBytes(await readAll(again), model);
    await bench.graph.release(again);
  });
});
