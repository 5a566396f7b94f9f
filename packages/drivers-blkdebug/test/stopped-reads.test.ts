// Reads that stop between finding a packed cluster and reading it, while that is written, or its piece of the tables leaves the memory: they give what was there or what is.
import { WriteFlag, type BlockNode } from '@blk/core-graph';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { describe, it } from 'vitest';
import { Bench, pointsOf, write } from './support.js';

interface Kind {
  readonly format: string;
  readonly create: Record<string, unknown>;
  readonly size: number;
  readonly cluster: number;
}

/** Tables of few clusters, so that there are more pieces of them than stay in memory. */
const KINDS: readonly Kind[] = [
  { format: 'qcow', create: { backing_file: 'memory:base', backing_fmt: 'raw' }, size: 32 << 20, cluster: 512 },
  { format: 'qcow2', create: { cluster_size: 512 }, size: 4 << 20, cluster: 512 },
];

describe.each(KINDS)('$format', ({ format, create, size, cluster }) => {
  const changes: Record<string, (node: BlockNode) => Promise<unknown>> = {
    'written': (node) => write(node, 0, cluster, 2),
    'written in part': (node) => write(node, cluster / 2, cluster / 2, 2),
    'packed anew': async (node) => { await node.write(0, new Uint8Array(cluster).fill(2), 0, cluster, WriteFlag.Compressed); },
    'zeroed': async (node) => { await node.writeZeroes(0, cluster, WriteFlag.MayUnmap); },
    'discarded': async (node) => { await node.discard(0, cluster); },
    'not touched': () => Promise.resolve(),
  };
  it.each(Object.keys(changes))('a packed cluster that is %s meanwhile', async (what) => {
    for (const evict of [false, true]) {
      const bench = new Bench();
      bench.disks.put('base', { content: new Uint8Array(512) });
      const disk = await bench.create(size, create, format);
      const node = await bench.open(disk, {}, { 'driver': format, 'cache-size': 1, 'backing': null });
      // Not all the same, or a wrong place might be taken for the right one.
      const packed = prng(5).bytes(cluster).fill(7, 0, cluster / 2);
      await node.write(0, packed, 0, cluster, WriteFlag.Compressed);
      await node.flush();
      await pointsOf(node).set('read_compressed', 'here');
      const before = new Uint8Array(cluster);
      const reading = (async () => { await node.read(0, before, 0, cluster); })();
      await Promise.race([pointsOf(node).suspended('here'), reading.then(() => { throw new Error('it was not stopped'); })]);
      const changing = changes[what](node);
      // Some wait for the read: who needs the rest of the cluster may share its unpacking.
      await Promise.race([changing, manyTurns()]);
      if (evict) {
        await node.flush();
        for (let at = size / 2; at < size; at += size / 64) await node.read(at, new Uint8Array(512), 0, 512);
        for (let at = size / 2; at < size; at += size / 64) await write(node, at, 512, 9);
        await node.flush();
      }
      await pointsOf(node).resume('here');
      await Promise.all([reading, changing]);
      const after = new Uint8Array(cluster);
      await node.read(0, after, 0, cluster);
      if (Buffer.compare(before, packed) !== 0) expectSameBytes(before, after);
      if (what === 'not touched') expectSameBytes(after, packed);
      await bench.graph.close();
    }
  });
});

/** More turns of the event loop than a request to disks in memory takes. */
async function manyTurns(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await new Promise<void>((resolve) => { setImmediate(resolve); });
}
