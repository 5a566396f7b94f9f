/** Requests over several parts of a damaged image: one error, when all that was begun is over, and none that nobody waits for. */
import { BlockError, type BlockNode } from '@blk/core-graph';
import { FormatBench, MemoryDisk } from '@blk/driver-conformance';
import { describe, expect, test } from 'vitest';
import { toy } from './toy.js';

const CLUSTER = 512;
const ENTRIES = 64;
const ROOT = 512;
const SIZE = 4 * ENTRIES * CLUSTER;

const verbs: readonly [string, (node: BlockNode, length: number) => Promise<void>][] = [
  ['read', async (node, length) => node.read(0, new Uint8Array(length), 0, length)],
  ['written', async (node, length) => node.write(0, new Uint8Array(length).fill(7), 0, length)],
  ['discarded', async (node, length) => node.discard(0, length)],
];

/** Every second cluster of the first table is stored; `change` gets the file, and where that table lies. */
async function damaged(change: (view: DataView, table: number) => void): Promise<{ readonly bench: FormatBench; readonly disk: MemoryDisk }> {
  const bench = new FormatBench(toy(CLUSTER, ENTRIES));
  const disk = await bench.create(SIZE);
  const node = await bench.open(disk);
  for (let cluster = 0; cluster < ENTRIES; cluster += 2) await node.write(cluster * CLUSTER, new Uint8Array(CLUSTER).fill(1), 0, CLUSTER);
  await bench.graph.release(node);
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer);
  change(view, view.getUint32(ROOT, true));
  return { bench, disk: new MemoryDisk({ content: bytes }) };
}

describe.each(verbs)('%s', (_name, ask) => {
  // Where the next table fails as well, nobody would hear of that.
  test('a cluster and the next table lie beyond the end of the file', async () => {
    const { bench, disk } = await damaged((view, table) => {
      view.setUint32(table + (ENTRIES - 2) * 8, 2 ** 30, true);
      view.setUint32(ROOT + 8, 2 ** 30, true);
    });
    const node = await bench.open(disk);
    await node.read(0, new Uint8Array(1), 0, 1);
    await expect(ask(node, SIZE)).rejects.toMatchObject({ name: 'BlockError', message: expect.stringMatching(/^Cluster at/) as string });
    await bench.graph.release(node);
    await new Promise<void>((resolve) => { setImmediate(resolve); });
  });

  test('an entry that can not be, behind clusters that are on their way', async () => {
    const { bench, disk } = await damaged((view, table) => {
      view.setUint32(table + 10 * 8, 2 ** 20 + 1, true);
    });
    const node = await bench.open(disk);
    await node.read(0, new Uint8Array(1), 0, 1);
    let begun = 0;
    let over = 0;
    const tap = disk.use({
      before: async () => {
        begun++;
        await new Promise<void>((resolve) => { setImmediate(resolve); });
        throw new BlockError('io', 'the disk failed as well');
      },
      after: () => { over++; },
    });
    await expect(ask(node, ENTRIES * CLUSTER)).rejects.toMatchObject({ name: 'BlockError', message: 'No cluster can be at 1048577' });
    expect(over).toBe(begun);
    expect(begun).toBeGreaterThan(0);
    disk.remove(tap);
    await bench.graph.release(node).catch(() => undefined);
    await new Promise<void>((resolve) => { setImmediate(resolve); });
  });
});
