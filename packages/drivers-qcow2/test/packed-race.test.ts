/** Bytes of the file that were read along with packed clusters, before another one was written among them, are not taken for that one. */
import { WriteFlag } from '@blk/core-graph';
import { prng, expectSameBytes } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { Bench, done, write } from './support.js';

const CLUSTER = 4096;

test('a packed cluster that is written while its neighbours are read', async () => {
  const bench = new Bench();
  const disk = await bench.create(1 << 20, { cluster_size: CLUSTER });
  const node = await bench.open(disk);
  const packed = Array.from({ length: 6 }, (_, seed) => prng(seed).bytes(CLUSTER).fill(seed, 300));
  for (let cluster = 0; cluster < 4; cluster++) await write(node, cluster * CLUSTER, packed[cluster], WriteFlag.Compressed);
  // The file goes on behind them.
  await write(node, 100 * CLUSTER, new Uint8Array(CLUSTER).fill(9));
  await done(node.flush());
  let go!: () => void;
  const stopped = new Promise<void>((resolve) => {
    let once = true;
    disk.use({
      before: ({ verb }) => {
        if (verb !== 'write' || !once) return;
        once = false;
        resolve();
        return new Promise<void>((going) => (go = going));
      },
    });
  });
  const writing = write(node, 4 * CLUSTER, packed[4], WriteFlag.Compressed);
  await stopped;
  const read = async (first: number, count: number): Promise<void> => {
    const bytes = new Uint8Array(count * CLUSTER);
    await done(node.read(first * CLUSTER, bytes, 0, bytes.length));
    expectSameBytes(bytes, Buffer.concat(packed.slice(first, first + count)));
  };
  await read(0, 4);
  go();
  await writing;
  await read(0, 5);
  await read(3, 2);
  expect(bench.warnings).toEqual([]);
  await bench.graph.release(node);
});
