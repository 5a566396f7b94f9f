/** Where the file ends: with a whole cluster, as other programs expect, and nowhere else than it did when nothing was stored. */
import { expectSameBytes } from '@blk/driver-conformance';
import { describe, expect, test } from 'vitest';
import { Bench, readAll, write } from './support.js';

const MIB = 1 << 20;
const CLUSTER = 65_536;

describe('the end of the file', () => {
  test.each([['a cluster in part', 4096], ['a cluster and a bit', CLUSTER + 512]])('is that of a cluster after %s', async (_, length) => {
    const bench = new Bench();
    const disk = await bench.create(4 * MIB);
    const node = await bench.open(disk);
    await write(node, 2 * MIB, new Uint8Array(length).fill(3));
    await node.flush();
    expect(disk.size % CLUSTER).not.toBe(0);
    await bench.graph.release(node);
    expect(disk.size % CLUSTER).toBe(0);
  });

  test('stays where it was if it was short before and nothing was stored', async () => {
    const bench = new Bench();
    const disk = await bench.create(4 * MIB);
    const first = await bench.open(disk);
    await write(first, 0, new Uint8Array(512).fill(3));
    await bench.graph.release(first);
    const short = disk.size - CLUSTER + 512;
    disk.content.resize(short);
    const again = await bench.open(disk);
    const content = await readAll(again);
    expectSameBytes(content, new Uint8Array(4 * MIB).fill(3, 0, 512));
    await write(again, 0, content.subarray(0, 512));
    await bench.graph.release(again);
    expect(disk.size).toBe(short);
  });
});
