// Conversions of which threads copy the most, from file to file: content, who copied, progress, failures, and who keeps them away.
import { availableParallelism } from 'node:os';
import { closeSync, ftruncateSync, openSync, readSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BlockError, BlockGraph, defineDriver, FilterNode, type AsideCopied, type AsideCopy, type BlockDriver } from '@blk/core-graph';
import { file } from '@blk/drivers-file';
import { qcow2 } from '@blk/drivers-qcow2';
import { raw } from '@blk/drivers-raw';
import { prng, qemuImg, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { checkImage, convertImage, type ConvertRequest } from '../src/index.js';

const needs = skipUnless('qemu-img');
const M = 1024 * 1024;
/** Neither whole pieces nor a whole sector. */
const SIZE = 52 * M + 700;
const WHOLE = Math.ceil(SIZE / 512) * 512;
const OLD = 0x77;
/** On one processor there are no threads, and nothing to copy aside. */
const possible = availableParallelism() > 1;
/** So few that they leave something to the threads, however slow the disk is. */
const FEW = { parallel: 2 };

/** Passes everything on, and is something on the way. */
const filter = defineDriver<{ file: unknown }>({
  name: 'filter', role: 'filter', options: {}, children: { file: 'required' },
  open: async ({ file: reference }, context) => new FilterNode(await context.child('file', reference, 'filtered')),
});

interface Watched {
  readonly graph: BlockGraph;
  /** What was copied aside, of the files' bytes. */
  readonly bytes: () => number;
}

/** A graph that counts what is copied aside. `before` may answer itself. */
function watched(before: (copy: AsideCopy) => Promise<AsideCopied> | undefined = () => undefined): Watched {
  let bytes = 0;
  const spied: BlockDriver = {
    ...file,
    async open(options, context) {
      const node = await file.open(options, context);
      const copyAside = node.copyAside?.bind(node);
      const spy = (copy: AsideCopy): Promise<AsideCopied> | undefined =>
        (before(copy) ?? copyAside?.(copy))?.then((copied) => {
          bytes += copied.length;
          return copied;
        });
      return copyAside === undefined ? node : Object.assign(node, { copyAside: spy });
    },
  };
  return { graph: new BlockGraph({ drivers: [spied, raw, qcow2, filter], secrets: () => Buffer.from('password') }), bytes: () => bytes };
}

/** Data with zeroes in it of all lengths, some of them written and some of them holes. */
function sample(seed: number, size: number): Buffer {
  const random = prng(seed);
  const bytes = Buffer.alloc(size);
  const noise = random.fill(Buffer.alloc(M));
  for (let at = 0; at < size; ) {
    const length = random.pick([512, 3072, 65536, 300_000, M, 3 * M]);
    if (random.below(8) > 0) for (let done = 0; done < length; done += M) noise.copy(bytes, at + done, 0, Math.min(M, length - done));
    at += length;
  }
  return bytes;
}

/** Pieces of zeroes stay holes, by turns. */
function writeSparse(name: string, bytes: Buffer): void {
  const fd = openSync(name, 'w');
  ftruncateSync(fd, bytes.length);
  for (let at = 0, piece = 0; at < bytes.length; at += M, piece++) {
    const part = bytes.subarray(at, at + M);
    if (piece % 2 === 0 || part.some((byte) => byte !== 0)) writeSync(fd, part, 0, part.length, at);
  }
  closeSync(fd);
}

/** Piece by piece: no test needs the whole file in memory twice. */
function expectContent(name: string, expected: Buffer, from = 0): void {
  const fd = openSync(name, 'r');
  const piece = Buffer.alloc(4 * M);
  try {
    for (let at = 0; at < expected.length; at += piece.length) {
      const want = expected.subarray(at, at + piece.length);
      expect(readSync(fd, piece, 0, want.length, from + at)).toBe(want.length);
      if (!want.equals(piece.subarray(0, want.length))) {
        const first = want.findIndex((byte, index) => byte !== piece[index]);
        expect.fail(`${name} differs at ${at + first}: ${piece[first]} instead of ${want[first]}`);
      }
    }
  } finally {
    closeSync(fd);
  }
}

const filled = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);
const rawFile = (filename: string, more: object = {}): never => ({ driver: 'raw', file: { driver: 'file', filename }, ...more }) as never;

describe('copied aside', () => {
  let dir: TempDir;
  let content: Buffer;
  let source: string;
  beforeAll(() => {
    dir = tempDir();
    content = sample(1, SIZE);
    source = dir.file('source');
    writeSparse(source, content);
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  const padded = (): Buffer => filled(content, Buffer.alloc(WHOLE - SIZE));

  test.each<readonly [string, Partial<ConvertRequest>]>([
    ['as always', {}],
    ['by few', FEW],
    ['all of it written', { ...FEW, sparse: 0 }],
    ['with odd steps', { ...FEW, sparse: 1536 }],
    ['with long steps', { ...FEW, sparse: 16 * M }],
    ['out of order', { ...FEW, outOfOrder: true }],
    ['out of order by many', { outOfOrder: true, parallel: 16 }],
    ['flushed at the end', { ...FEW, targetCache: { writeback: true } }],
  ])('raw to raw, %s', async (_title, request) => {
    const { graph, bytes } = watched();
    const seen: [number, number][] = [];
    await convertImage(graph, { sources: [source], sourceFormat: 'raw', target: dir.file('target'), progress: (...at) => seen.push(at), ...request });
    expectContent(dir.file('target'), padded());
    if (possible && request.parallel === FEW.parallel) expect(bytes()).toBeGreaterThan(0);
    expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).sort((a, b) => a - b));
    expect(seen[0][0]).toBe(0);
    expect(new Set(seen.map(([, total]) => total)).size).toBe(1);
    expect(seen[seen.length - 1][0]).toBe(seen[0][1]);
    expect(Math.max(...seen.map(([done]) => done))).toBe(seen[0][1]);
  });

  test('onto an old file, whose own bytes go, and those behind stay', async () => {
    const target = dir.file('old');
    writeFileSync(target, Buffer.alloc(WHOLE + M, OLD));
    const { graph, bytes } = watched();
    const seen: number[] = [];
    const progress = Object.assign((done: number) => { seen.push(done); }, { rough: true });
    await convertImage(graph, { sources: [source], sourceFormat: 'raw', target, noCreate: true, progress, ...FEW });
    expectContent(target, filled(padded(), Buffer.alloc(M, OLD)));
    if (possible) expect(bytes()).toBeGreaterThan(0);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen[seen.length - 1]).toBe(WHOLE);
  });

  test('from a part of a file to a part of another', async () => {
    const target = dir.file('part');
    writeFileSync(target, Buffer.alloc(56 * M, OLD));
    const { graph, bytes } = watched();
    const part = 48 * M;
    await convertImage(graph, { sources: [rawFile(source, { offset: 1234, size: part })], target: rawFile(target, { offset: 777, size: part }), noCreate: true, ...FEW });
    expectContent(target, filled(Buffer.alloc(777, OLD), content.subarray(1234, 1234 + part), Buffer.alloc(56 * M - part - 777, OLD)));
    if (possible) expect(bytes()).toBeGreaterThan(0);
  });

  test('several sources whose ends lie anywhere', async () => {
    const more = [1000, 9 * M + 513, 100].map((size, index) => {
      const bytes = Buffer.alloc(size, index + 1);
      writeFileSync(dir.file(`more${index}`), bytes);
      return filled(bytes, Buffer.alloc((512 - (size % 512)) % 512));
    });
    const { graph, bytes } = watched();
    const sources = [dir.file('more0'), source, dir.file('more1'), dir.file('more2')];
    await convertImage(graph, { sources, sourceFormat: 'raw', target: dir.file('target'), ...FEW });
    expectContent(dir.file('target'), filled(more[0], padded(), more[1], more[2]));
    if (possible) expect(bytes()).toBeGreaterThan(0);
  });

  describe('from qcow2', () => {
    const make = async (name: string, request: Partial<ConvertRequest> = {}): Promise<string> => {
      const target = dir.file(name);
      await convertImage(watched().graph, { sources: [source], sourceFormat: 'raw', target, format: 'qcow2', ...request });
      return target;
    };
    const toRaw = async (image: string): Promise<number> => {
      const { graph, bytes } = watched();
      await convertImage(graph, { sources: [image], sourceFormat: 'qcow2', target: dir.file('back'), ...FEW });
      return bytes();
    };

    test.each<readonly [string, Partial<ConvertRequest>]>([
      ['as always', { sparse: 0 }],
      ['subclusters', { sparse: 0, options: { extended_l2: true, cluster_size: 128 * 1024 } }],
      ['a data file', { sparse: 0, options: { data_file: 'DATA' } }],
      ['a raw data file', { sparse: 0, options: { data_file: 'DATA', data_file_raw: true } }],
    ])('%s', async (title, request) => {
      const options = request.options?.data_file === undefined ? request.options : { ...request.options, data_file: dir.file(`${title}.data`) };
      const image = await make(`${title}.qcow2`, { ...request, ...(options === undefined ? {} : { options }) });
      const bytes = await toRaw(image);
      expectContent(dir.file('back'), padded());
      if (possible) expect(bytes).toBeGreaterThan(0);
    });

    test('compressed, which somebody has to unpack', async () => {
      const words = Buffer.alloc(40 * M, 'what is said twice takes less space. ');
      writeFileSync(dir.file('words'), words);
      const bytes = await toRaw(await make('compressed.qcow2', { sources: [dir.file('words')], compress: true }));
      expectContent(dir.file('back'), words);
      expect(bytes).toBe(0);
    });

    test('over a shorter backing file, with data of both', async () => {
      const base = dir.file('base');
      const below = sample(9, 46 * M + 100);
      writeSparse(base, below);
      const overlay = dir.file('overlay.qcow2');
      const { graph } = watched();
      await graph.create(overlay, { format: 'qcow2', size: 60 * M, options: { backing_file: base, backing_fmt: 'raw' } });
      const node = await graph.open(overlay, { format: 'qcow2' });
      const top = prng(4).fill(Buffer.alloc(3 * M));
      for (const at of [5 * M + 512, 45 * M, 50 * M]) await node.write(at, top, 0, top.length);
      await graph.release(node);
      const expected = filled(below, Buffer.alloc(60 * M - below.length));
      for (const at of [5 * M + 512, 45 * M, 50 * M]) top.copy(expected, at);
      const bytes = await toRaw(overlay);
      expectContent(dir.file('back'), expected);
      if (possible) expect(bytes).toBeGreaterThan(0);
    });

    test.each<readonly [string, number, boolean]>([['large', 65536, false], ['small', 4096, false], ['large, over a shorter backing file', 65536, true]])(
      'scattered in random order, with clusters that hold nothing, or zeroes: %s', async (title, cluster, backed) => {
        const image = dir.file('scattered.qcow2');
        const random = prng(6);
        const size = 48 * M;
        const expected = Buffer.alloc(size);
        const { graph } = watched();
        if (backed) random.fill(expected.subarray(0, 44 * M + 512));
        writeFileSync(dir.file('below'), expected.subarray(0, 44 * M + 512));
        const backing = backed ? { backing_file: dir.file('below'), backing_fmt: 'raw' } : {};
        await graph.create(image, { format: 'qcow2', size, options: { cluster_size: cluster, ...backing } });
        const node = await graph.open(image, { format: 'qcow2' });
        const noise = random.fill(Buffer.alloc(M));
        const places = Array.from({ length: size / cluster }, (_, index) => ({ at: index * cluster, key: random.next() }));
        for (const { at, key } of places.sort((one, other) => one.key - other.key)) {
          // Holes of so many bytes are left out of what is copied at once.
          const kind = random.below(cluster === 65536 ? 150 : 12);
          // Some stay what they are below.
          if (kind === 0) continue;
          const start = key % 4096;
          await (kind === 1 ? node.writeZeroes(at, cluster) : node.write(at, noise, start, cluster));
          expected.set(kind === 1 ? Buffer.alloc(cluster) : noise.subarray(start, start + cluster), at);
        }
        await graph.release(node);
        expect(await toRaw(image), title).toBeGreaterThan(possible ? 0 : -1);
        expectContent(dir.file('back'), expected);
        // What was there is gone, also where there are zeroes now.
        writeFileSync(dir.file('back'), Buffer.alloc(size, OLD));
        const request = { sources: [image], sourceFormat: 'qcow2', ...FEW };
        for (const sparse of [4096, 0]) {
          await convertImage(watched().graph, { ...request, target: dir.file('back'), noCreate: true, sparse });
          expectContent(dir.file('back'), expected);
        }
        await convertImage(watched().graph, { ...request, target: dir.file('again.qcow2'), format: 'qcow2' });
        await toRaw(dir.file('again.qcow2'));
        expectContent(dir.file('back'), expected);
      },
    );
  });

  describe('to qcow2', () => {
    const image = (): string => dir.file('made.qcow2');
    /** What the reference, where there is one, and we read in it. */
    const expectImage = async (expected: Buffer): Promise<void> => {
      await convertImage(watched().graph, { sources: [image()], sourceFormat: 'qcow2', target: dir.file('read'), parallel: 1 });
      expectContent(dir.file('read'), expected);
      if (needs.skip) return;
      expect(await qemuImg('check', '-f', 'qcow2', image())).toMatchObject({ code: 0 });
      writeFileSync(dir.file('expected'), expected);
      expect(await qemuImg('compare', '-f', 'raw', '-F', 'qcow2', dir.file('expected'), image())).toMatchObject({ stdout: 'Images are identical.\n' });
    };
    const convert = async (request: Partial<ConvertRequest>): Promise<number> => {
      const { graph, bytes } = watched();
      await convertImage(graph, { sources: [source], sourceFormat: 'raw', target: image(), format: 'qcow2', ...FEW, ...request });
      return bytes();
    };

    test.each<readonly [string, Partial<ConvertRequest>]>([
      ['as always', {}],
      ['all of it written', { sparse: 0 }],
      ['with long steps', { sparse: 3 * M }],
      ['with small clusters', { options: { cluster_size: 4096 } }],
      ['with large clusters', { options: { cluster_size: M } }],
      ['with subclusters', { options: { extended_l2: true, cluster_size: 128 * 1024 } }],
      ['with narrow counts of references', { options: { refcount_bits: 1 } }],
      ['with lazy ones', { options: { lazy_refcounts: true } }],
      ['of the old kind', { options: { compat: '0.10' } }],
      ['flushed at the end', { targetCache: { writeback: true } }],
      ['by many', { parallel: 16 }],
    ])('%s', async (_title, request) => {
      const bytes = await convert(request);
      if (possible && request.parallel === undefined) expect(bytes).toBeGreaterThan(0);
      await expectImage(padded());
    });

    // What is read at once is less than such a cluster, or such a step.
    test.each<readonly [string, Partial<ConvertRequest>]>([
      ['the largest clusters', { options: { cluster_size: 2 * M } }],
      ['long steps', { sparse: 3 * M }],
      ['clusters of the same length', { options: { cluster_size: M } }],
    ])('halves of zeroes in %s', async (_title, request) => {
      const halves = Buffer.alloc(60 * M);
      const noise = prng(17).fill(Buffer.alloc(M));
      for (let at = M; at < halves.length; at += 2 * M) noise.copy(halves, at);
      writeFileSync(dir.file('halves'), halves);
      await convert({ sources: [dir.file('halves')], ...request });
      await expectImage(halves);
    });

    test('no cluster of zeroes is stored, as without the thread', async () => {
      const stored = async (): Promise<number> => {
        const check = await checkImage(watched().graph, image());
        return check['allocated-clusters'] ?? 0;
      };
      await convert({ parallel: 1 });
      const alone = await stored();
      expect(alone).toBeGreaterThan(0);
      await convert({});
      expect(await stored()).toBe(alone);
    });

    test('onto one that holds something already, in its own places and in others', async () => {
      const { graph } = watched();
      await graph.create(image(), { format: 'qcow2', size: 56 * M });
      const node = await graph.open(image(), { format: 'qcow2' });
      const old = prng(12).fill(Buffer.alloc(7 * M));
      for (const at of [3 * M + 512, 20 * M, 33 * M + 65536, 49 * M]) await node.write(at, old, 0, old.length);
      await graph.release(node);
      const expected = filled(padded(), Buffer.alloc(56 * M - WHOLE));
      old.copy(expected, WHOLE, WHOLE - 49 * M);
      await convert({ noCreate: true });
      await expectImage(expected);
    });

    test('onto an overlay, whose backing file shows only behind the source', async () => {
      writeFileSync(dir.file('below'), Buffer.alloc(56 * M, OLD));
      const { graph } = watched();
      await graph.create(image(), { format: 'qcow2', size: 56 * M, options: { backing_file: dir.file('below'), backing_fmt: 'raw' } });
      const bytes = await convert({ noCreate: true });
      if (possible) expect(bytes).toBeGreaterThan(0);
      await expectImage(filled(padded(), Buffer.alloc(56 * M - WHOLE, OLD)));
    });

    test.each<readonly [string, Partial<ConvertRequest>]>([
      ['encrypted', { options: { 'encrypt.format': 'luks', 'encrypt.key-secret': 'key', 'encrypt.iter-time': 10 } }],
      ['into a data file', { options: { data_file: 'DATA' } }],
      ['compressed', { compress: true }],
      ['where every cluster has its place', { options: { preallocation: 'metadata' } }],
    ])('not at all, %s', async (_title, request) => {
      const options = request.options?.data_file === undefined ? request.options : { data_file: dir.file('made.data') };
      const { graph, bytes } = watched();
      await convertImage(graph, { sources: [source], sourceFormat: 'raw', target: image(), format: 'qcow2', ...FEW, ...request, ...(options === undefined ? {} : { options }) });
      expect(bytes()).toBe(0);
      if (options?.['encrypt.format'] !== undefined) return;
      await expectImage(padded());
    });
  });

  describe('not at all', () => {
    const over = (driver: string, filename: string): never => ({ driver, file: rawFile(filename) }) as never;

    test.each<readonly [string, (target: string) => Partial<ConvertRequest>]>([
      ['one at a time', () => ({ parallel: 1 })],
      ['limited', () => ({ rateLimit: 1e12 })],
      ['written through', () => ({ writeThrough: true })],
      ['past the page cache, from there', () => ({ sourceCache: { direct: true } })],
      ['past the page cache, to there', () => ({ targetCache: { direct: true } })],
      ['with what can not be read left out', () => ({ salvage: () => undefined })],
      ['from a filter', () => ({ sources: [over('filter', source)] })],
      ['to a filter', (target) => ({ noCreate: true, target: over('filter', target) })],
      ['to where zeroes are looked for', (target) => ({ noCreate: true, target: rawFile(target, { 'detect-zeroes': 'on' }) })],
    ])('%s', async (_title, more) => {
      const { graph, bytes } = watched();
      const target = dir.file('kept');
      const request = { sources: [source], target, ...more(target) };
      if (request.noCreate === true) writeFileSync(target, Buffer.alloc(WHOLE, OLD));
      const named = typeof request.sources[0] === 'string' ? { sourceFormat: 'raw' } : {};
      await convertImage(graph, { ...named, ...request });
      expect(bytes()).toBe(0);
      expectContent(target, padded());
    });
  });

  describe.skipIf(!possible)('when it fails', () => {
    let dense: string;
    const noise = prng(2).fill(Buffer.alloc(56 * M));
    beforeAll(() => {
      dense = dir.file('dense');
      writeFileSync(dense, noise);
    });

    test.each(['raw', 'qcow2'])('a thread that dies leaves the work to others (%s)', async (format) => {
      let copies = 0;
      const { graph } = watched(() => {
        copies++;
        return Promise.resolve({ length: 0, zeroes: [] });
      });
      const target = dir.file('target');
      await convertImage(graph, { sources: [dense], sourceFormat: 'raw', target, format, ...FEW });
      expect(copies).toBe(1);
      if (format === 'raw') return void expectContent(target, noise);
      await convertImage(graph, { sources: [target], sourceFormat: format, target: dir.file('read'), parallel: 1 });
      expectContent(dir.file('read'), noise);
      expect(await checkImage(graph, target)).toMatchObject({ 'check-errors': 0 });
      expect((await checkImage(graph, target)).leaks ?? 0).toBe(0);
    });

    test('what could not be stored in new clusters is told with its place, and the image holds what came before', async () => {
      let place = -1;
      const { graph } = watched(({ parts }) => {
        place = parts[0].offset + 4096;
        return Promise.resolve({ length: 4096, zeroes: [], failure: { verb: 'write', at: 4096, error: new BlockError('no-space', 'No space left on device') } });
      });
      const target = dir.file('target');
      const converted = convertImage(graph, { sources: [dense], sourceFormat: 'raw', target, format: 'qcow2', options: { cluster_size: 4096 }, ...FEW });
      await expect(converted).rejects.toThrow(/error while writing at byte \d+: No space left on device/);
      await expect(converted).rejects.toThrow(`at byte ${place}:`);
      const { leaks = 0, corruptions = 0 } = await checkImage(graph, target);
      expect([leaks, corruptions]).toEqual([0, 0]);
    });

    test.each([['read', 'reading'], ['write', 'writing']] as const)('what could not be done (%s) is told with its place', async (verb, doing) => {
      let place: number | undefined;
      const { graph } = watched(({ targetOffset }) => {
        place ??= targetOffset + 4096;
        return Promise.resolve({ length: 4096, zeroes: [], failure: { verb, at: 4096, error: new BlockError('no-space', 'No space left on device') } });
      });
      const converted = convertImage(graph, { sources: [dense], sourceFormat: 'raw', target: dir.file('target'), ...FEW });
      await expect(converted).rejects.toThrow(`error while ${doing} at byte `);
      await expect(converted).rejects.toThrow(`at byte ${place}: No space left on device`);
    });

    test('a source that is cut meanwhile reads as zeroes behind its end', async () => {
      const left = 48 * M + 1000;
      let first = true;
      const { graph, bytes } = watched(() => {
        if (first) truncateSync(dense, left);
        first = false;
        return undefined;
      });
      await convertImage(graph, { sources: [dense], sourceFormat: 'raw', target: dir.file('target'), ...FEW });
      expect(bytes()).toBeGreaterThan(0);
      expectContent(dir.file('target'), filled(noise.subarray(0, left), Buffer.alloc(noise.length - left)));
    });

    test('called off, it ends, and both files are closed', async () => {
      const stop = new AbortController();
      let copies = 0;
      const { graph } = watched(() => {
        if (++copies === 1) stop.abort(new Error('enough'));
        return undefined;
      });
      await expect(convertImage(graph, { sources: [source], sourceFormat: 'raw', target: dir.file('target'), signal: stop.signal, ...FEW })).rejects.toThrow('enough');
      expect(copies).toBeGreaterThan(0);
      expect([...graph.nodes]).toEqual([]);
    });
  });
});
