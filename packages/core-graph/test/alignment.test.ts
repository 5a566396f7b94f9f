import { describe, expect, it } from 'vitest';
import { BufferPool, type BlockNode, type NodeLimits } from '../src/index.js';
import { MemFile, noise, sameBytes, setup, turn } from './support.js';

async function open(file: MemFile, more: object = {}): Promise<BlockNode> {
  return setup().graph.open({ ...file.definition, discard: 'unmap', ...more });
}

describe('requests that do not fit the driver', () => {
  it.each([
    ['sectors', { alignment: 512 }],
    ['pages', { alignment: 4096 }],
    ['sectors in short transfers', { alignment: 512, maxTransfer: 1024 }],
    ['aligned addresses', { alignment: 512, memoryAlignment: 512, maxTransfer: 4096 }],
    ['short transfers only', { maxTransfer: 1000 }],
  ] satisfies [string, Partial<NodeLimits>][])('are an array of bytes over %s', async (_name, limits) => {
    const file = new MemFile(noise(64 * 1024), limits);
    const node = await open(file);
    const model = file.bytes.slice();
    const data = noise(20_003, 7);
    const ranges = [[0, 1], [511, 2], [512, 512], [100, 5000], [4096, 8192], [4095, 8194], [65_535, 1], [1, 20_000], [60_000, 5536], [512, 1000]];
    for (const [offset, length] of ranges) {
      await node.write(offset, data, 3, length);
      model.set(data.subarray(3, 3 + length), offset);
      sameBytes(file.bytes, model);
      const buffer = new Uint8Array(length + 8).fill(0xcc);
      await node.read(offset, buffer, 4, length);
      sameBytes(buffer.subarray(4, 4 + length), model.subarray(offset, offset + length));
      expect([buffer[3], buffer[length + 4]]).toEqual([0xcc, 0xcc]);
      await node.writeZeroes(offset + Math.floor(length / 3), Math.ceil(length / 3));
      model.fill(0, offset + Math.floor(length / 3), offset + Math.floor(length / 3) + Math.ceil(length / 3));
      sameBytes(file.bytes, model);
    }
  });

  it('read only the blocks that a write does not cover', async () => {
    const cases: [number, number, string[]][] = [
      [0, 1024, ['write 0+1024']],
      [100, 100, ['read 0+512', 'write 0+512']],
      [0, 600, ['read 512+512', 'write 0+1024']],
      [100, 924, ['read 0+512', 'write 0+1024']],
      [100, 1300, ['read 0+512', 'read 1024+512', 'write 0+1536']],
    ];
    for (const [offset, length, log] of cases) {
      const file = new MemFile(4096, { alignment: 512 });
      const node = await open(file);
      await node.write(offset, noise(length), 0, length);
      expect(file.log).toEqual(log);
    }
  });

  it('keep to the end of an image that ends inside a block', async () => {
    const file = new MemFile(noise(1000), { alignment: 512 });
    const node = await open(file);
    const buffer = new Uint8Array(1200).fill(9);
    await node.read(0, buffer, 0, 1200);
    sameBytes(buffer.subarray(0, 1000), file.bytes);
    sameBytes(buffer.subarray(1000), new Uint8Array(200));
  });

  it('serialise when they change parts of one block', async () => {
    const file = new MemFile(4096, { alignment: 4096 });
    file.before = ({ verb }) => (verb === 'flush' ? undefined : turn());
    const node = await open(file);
    const data = noise(4096, 3);
    await Promise.all(Array.from({ length: 64 }, async (_, i) => node.write(i * 64, data, i * 64, 64)));
    sameBytes(file.bytes, data);
    expect(node.requests.inFlight).toBe(0);
    expect(node.requests.hasSerialising).toBe(false);
  });

  it('do not hold up requests elsewhere, and aligned ones wait', async () => {
    const file = new MemFile(64 * 1024, { alignment: 512 });
    const node = await open(file);
    const order: string[] = [];
    file.before = () => turn();
    const note = async (name: string, request: unknown): Promise<void> => {
      await request;
      order.push(name);
    };
    await Promise.all([
      note('misaligned', node.write(100, noise(8), 0, 8)),
      note('aligned, same block', node.write(0, noise(512, 9), 0, 512)),
      note('aligned, elsewhere', node.write(8192, noise(512), 0, 512)),
    ]);
    expect(order).toEqual(['aligned, elsewhere', 'misaligned', 'aligned, same block']);
    sameBytes(file.bytes.subarray(0, 512), noise(512, 9));
  });

  it('come out of the pool and go back, also when they fail', async () => {
    const pool = new BufferPool();
    let out = 0;
    const take = pool.take.bind(pool);
    const give = pool.give.bind(pool);
    pool.take = (bytes) => (out++, take(bytes));
    pool.give = (buffer) => {
      out--;
      give(buffer);
    };
    const file = new MemFile(8192, { alignment: 4096 });
    const node = await setup({ pool }).graph.open(file.definition);
    await node.write(5, noise(5), 0, 5);
    file.before = () => {
      throw new Error('no');
    };
    await expect((async () => node.write(5, noise(5), 0, 5))()).rejects.toThrow('no');
    await expect((async () => node.read(5, noise(5), 0, 5))()).rejects.toThrow('no');
    expect(out).toBe(0);
    expect(node.requests.inFlight).toBe(0);
  });
});
