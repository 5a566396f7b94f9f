/** What a write that was answered, and not flushed, leaves when the program is killed: with clusters shorter than the write, whole clusters of it; after a flush, all of it. */
import { MemoryDisk, prng } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { Bench, done, write } from './support.js';

const CLUSTER = 512;
const LENGTH = 4096;

test('a flush between two steps of a write leaves the first, and one behind the answer leaves all', async () => {
  const bench = new Bench();
  const disk = await bench.create(64 << 20, { cluster_size: CLUSTER });
  const node = await bench.open(disk);
  const random = prng(1);
  const ours = new Uint8Array(LENGTH).fill(7);
  const left = async (offset: number): Promise<Uint8Array> => {
    const copy = await bench.open(new MemoryDisk({ content: disk.toBytes() }));
    const bytes = new Uint8Array(LENGTH);
    await done(copy.read(offset, bytes, 0, LENGTH));
    await bench.graph.release(copy);
    return bytes;
  };
  let split = 0;
  for (let round = 0; round < 400 && split < 5; round++) {
    const offset = random.below((64 << 20) / LENGTH) * LENGTH;
    const lengths: number[] = [];
    let go!: () => void;
    let stopped!: () => void;
    const second = new Promise<void>((resolve) => (stopped = resolve));
    // The second step waits for what the test does in between: metadata of the image lies in the way of one run of clusters.
    const tap = disk.use({
      before: ({ verb, bytes }) => {
        if (verb !== 'write' || bytes?.every((byte) => byte === 7) !== true) return undefined;
        lengths.push(bytes.length);
        if (lengths.length !== 2) return undefined;
        stopped();
        return new Promise<void>((resolve) => (go = resolve));
      },
    });
    const writing = write(node, offset, ours);
    await Promise.race([second, writing]);
    if (lengths.length === 2) {
      split++;
      await done(node.flush());
      go();
      await writing;
      const expected = new Uint8Array(LENGTH).fill(7, 0, lengths[0]);
      expect(lengths[0] % CLUSTER).toBe(0);
      expect(Buffer.from(await left(offset)).equals(expected)).toBe(true);
      await done(node.flush());
      expect(Buffer.from(await left(offset)).equals(ours)).toBe(true);
    } else await writing;
    disk.remove(tap);
  }
  expect(split).toBe(5);
  await bench.graph.release(node);
});
