import { BlockGraph, BlockError, type BlockNode } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import {
  expectSameBytes,
  faulty,
  MemoryDisk,
  MemoryDisks,
  passthrough,
  prng,
  recorder,
  slow,
  SparseBytes,
} from '../src/index.js';

async function open(disk: MemoryDisk): Promise<{ graph: BlockGraph; node: BlockNode }> {
  const graph = new BlockGraph({ drivers: [new MemoryDisks().driver, passthrough] });
  return { graph, node: await graph.open({ ...disk.definition, discard: 'unmap' }) };
}

describe('SparseBytes', () => {
  it('is an array of bytes', () => {
    const random = prng(1);
    const sparse = new SparseBytes(100_000);
    let plain = new Uint8Array(100_000);
    for (let round = 0; round < 300; round++) {
      const offset = random.below(plain.length);
      const length = random.below(plain.length - offset) + 1;
      const bytes = random.bytes(length);
      if (round % 3 === 0) {
        plain.fill(0, offset, offset + length);
        sparse.zero(offset, length, round % 2 === 0);
      } else if (round % 50 === 1) {
        const grown = new Uint8Array(50_000 + random.below(100_000));
        grown.set(plain.subarray(0, grown.length));
        plain = grown;
        sparse.resize(plain.length);
      } else {
        plain.set(bytes, offset);
        sparse.write(offset, bytes, 0, length);
      }
      expectSameBytes(sparse.toBytes(), plain, `round ${round}`);
    }
    expectSameBytes(sparse.clone().toBytes(), plain);
  });

  it('takes no memory for what was never written', () => {
    const sparse = new SparseBytes(2 ** 50);
    sparse.write(2 ** 49, Uint8Array.of(7), 0, 1);
    expect(sparse.allocated).toBeLessThan(100_000);
    expect(sparse.run(0, 2 ** 20)).toEqual({ held: false, length: 2 ** 20 });
  });
});

describe('expectSameBytes', () => {
  it('names the first difference', () => {
    expect(() => {
      expectSameBytes(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 9, 3));
    }).toThrow('1 of 3 differ, first at 1 (0x1): 0203 instead of 0903');
    expect(() => {
      expectSameBytes(Uint8Array.of(1), Uint8Array.of(1, 2));
    }).toThrow('1 bytes instead of 2');
  });
});

describe('memory', () => {
  it('keeps its content from one opening to the next, by object and by name', async () => {
    const disks = new MemoryDisks();
    const graph = new BlockGraph({ drivers: [disks.driver] });
    await graph.create('memory:a', { format: 'memory', size: 4096 });
    const node = await graph.open('memory:a', { format: 'memory' });
    await node.write(10, Uint8Array.of(1, 2, 3), 0, 3);
    await graph.release(node);
    const again = await graph.open(disks.get('a').definition);
    const bytes = new Uint8Array(5);
    await again.read(9, bytes, 0, 5);
    expect([...bytes]).toEqual([0, 1, 2, 3, 0]);
    await expect(graph.open('memory:b', { format: 'memory' })).rejects.toMatchObject({ kind: 'not-found' });
    await graph.close();
  });
});

describe('slow', () => {
  it('completes in an order of its own, the same for the same seed', async () => {
    const orderOf = async (seed: number): Promise<number[]> => {
      const disk = new MemoryDisk({ size: 65536 });
      disk.use(slow(seed));
      const { graph, node } = await open(disk);
      const order: number[] = [];
      const bytes = prng(seed).bytes(65536);
      await Promise.all(
        Array.from({ length: 16 }, async (_, index) => {
          await node.write(index * 4096, bytes, index * 4096, 4096);
          order.push(index);
        }),
      );
      expectSameBytes(disk.toBytes(), bytes);
      await graph.close();
      return order;
    };
    const first = await orderOf(3);
    expect(first).not.toEqual([...first].sort((a, b) => a - b));
    expect(await orderOf(3)).toEqual(first);
    expect(await orderOf(4)).not.toEqual(first);
  });
});

describe('faulty', () => {
  it('fails the nth write, once, and half done if asked', async () => {
    const disk = new MemoryDisk({ size: 4096 });
    const faults = disk.use(faulty({ verb: 'write', nth: 2, times: 1, error: 'ENOSPC', partial: true }));
    const { graph, node } = await open(disk);
    const write = async (value: number): Promise<void> => {
      await node.write(0, new Uint8Array(4).fill(value), 0, 4);
    };
    await write(1);
    await expect(write(2)).rejects.toMatchObject({ kind: 'no-space' });
    expect([...disk.toBytes().subarray(0, 5)]).toEqual([2, 2, 1, 1, 0]);
    await write(3);
    expect(faults.failures).toBe(1);
    faults.add({ offset: 100, error: new BlockError('corrupt', 'bad') });
    await expect((async () => node.read(98, new Uint8Array(4), 0, 4))()).rejects.toMatchObject({ kind: 'corrupt' });
    await write(4);
    faults.clear();
    await node.read(98, new Uint8Array(4), 0, 4);
    await graph.close();
  });
});

describe('recorder', () => {
  const sector = (value: number): Uint8Array => new Uint8Array(512).fill(value);

  it('keeps what a flush promised and drops what it is told to', async () => {
    const disk = new MemoryDisk({ size: 1024 });
    const log = recorder(disk);
    const { graph, node } = await open(disk);
    await node.write(0, sector(1), 0, 512);
    await node.flush();
    await node.write(0, sector(2), 0, 512);
    await node.write(512, sector(3), 0, 512);
    expect(log.cut(log.now).toBytes()[0]).toBe(1);
    expect(log.cut(log.now).toBytes()[512]).toBe(0);
    expect(log.cut(log.now, (change) => change.offset === 512).toBytes()[512]).toBe(3);
    expect(log.cut(0, () => true).toBytes()[0]).toBe(0);
    expectSameBytes(log.cut(log.now, () => true).toBytes(), disk.toBytes());
    await node.flush();
    expectSameBytes(log.cut(log.now).toBytes(), disk.toBytes());
    await graph.close();
  });

  it('does not count a write as stable that was under way when the flush began', async () => {
    const disk = new MemoryDisk({ size: 512 });
    const log = recorder(disk);
    let letGo!: () => void;
    disk.use({ before: ({ verb }) => (verb === 'write' ? new Promise<void>((resolve) => (letGo = resolve)) : undefined) });
    const written = disk.write(0, sector(1), 0, 512, 0);
    await disk.flush();
    letGo();
    await written;
    expect(log.cut(log.now).toBytes()[0]).toBe(0);
    await disk.flush();
    expect(log.cut(log.now).toBytes()[0]).toBe(1);
  });

  it('tears between sectors, and never inside one', async () => {
    const disk = new MemoryDisk({ size: 8192 });
    const log = recorder(disk);
    await disk.write(0, new Uint8Array(8192).fill(5), 0, 8192, 0);
    let torn = 0;
    for (let seed = 0; seed < 40; seed++) {
      const bytes = log.crash(log.now, prng(seed)).toBytes();
      const sectors = new Set<number>();
      for (let at = 0; at < 8192; at += 512) {
        expect(new Set(bytes.subarray(at, at + 512)).size).toBe(1);
        sectors.add(bytes[at]);
      }
      if (sectors.size === 2) torn++;
    }
    expect(torn).toBeGreaterThan(0);
  });
});

describe('passthrough', () => {
  it('shows the child from an offset on', async () => {
    const { graph } = await open(new MemoryDisk());
    const disk = new MemoryDisk({ content: Uint8Array.of(0, 1, 2, 3) });
    const node = await graph.open({ driver: 'passthrough', offset: 2, file: disk.definition });
    expect(node.size).toBe(2);
    const bytes = new Uint8Array(2);
    await node.read(0, bytes, 0, 2);
    expect([...bytes]).toEqual([2, 3]);
    await graph.close();
    await expect((async () => node.read(0, bytes, 0, 2))()).rejects.toMatchObject({ kind: 'closed' });
  });
});
