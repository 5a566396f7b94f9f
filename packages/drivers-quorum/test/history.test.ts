/** Random requests, several at a time, to three copies of which one fails at random, tells lies, or is cut short: what is read is what was written. */
import { BlockGraph, type QuorumReport } from '@blk/core-graph';
import { expectSameBytes, faulty, MemoryDisk, MemoryDisks, prng, slow, type Prng } from '@blk/driver-conformance';
import { raw } from '@blk/drivers-raw';
import { describe, expect, it } from 'vitest';
import { quorum } from '../src/index.js';

const SIZE = 3 << 20;
const ROUNDS = 40;
/** Requests under way together. */
const TOGETHER = 5;

type Odd = (disk: MemoryDisk, random: Prng) => void;

/** What may be wrong with a copy; called before each round. */
const ODDITIES: Readonly<Record<string, Odd>> = {
  'fails at random': (disk, random) => void disk.use(faulty({ when: () => random.below(8) === 0, times: 3, partial: true })),
  'fails always': (disk) => void disk.use(faulty({})),
  'has other bytes': (disk, random) => {
    const offset = random.below(SIZE - 4096);
    disk.content.write(offset, random.bytes(4096), 0, 4096);
  },
  'is cut short': (disk, random) => { disk.content.resize(random.below(SIZE)); },
};

async function history(seed: number, odd: Odd, at: number, options: object): Promise<QuorumReport[]> {
  const random = prng(seed);
  const disks = [0, 1, 2].map((index) => {
    const disk = new MemoryDisk({ size: SIZE });
    if (index !== seed % 4) disk.use(slow(seed * 4 + index, { immediate: random.pick([0, 0.5, 0.95]) }));
    return disk;
  });
  const graph = new BlockGraph({ drivers: [new MemoryDisks().driver, raw, quorum], host: { warn: () => undefined } });
  const reports: QuorumReport[] = [];
  graph.subscribe((event) => void (event.type === 'quorum' && reports.push(event.report)));
  const node = await graph.open({ driver: 'quorum', 'vote-threshold': 2, children: disks.map(({ definition }) => definition), ...options });
  const model = new Uint8Array(SIZE);
  for (let round = 0; round < ROUNDS; round++) {
    odd(disks[at], random);
    const requests = Array.from({ length: TOGETHER }, async () => {
      const length = 1 + random.below(random.pick([512, 65_536, 2 << 20]));
      const offset = random.below(SIZE - length);
      switch (random.below(6)) {
        case 0:
          model.fill(0, offset, offset + length);
          return node.writeZeroes(offset, length);
        case 1:
          return node.flush();
        case 2:
        case 3: {
          const bytes = random.bytes(length);
          model.set(bytes, offset);
          return node.write(offset, bytes, 0, length);
        }
        default: {
          const expected = model.slice(offset, offset + length);
          const bytes = new Uint8Array(length + 3);
          await node.read(offset, bytes, 3, length);
          expectSameBytes(bytes.subarray(3), expected);
        }
      }
    });
    await Promise.all(requests);
  }
  await graph.close().catch(() => undefined);
  disks.forEach((disk, index) => {
    if (index === at) return;
    const bytes = new Uint8Array(SIZE);
    disk.content.read(0, bytes, 0, SIZE);
    expectSameBytes(bytes, model);
  });
  return reports;
}

describe.each([0, 1, 2])('copy %i of three', (at) => {
  it.each(Object.keys(ODDITIES))('%s', async (name) => {
    for (let seed = 0; seed < 6; seed++) {
      const options = seed % 2 === 0 ? {} : { 'rewrite-corrupted': true };
      const reports = await history(seed * 3 + at, ODDITIES[name], at, options).catch((error: unknown) => {
        throw new Error(`seed ${seed * 3 + at}: ${(error as Error).message}`, { cause: error });
      });
      expect(reports.length).toBeGreaterThan(0);
      expect(reports.filter(({ what }) => what !== 'bad')).toEqual([]);
    }
  });
});
