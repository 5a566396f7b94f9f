/** Two images of different formats beside each other: whatever is asked for at the same time, both stay the same; and one byte that differs is always found, and nothing else. */
import { BlockGraph, WriteFlag, type BlockNode } from '@blk/core-graph';
import { expectSameBytes, MemoryDisks, prng, readAll, slow, type MemoryDisk } from '@blk/driver-conformance';
import { describe, expect, it } from 'vitest';
import { blkverify } from '../src/index.js';
import { FORMATS } from './support.js';

const SIZE = 3_148_288;
const PAIRS = [['qcow2', 'vdi'], ['vhdx', 'qed'], ['vmdk', 'parallels'], ['vpc', 'qcow']] as const;

class Pair {
  readonly disks = new MemoryDisks();
  readonly warnings: string[] = [];
  readonly graph = new BlockGraph({ drivers: [this.disks.driver, blkverify, ...FORMATS.map(([driver]) => driver)], host: { warn: (text) => this.warnings.push(text) } });

  constructor(private readonly formats: readonly [test: string, raw: string]) {}

  async create(): Promise<void> {
    for (const format of this.formats) {
      this.disks.put(format);
      const create = FORMATS.find(([driver]) => driver.name === format)?.[1] ?? {};
      await this.graph.create(`memory:${format}`, { format, size: SIZE, options: create });
    }
  }

  disk(which: 0 | 1): MemoryDisk {
    return this.disks.get(this.formats[which]);
  }

  /** One of the two images. */
  one(which: 0 | 1): Promise<BlockNode> {
    return this.graph.open({ driver: this.formats[which], file: this.disk(which).definition, discard: 'unmap' });
  }

  both(): Promise<BlockNode> {
    const [test, raw] = this.formats.map((driver, index) => ({ driver, file: this.disk(index as 0 | 1).definition, discard: 'unmap' }));
    return this.graph.open({ driver: 'blkverify', test, raw, discard: 'unmap' });
  }
}

describe.each(PAIRS)('%s beside %s', (...formats) => {
  it.each([1, 2])('many at once, over one another: both are the same, seed %i', async (seed) => {
    const random = prng(seed);
    const pair = new Pair(formats);
    await pair.create();
    for (const which of [0, 1] as const) pair.disk(which).use(slow(seed + which));
    const node = await pair.both();
    await Promise.all(Array.from({ length: 6 }, async (_, guest) => {
      const own = prng(seed * 100 + guest);
      for (let step = 0; step < 30; step++) {
        // Few places, so that they meet.
        const offset = own.pick([0, 65_536, 1 << 20, 2 << 20, SIZE - 40_000]) + own.below(20_000);
        const length = 1 + own.below(Math.min(SIZE - offset, own.pick([100, 4096, 90_000])));
        const what = own.below(8);
        if (what < 3) await node.read(offset, new Uint8Array(length), 0, length);
        else if (what < 5) await node.write(offset, own.bytes(length), 0, length);
        else if (what === 5) await node.writeZeroes(offset, length, own.pick([0, WriteFlag.MayUnmap]));
        else if (what === 6) await node.discard(offset, length);
        else await node.flush();
      }
    }));
    await readAll(node);
    expect(pair.warnings).toEqual([]);
    await pair.graph.release(node);
    const contents: Uint8Array[] = [];
    for (const which of [0, 1] as const) {
      const one = await pair.one(which);
      contents.push(await readAll(one));
      await pair.graph.release(one);
    }
    expectSameBytes(contents[0], contents[1]);

    // One byte of one of them becomes another one.
    const at = random.pick([0, SIZE - 1, random.below(SIZE)]);
    const which = random.pick([0, 1] as const);
    const one = await pair.one(which);
    await one.write(at, Uint8Array.of(contents[0][at] ^ (1 << random.below(8))), 0, 1);
    await pair.graph.release(one);
    const again = await pair.both();
    for (let round = 0; round < 60; round++) {
      const length = 1 + random.below(random.pick([1, 700, 70_000, SIZE]));
      const offset = Math.min(SIZE - length, Math.max(0, round % 2 === 0 ? at - random.below(length) : random.below(SIZE)));
      const reading = (async () => { await again.read(offset, new Uint8Array(length), 0, length); })();
      if (at < offset || at >= offset + length) await reading;
      else await expect(reading).rejects.toThrow(new RegExp(`blkverify: read offset=\\d+ bytes=\\d+ contents mismatch at offset ${at}$`));
    }
    await pair.graph.release(again);
  }, 30_000);
});
