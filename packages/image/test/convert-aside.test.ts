// Conversions of which threads copy the most, from file to file: content, who copied, progress, failures, and who keeps them away.
import { truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BlockError, type AsideCopied } from '@blk/core-graph';
import { prng, tempDir, type TempDir } from '@blk/oracle';
import { checkImage, convertImage, type ConvertRequest } from '../src/index.js';
import { expectContent, FEW, filled, M, OLD, possible, rawFile, sample, SIZE, watched, WHOLE, writeSparse } from './aside-support.js';

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

    test.each(['raw', 'qcow2'])('what the event loop leaves is read and written as ever (%s)', async (format) => {
      const bytes = sample(91, 96 * M);
      writeFileSync(dir.file('long'), bytes);
      let asked = 0;
      // The thread takes its time, and has done nothing then.
      const slow = (): Promise<AsideCopied> => new Promise((resolve) => { setTimeout(() => { resolve({ length: 0, zeroes: [] }); }, 200); });
      const { graph } = watched(slow, () => (asked++ % 2 === 0 ? Promise.resolve({ length: 0, zeroes: [] }) : undefined));
      const target = dir.file('target');
      await convertImage(graph, { sources: [dir.file('long')], sourceFormat: 'raw', target, format, ...FEW });
      if (possible) expect(asked).toBeGreaterThan(2);
      if (format === 'raw') return void expectContent(target, bytes);
      await convertImage(graph, { sources: [target], sourceFormat: format, target: dir.file('read'), parallel: 1 });
      expectContent(dir.file('read'), bytes);
      expect(await checkImage(graph, target)).toMatchObject({ 'check-errors': 0 });
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
