// Copies into images that take room for what is new: what they are asked for and told, and when they are left alone.
import { describe, expect, it } from 'vitest';
import { BlockError, type AsideRun, type AsideTarget, type BlockNode } from '../src/index.js';
import { Bench, K, targetOf, WISH, type TakePlace } from './aside-bench.js';
import { gate, turn } from './support.js';

describe('a target that takes room for what is new', () => {
  /** Room behind the end of the file, for `most` bytes; the runs that it is told are noted. */
  const open = async (bench: Bench, most = 1024 * K, over = (file: object): object => file): Promise<{ target: AsideTarget; file: BlockNode; asked: number[][]; settled: (readonly AsideRun[])[] }> => {
    const asked: number[][] = [];
    const settled: (readonly AsideRun[])[] = [];
    const take: TakePlace = async (offset, length, step) => {
      asked.push([offset, length, step]);
      return { node: file, offset: 5 * K, length: Math.min(length, most), settle: async (stored) => { settled.push(stored); } };
    };
    bench.target.resize(100);
    const target = await targetOf(bench, { driver: 'shift', by: 64, file: { driver: 'placing', take, file: over(bench.target.definition) } });
    const file = bench.backend.root.children.get('file')?.node.children.get('file')?.node as BlockNode;
    return { target, file, asked, settled };
  };

  it('has it filled, packed, and is told what is there', async () => {
    const bench = new Bench();
    const { target, file, asked, settled } = await open(bench, 24 * K);
    const zeroes = [{ at: 0, length: 512 }, { at: 8 * K, length: 2 * K }];
    bench.answer = ({ length }) => Promise.resolve({ length, zeroes });
    const source = await bench.open(bench.source.definition);
    expect(await target.copy(source, 16 * K, 32 * K, 64 * K, WISH)).toEqual({ length: 24 * K, zeroes });
    expect(asked).toEqual([[32 * K + 64, 64 * K, 512]]);
    expect(bench.copies(bench.source)).toEqual([[[0, 16 * K, 24 * K]]]);
    expect(bench.seen).toMatchObject([{ length: 24 * K, targetOffset: 5 * K, granularity: 512, zeroes: 'pack', to: file.driver }]);
    expect(settled).toEqual([[{ at: 512, length: 8 * K - 512 }, { at: 10 * K, length: 14 * K }]]);
    expect(file.highestWrite).toBe(29 * K);
    // Zeroes that nobody has to write are not told of.
    expect(await target.copy(source, 16 * K, 32 * K, 64 * K, { ...WISH, tellZeroes: false })).toEqual({ length: 24 * K, zeroes: [] });
    expect(settled).toHaveLength(2);
  });

  it.each([[512, 512], [65536, 65536], [1 << 20, 1 << 20], [2 << 20, 1 << 20], [3 << 20, 1 << 20], [3 << 9, 512], [0, 0]])(
    'is asked for room in steps that runs of zeroes end at, where they are looked for by %i bytes: by %i', async (granularity, step) => {
      const bench = new Bench();
      const { target, asked } = await open(bench);
      await target.copy(await bench.open(bench.source.definition), 0, 0, 8 * K, { ...WISH, granularity });
      expect(asked).toEqual([[64, 8 * K, step]]);
    },
  );

  it('keeps what came before a failure, and nothing of a thread that died', async () => {
    const bench = new Bench();
    const { target, settled } = await open(bench);
    const source = await bench.open(bench.source.definition);
    const failure = { verb: 'write', at: 3 * K, error: new Error('full') } as const;
    bench.answer = () => Promise.resolve({ length: 3 * K, zeroes: [{ at: K, length: K }], failure });
    expect(await target.copy(source, 0, 0, 8 * K, WISH)).toMatchObject({ length: 3 * K, failure });
    bench.answer = () => Promise.resolve({ length: 0, zeroes: [] });
    expect(await target.copy(source, 0, 0, 8 * K, WISH)).toMatchObject({ length: 0 });
    bench.answer = () => undefined;
    expect(await target.copy(source, 0, 0, 8 * K, WISH)).toBeUndefined();
    expect(settled).toEqual([[{ at: 0, length: K }, { at: 2 * K, length: K }], [], []]);
    for (const node of bench.graph.nodes) expect(node.requests.inFlight).toBe(0);
  });

  it('is asked by nobody where its file is more than a file, and left alone where it has no room', async () => {
    const bench = new Bench();
    await expect(open(bench, K, (file) => ({ driver: 'filter', file }))).rejects.toThrow('should be plain');
    const source = await bench.open(bench.source.definition);
    for (const take of [async () => undefined, () => Promise.reject(new BlockError('no-space', 'full'))]) {
      const target = await targetOf(bench, { driver: 'placing', take, file: bench.target.definition });
      expect(await target.copy(source, 0, 0, 8 * K, WISH)).toBeUndefined();
      expect(bench.backend.root.requests.inFlight).toBe(0);
    }
    expect(bench.seen).toEqual([]);
  });

  it('gives the room back when somebody minds writes by then, and a drained section waits for that', async () => {
    const bench = new Bench();
    const waiting = gate();
    const settled: (readonly AsideRun[])[] = [];
    const order: string[] = [];
    const take: TakePlace = async (_offset, length) => {
      await waiting.promise;
      const node = bench.backend.root.children.get('file')?.node as BlockNode;
      return { node, offset: 0, length, settle: async (stored) => { await turn(); settled.push(stored); order.push('settled'); } };
    };
    const target = await targetOf(bench, { driver: 'placing', take, file: bench.target.definition });
    const copy = target.copy(await bench.open(bench.source.definition), 0, 0, 8 * K, WISH);
    await turn();
    const drained = bench.graph.drained([bench.backend.root], () => { order.push('drained'); });
    waiting.open();
    expect(await copy).toBeUndefined();
    await drained;
    expect(settled).toEqual([[]]);
    expect(order).toEqual(['settled', 'drained']);
    expect(bench.seen).toEqual([]);
  });
});
