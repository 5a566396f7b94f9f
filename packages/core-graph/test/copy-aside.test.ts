// Copies past the layers: down to which file, at which place, and by whom they are kept from it.
import { UNLIMITED } from '@blk/throttle';
import { describe, expect, it } from 'vitest';
import { AsideTarget, BlockError, DirtyBitmap, compressedExtent, dataExtent, unallocatedExtent, zeroExtent, type BlockNode } from '../src/index.js';
import { Bench, image, K, targetOf, WISH, type ExtentAt } from './aside-bench.js';
import { gate, MemFile, turn } from './support.js';

describe('a target', () => {
  it('is the file itself, or what lies over it without doing anything', async () => {
    const bench = new Bench();
    const target = await targetOf(bench, { driver: 'shift', by: 100, file: { driver: 'shift', by: 7, file: bench.target.definition } });
    const source = await bench.open(bench.source.definition);
    expect(await target.copy(source, 10 * K, 20 * K, 8 * K, WISH)).toEqual({ length: 8 * K, zeroes: [] });
    const file = bench.backend.root.children.get('file')?.node.children.get('file')?.node;
    expect(bench.seen).toMatchObject([{ targetOffset: 20 * K + 107, length: 8 * K, granularity: 512, zeroes: 'tell', to: file?.driver }]);
    expect(bench.copies(bench.source)).toEqual([[[0, 10 * K, 8 * K]]]);
    // Noted, so that a flush is not left out, by everyone on the way.
    expect(file?.highestWrite).toBe(28 * K + 107);
    expect(bench.backend.root.highestWrite).toBe(28 * K);
    await bench.backend.flush();
  });

  it.each<readonly [string, object | undefined]>([
    ['a filter', { driver: 'filter', file: new MemFile(K).definition }],
    ['a format that has its own places', image(() => dataExtent(K, 0), new MemFile(K))],
    ['a file that can not', undefined],
    ['a filter below', { driver: 'shift', file: { driver: 'filter', file: new MemFile(K).definition } }],
  ])('is none: %s', async (_title, definition) => {
    const bench = new Bench();
    if (definition === undefined) {
      const node = await bench.graph.open(bench.target.definition);
      expect(AsideTarget.of({ root: node, writeThrough: false, held: false })).toBeUndefined();
      return;
    }
    const node = await bench.open(definition);
    expect(AsideTarget.of({ root: node, writeThrough: false, held: false })).toBeUndefined();
  });

  it('is none that is to be flushed after each write', async () => {
    expect(await new Bench().targetOver(undefined, { writeThrough: true })).toBeUndefined();
  });

  it.each<readonly [string, (bench: Bench) => unknown]>([
    ['a bitmap', ({ backend }) => { backend.root.bitmaps.add(new DirtyBitmap('b', 512, backend.root.size)); backend.root.updatePaths(); }],
    ['a threshold', ({ backend }) => { backend.root.writeThreshold = 5; backend.root.updatePaths(); }],
    ['zeroes that are looked for', ({ backend }) => { backend.root.detectZeroes = 'unmap'; backend.root.updatePaths(); }],
    ['somebody who is told before', ({ backend }) => { backend.root.beforeWrite.add(() => undefined); backend.root.updatePaths(); }],
    ['the same below', ({ backend }) => { const file = backend.root.children.get('file')?.node as BlockNode; file.beforeWrite.add(() => undefined); file.updatePaths(); }],
    ['a request that excludes others', ({ backend }) => backend.root.requests.serialise(0, 1)],
    ['a drained section', ({ backend }) => { backend.quiesce(); }],
    ['limits', ({ backend }) => { backend.setThrottle({ ...UNLIMITED, 'bps-total': 1000 }, 'g'); }],
    ['a file that shrank', ({ target }) => { target.resize(20 * K); }],
  ])('keeps copies away by %s, and lets them in before', async (_title, change) => {
    const bench = new Bench();
    const target = await targetOf(bench, { driver: 'shift', file: bench.target.definition });
    const source = await bench.open(bench.source.definition);
    expect(await target.copy(source, 0, 16 * K, 8 * K, WISH)).toMatchObject({ length: 8 * K });
    await change(bench);
    expect(await target.copy(source, 0, 16 * K, 8 * K, WISH)).toBeUndefined();
    expect(bench.seen).toHaveLength(1);
  });

  it('looks again when it had to wait for the place', async () => {
    const bench = new Bench();
    const target = await targetOf(bench);
    const waiting = gate();
    const source = await bench.open(image((_at, length) => waiting.promise.then(() => dataExtent(length, 0)), bench.source));
    const copy = target.copy(source, 0, 0, 8 * K, WISH);
    bench.backend.quiesce();
    waiting.open();
    expect(await copy).toBeUndefined();
    expect(bench.seen).toEqual([]);
  });
});

describe('a source', () => {
  type Part = readonly [number, number, number];
  const later = (offset: number): boolean => offset > 64 * K;
  it.each<readonly [string, ExtentAt, readonly Part[]]>([
    ['data', (offset, length) => dataExtent(length, 4096 + offset), [[0, 4096 + 64 * K, 16 * K]]],
    ['data told later', async (offset, length) => dataExtent(length, 512 + offset), [[0, 512 + 64 * K, 16 * K]]],
    ['data told in pieces', (offset) => dataExtent(5 * K, offset), [[0, 64 * K, 16 * K]]],
    ['scattered data', (offset) => dataExtent(5 * K, 2 * offset), [[0, 128 * K, 5 * K], [0, 138 * K, 5 * K], [0, 148 * K, 5 * K], [0, 158 * K, K]]],
    ['scattered data told later', async (offset) => dataExtent(9 * K, 2 * offset), [[0, 128 * K, 9 * K], [0, 146 * K, 7 * K]]],
    ['the same data twice', () => dataExtent(8 * K, 0), [[0, 0, 8 * K], [0, 0, 8 * K]]],
    ['too little', (offset) => (later(offset) ? compressedExtent(K) : dataExtent(3 * K, offset)), []],
    ['more than was asked for', (offset) => dataExtent(999 * K, offset), [[0, 64 * K, 16 * K]]],
    ['data that ends with the file', (offset, length) => dataExtent(length, 954 * K + offset), [[0, 1018 * K, 6 * K]]],
    ['data beyond the end of the file', (_offset, length) => dataExtent(length, 1024 * K), []],
    ['data that lies nowhere as it is', (_offset, length) => dataExtent(length, -1), []],
    ['compressed data', (_offset, length) => compressedExtent(length), []],
    ['compressed data with a place', (_offset, length) => ({ ...compressedExtent(length), hostOffset: 0 }), []],
    ['zeroes', (_offset, length) => zeroExtent(length), [[-1, 0, 16 * K]]],
    ['zeroes with a place', (_offset, length) => zeroExtent(length, 0), [[-1, 0, 16 * K]]],
    ['nothing', (_offset, length) => unallocatedExtent(length), [[-1, 0, 16 * K]]],
    ['nothing with a place', (_offset, length) => unallocatedExtent(length, 0), [[-1, 0, 16 * K]]],
    ['zeroes and nothing before data', (offset) => (later(offset) ? (offset > 66 * K ? dataExtent(20 * K, 0) : zeroExtent(2 * K)) : unallocatedExtent(2 * K)), [[-1, 0, 4 * K], [0, 0, 12 * K]]],
    ['compressed data behind', (offset) => (later(offset) ? compressedExtent(K) : dataExtent(6 * K, 0)), [[0, 0, 6 * K]]],
    ['an error', () => { throw new BlockError('io', 'damaged'); }, []],
    ['an error behind', (offset) => { if (later(offset)) throw new BlockError('io', 'damaged'); return dataExtent(6 * K, 0); }, [[0, 0, 6 * K]]],
    ['an error told later', () => Promise.reject(new BlockError('io', 'damaged')), []],
  ])('has %s', async (_title, at, expected) => {
    const bench = new Bench();
    const target = await targetOf(bench);
    const source = await bench.open(image(at, bench.source));
    const copied = await target.copy(source, 64 * K, 0, 16 * K, WISH);
    const length = expected.reduce((sum, part) => sum + part[2], 0);
    expect(bench.copies(bench.source)).toEqual(expected.length === 0 ? [] : [expected]);
    expect(bench.seen.map((copy) => copy.length)).toEqual(expected.length === 0 ? [] : [length]);
    expect(copied?.length ?? 0).toBe(length);
  });

  it('is not looked at for too long', async () => {
    const bench = new Bench();
    const target = await targetOf(bench);
    const source = await bench.open(image((offset) => dataExtent(512, (1023 * K) - (offset % (512 * K))), bench.source));
    const copied = await target.copy(source, 0, 0, 1024 * K, WISH);
    expect(copied?.length).toBe(512 * K);
    expect(bench.seen[0].parts).toHaveLength(1024);
  });

  it('lies in several files', async () => {
    const bench = new Bench();
    const base = new MemFile(100 * K);
    const target = await targetOf(bench);
    const at: ExtentAt = (offset) => (offset % (32 * K) === 0 ? dataExtent(16 * K, offset / 2) : unallocatedExtent(16 * K));
    const source = await bench.open(image(at, bench.source, { backing: { driver: 'shift', file: base.definition } }));
    expect(await target.copy(source, 32 * K, 0, 128 * K, WISH)).toMatchObject({ length: 128 * K });
    // Behind the end of the backing file there are zeroes.
    expect(bench.copies(bench.source, base)).toEqual([[
      [0, 16 * K, 16 * K], [1, 48 * K, 16 * K], [0, 32 * K, 16 * K], [1, 80 * K, 16 * K], [0, 48 * K, 16 * K], [-1, 0, 16 * K], [0, 64 * K, 16 * K], [-1, 0, 16 * K],
    ]]);
    await target.copy(source, 80 * K, 0, 32 * K, WISH);
    expect(bench.copies(bench.source, base)[1]).toEqual([[1, 80 * K, 16 * K], [0, 48 * K, 16 * K]]);
    for (const node of bench.graph.nodes) expect(node.requests.inFlight).toBe(0);
  });

  it('is none any more when its reads have become more than reads, while it was looked at', async () => {
    const bench = new Bench();
    const target = await targetOf(bench);
    const waiting = gate();
    const at: ExtentAt = (offset) => (offset === 0 ? dataExtent(6 * K, 0) : waiting.promise.then(() => dataExtent(6 * K, 12 * K)));
    const source = await bench.open(image(at, bench.source));
    const copy = target.copy(source, 0, 0, 12 * K, WISH);
    source.setCopyOnRead(true);
    waiting.open();
    expect(await copy).toBeUndefined();
    expect(bench.seen).toEqual([]);
  });

  it('takes the last bytes of an image, however few, and nothing behind it', async () => {
    const bench = new Bench();
    const target = await targetOf(bench);
    const source = await bench.open(bench.source.definition);
    expect(await target.copy(source, 1023 * K, 0, K, WISH)).toMatchObject({ length: K });
    expect(await target.copy(source, 1024 * K, 0, 512, WISH)).toBeUndefined();
    expect(await target.copy(source, 1020 * K, 0, 8 * K, WISH)).toMatchObject({ length: 4 * K });
  });

  it('leads to the file that holds the data, and to the backing file', async () => {
    const bench = new Bench();
    const [meta, data, other, base] = [1, 2, 3, 4].map(() => new MemFile(1024 * K));
    const target = await targetOf(bench);
    const at: ExtentAt = (offset, length) => (offset < 256 * K ? dataExtent(length, offset + 512) : unallocatedExtent(Math.min(length, 32 * K)));
    const named = { 'data-file': data.definition, backing: { driver: 'shift', by: 3, file: base.definition } };
    const first = await bench.open(image(at, meta, named));
    await target.copy(first, 0, 0, 8 * K, WISH);
    await target.copy(first, 300 * K, 0, 64 * K, WISH);
    const second = await bench.open(image((offset, length) => dataExtent(length, offset), new MemFile(1024 * K), { other: other.definition }));
    await target.copy(second, 8 * K, 0, 8 * K, WISH);
    // No child at all: somebody else knows.
    expect(await target.copy(second, 600 * K, 0, 8 * K, WISH)).toBeUndefined();
    expect(bench.copies(meta, data, other, base)).toEqual([[[1, 512, 8 * K]], [[3, 300 * K + 3, 64 * K]], [[2, 8 * K, 8 * K]]]);
  });

  it.each([
    ['over the file', (file: object): object => ({ driver: 'filter', file })],
    ['below a format', (file: object): object => ({ driver: 'mapped', at: (offset: number, length: number) => dataExtent(length, offset), file: { driver: 'filter', file } })],
    ['below what does nothing', (file: object): object => ({ driver: 'shift', file: { driver: 'filter', file } })],
  ])('is none with a filter %s', async (_title, over) => {
    const bench = new Bench();
    const target = await targetOf(bench);
    expect(await target.copy(await bench.open(over(bench.source.definition)), 0, 0, 8 * K, WISH)).toBeUndefined();
    expect(bench.seen).toEqual([]);
  });

  it('is none whose reads are more than reads', async () => {
    const bench = new Bench();
    const target = await targetOf(bench);
    const source = await bench.open({ driver: 'shift', file: bench.source.definition });
    source.setCopyOnRead(true);
    expect(await target.copy(source, 0, 0, 8 * K, WISH)).toBeUndefined();
    source.setCopyOnRead(false);
    expect(await target.copy(source, 0, 0, 8 * K, WISH)).toMatchObject({ length: 8 * K });
    // Being cut to what the driver takes is no work on the bytes.
    const coarse = await bench.open(new MemFile(64 * K, { alignment: 512 }).definition);
    expect(coarse.readsPlainly).toBe(true);
  });

  it('may be one that the driver of the target does not copy from', async () => {
    const bench = new Bench();
    bench.answer = () => undefined;
    const target = await targetOf(bench);
    expect(await target.copy(await bench.open(bench.source.definition), 0, 0, 8 * K, WISH)).toBeUndefined();
    expect(bench.backend.root.requests.inFlight).toBe(0);
  });
});

describe('while a copy is under way', () => {
  it('a drained section of either side waits for it, and requests that exclude others too', async () => {
    const bench = new Bench();
    const target = await targetOf(bench, { driver: 'shift', by: 512, file: bench.target.definition });
    const source = await bench.open({ driver: 'shift', by: 1024, file: bench.source.definition });
    const nodes = [source, bench.backend.root].flatMap((node) => [node, node.children.get('file')?.node as BlockNode]);
    const hold = gate();
    bench.answer = ({ length }) => hold.promise.then(() => ({ length, zeroes: [] }));
    const copy = target.copy(source, 64 * K, 128 * K, 8 * K, WISH);
    await turn();
    const order: string[] = [];
    const places = [64 * K, 64 * K + 1024, 128 * K, 128 * K + 512];
    const waits: Promise<void>[] = [];
    for (const [index, node] of nodes.entries()) {
      expect(node.requests.inFlight).toBe(1);
      // Only who wants the same bytes has to wait.
      const beside = await node.requests.serialise(places[index] + 8 * K, 512);
      beside.finish();
      waits.push(node.requests.serialise(places[index] + 8 * K - 1, 1).then((request) => { order.push('excluded'); request.finish(); }));
    }
    waits.push(bench.graph.drained([source], () => { order.push('drained'); }));
    await turn();
    expect(order).toEqual([]);
    hold.open();
    expect(await copy).toMatchObject({ length: 8 * K });
    await Promise.all(waits);
    expect(order).toHaveLength(5);
    for (const node of nodes) expect(node.requests.inFlight).toBe(0);
  });

  it('a flush does not count it as stored', async () => {
    const bench = new Bench();
    const target = await targetOf(bench);
    const hold = gate();
    bench.answer = ({ length }) => hold.promise.then(() => ({ length, zeroes: [] }));
    const copy = target.copy(await bench.open(bench.source.definition), 0, 0, 8 * K, WISH);
    await turn();
    await bench.backend.flush();
    hold.open();
    await copy;
    await bench.backend.flush();
    expect(bench.target.log.filter((line) => line === 'flush')).toHaveLength(2);
    await bench.backend.flush();
    expect(bench.target.log.filter((line) => line === 'flush')).toHaveLength(2);
  });
});
