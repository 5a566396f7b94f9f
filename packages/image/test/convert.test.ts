// Converting, both ways with the reference: content, sparseness, order, progress, and what happens when it fails.
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BlockError, BlockGraph, defineDriver, NO_LIMITS, type BlockDriver } from '@blk/core-graph';
import { file, hostDevice } from '@blk/drivers-file';
import { nullCo } from '@blk/drivers-null';
import { qcow2 } from '@blk/drivers-qcow2';
import { raw } from '@blk/drivers-raw';
import { prng, qemuImg, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { convertImage, type ConvertRequest } from '../src/index.js';

const needs = skipUnless('qemu-img', 'qemu-io');
const SIZE = 24 * 1024 * 1024 + 512;

const graph = (): BlockGraph => new BlockGraph({ drivers: [file, hostDevice, nullCo, raw, qcow2] });

/** A raw file with islands of data, some of them tiny, among holes and written zeroes. */
function scattered(dir: TempDir, seed: number): string {
  const random = prng(seed);
  const bytes = Buffer.alloc(SIZE);
  for (let i = 0; i < 40; i++) {
    const at = random.below(SIZE - 300_000);
    random.fill(bytes.subarray(at, at + random.pick([1, 511, 512, 4096, 4097, 65536, 280_000])));
  }
  const name = dir.file('source.raw');
  writeFileSync(name, '');
  truncateSync(name, SIZE);
  for (let at = 0; at < SIZE; at += 8192) {
    const piece = bytes.subarray(at, at + 8192);
    // Every third piece of zeroes is written, so that not all zeroes are holes.
    if (piece.some((byte) => byte !== 0) || (at / 8192) % 3 === 0) writeAt(name, piece, at);
  }
  return name;
}

function writeAt(name: string, piece: Uint8Array, at: number): void {
  const fd = openSync(name, 'r+');
  writeSync(fd, piece, 0, piece.length, at);
  closeSync(fd);
}

async function expectSame(a: string, b: string): Promise<void> {
  expect(await qemuImg('compare', a, b)).toMatchObject({ stdout: 'Images are identical.\n' });
}

const VARIANTS: readonly (readonly [string, Partial<ConvertRequest>])[] = [
  ['raw', { format: 'raw' }],
  ['raw, one lane', { format: 'raw', parallel: 1 }],
  ['raw, out of order', { format: 'raw', outOfOrder: true, parallel: 16 }],
  ['raw, everything written', { format: 'raw', sparse: 0 }],
  ['raw, long runs of zeroes only', { format: 'raw', sparse: 1024 * 1024 }],
  ['qcow2', { format: 'qcow2' }],
  ['qcow2, small clusters', { format: 'qcow2', options: { cluster_size: 512 } }],
  ['qcow2, large clusters', { format: 'qcow2', options: { cluster_size: 2 * 1024 * 1024 } }],
  ['qcow2, everything written', { format: 'qcow2', sparse: 0 }],
  ['qcow2, version 2', { format: 'qcow2', options: { compat: '0.10' } }],
  ['qcow2, metadata ahead', { format: 'qcow2', options: { preallocation: 'metadata' } }],
  ['qcow2, compressed', { format: 'qcow2', compress: true }],
  ['qcow2, compressed in order', { format: 'qcow2', compress: true, parallel: 1 }],
  ['qcow2, compressed small clusters', { format: 'qcow2', compress: true, options: { cluster_size: 4096 } }],
];

describe.skipIf(needs.skip)(needs.title('convertImage'), () => {
  test.each(VARIANTS)('%s: the reference finds the content again', async (_title, request) => {
    using dir = tempDir();
    const source = scattered(dir, 11);
    const before = readFileSync(source);
    const target = dir.file('target');
    await convertImage(graph(), { sources: [source], sourceFormat: 'raw', target, ...request });
    await expectSame(source, target);
    if (request.format === 'qcow2') expect(await qemuImg('check', target)).toMatchObject({ code: 0 });
    expect(readFileSync(source).equals(before)).toBe(true);
    if (request.sparse === 0 && request.format === 'raw') expect(statSync(target).blocks * 512).toBeGreaterThanOrEqual(SIZE);
    const back = dir.file('back');
    await convertImage(graph(), { sources: [target], sourceFormat: request.format ?? 'raw', target: back, format: 'raw' });
    await expectSame(source, back);
  });

  test('what the reference compressed, layered and fragmented is read right', async () => {
    using dir = tempDir();
    const source = scattered(dir, 12);
    expect((await qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', source, dir.file('base'))).code).toBe(0);
    expect((await qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', 'base', dir.file('top'), '32M')).code).toBe(0);
    await qemuIo(dir.file('top'), ['write -q -P 3 1M 100k', 'write -q -z 5M 70k', 'write -q -P 9 30M 1k'], { format: 'qcow2' });
    for (const format of ['raw', 'qcow2']) {
      await convertImage(graph(), { sources: [dir.file('top')], target: dir.file(format), format });
      await expectSame(dir.file('top'), dir.file(format));
    }
    // As an overlay of the same base: what the source leaves to it is left to it again.
    const overlay = { format: 'qcow2', backing: 'base', backingFormat: 'qcow2' };
    await convertImage(graph(), { sources: [dir.file('top')], target: dir.file('overlay'), ...overlay });
    await expectSame(dir.file('top'), dir.file('overlay'));
    expect(statSync(dir.file('overlay')).size).toBeLessThan(1024 * 1024);
  });

  test('several sources follow each other', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('a'), Buffer.alloc(700, 1));
    writeFileSync(dir.file('b'), Buffer.alloc(70_000, 2));
    await convertImage(graph(), { sources: [dir.file('a'), dir.file('b')], sourceFormat: 'raw', target: dir.file('ours'), format: 'qcow2' });
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', dir.file('a'), dir.file('b'), dir.file('theirs'));
    await expectSame(dir.file('ours'), dir.file('theirs'));
  });

  test('a target that is there is overwritten from end to end; unless it is said to be zero', async () => {
    using dir = tempDir();
    const source = scattered(dir, 13);
    for (const format of ['raw', 'qcow2']) {
      const target = dir.file(`there.${format}`);
      await qemuImg('create', '-q', '-f', format, target, String(SIZE));
      await qemuIo(target, [`write -q -P 77 0 20M`], { format });
      await convertImage(graph(), { sources: [source], sourceFormat: 'raw', target, format, noCreate: true });
      await expectSame(source, target);
    }
    const blank = dir.file('blank');
    await qemuImg('create', '-q', '-f', 'raw', blank, String(SIZE));
    await convertImage(graph(), { sources: [source], sourceFormat: 'raw', target: blank, format: 'raw', noCreate: true, targetIsZero: true });
    await expectSame(source, blank);
  });

  test('progress goes up from nothing to everything', async () => {
    using dir = tempDir();
    const seen: [number, number][] = [];
    await convertImage(graph(), {
      sources: [scattered(dir, 14)], sourceFormat: 'raw', target: dir.file('t'), format: 'qcow2', progress: (done, total) => seen.push([done, total]),
    });
    expect(seen[0]).toEqual([0, seen[0][1]]);
    expect(seen[seen.length - 1]).toEqual([seen[0][1], seen[0][1]]);
    expect(seen.every(([done], i) => i === 0 || done >= seen[i - 1][0])).toBe(true);
  });

  test('stops when it is called off, and leaves the source alone', async () => {
    using dir = tempDir();
    const source = scattered(dir, 15);
    const stop = new AbortController();
    const done = convertImage(graph(), {
      sources: [source], sourceFormat: 'raw', target: dir.file('t'), format: 'raw', signal: stop.signal, rateLimit: 1_000_000,
      progress: (bytes) => {
        if (bytes > 0) stop.abort();
      },
    });
    await expect(done).rejects.toThrow(/aborted/);
  });

  test('refuses in the words of the reference', async () => {
    using dir = tempDir();
    const source = scattered(dir, 16);
    const refusal = async (request: Partial<ConvertRequest>): Promise<string> => {
      try {
        await convertImage(graph(), { sources: [source], sourceFormat: 'raw', target: dir.file('t'), ...request });
        return '';
      } catch (error) {
        return (error as BlockError).message;
      }
    };
    expect(await refusal({ compress: true })).toBe('Compression not supported for this file format');
    expect(await refusal({ format: 'nonsense' })).toBe("Unknown file format 'nonsense'");
    expect(await refusal({ sources: [dir.file('none')] })).toBe(`Could not open '${dir.file('none')}': Could not open '${dir.file('none')}': No such file or directory`);
    expect(await refusal({ target: { driver: 'null-co', size: 512 }, noCreate: true })).toBe('output file is smaller than input file');
    expect(await refusal({ target: source })).toMatch(/Failed to get (shared )?".*" lock/);
  });
});

test('a target of the same odd length takes the source, its last sector made whole', async () => {
  using dir = tempDir();
  const [source, target, short] = [dir.file('s'), dir.file('t'), dir.file('short')];
  const bytes = Buffer.alloc(100_001);
  prng(20).fill(bytes);
  writeFileSync(source, bytes);
  writeFileSync(target, Buffer.alloc(bytes.length, 7));
  writeFileSync(short, Buffer.alloc(99_840));
  const request = { sources: [source], sourceFormat: 'raw', format: 'raw', noCreate: true };
  await convertImage(graph(), { ...request, target });
  const found = readFileSync(target);
  expect(found.length).toBe(100_352);
  expect(Buffer.compare(found.subarray(0, bytes.length), bytes)).toBe(0);
  expect(found.subarray(bytes.length).every((byte) => byte === 0)).toBe(true);
  await expect(convertImage(graph(), { ...request, target: short })).rejects.toThrow('output file is smaller than input file');
});

describe.skipIf(needs.skip)(needs.title('a backing file among the options of the target'), () => {
  test('is hidden where the source has zeroes, and needs a format', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('base'), Buffer.alloc(1 << 20, 5));
    await qemuImg('create', '-f', 'qcow2', dir.file('a'), '1M');
    await qemuIo(dir.file('a'), ['write -q -P 9 0 64k'], { format: 'qcow2' });
    const images = graph();
    const request = { sources: [dir.file('a')], target: dir.file('b'), format: 'qcow2' };
    await convertImage(images, { ...request, options: { backing_file: 'base', backing_fmt: 'raw' } });
    await expectSame(dir.file('a'), dir.file('b'));
    await expect(convertImage(images, { ...request, options: { backing_file: 'base' } })).rejects.toThrow(
      'Use of backing file requires explicit backing format',
    );
    await images.close();
  });
});

describe('a target that takes no more', () => {
  /** A file system of a few MiB would need a mount; a driver that refuses from an offset on does as well. */
  const full: BlockDriver = defineDriver({
    name: 'full',
    role: 'protocol',
    options: {},
    open: async () => ({
      size: SIZE,
      limits: NO_LIMITS,
      read: () => undefined,
      write: async (offset: number) => {
        await new Promise(setImmediate);
        if (offset >= 8 * 1024 * 1024) throw new BlockError('no-space', 'full', { code: 'ENOSPC' });
      },
      close: async () => undefined,
    }),
  });

  test.each([[1, false], [8, false], [16, true]])('%i lanes, out of order %s: the first error comes out', async (parallel, outOfOrder) => {
    using dir = tempDir();
    writeFileSync(dir.file('a'), Buffer.alloc(SIZE, 3));
    const drivers = new BlockGraph({ drivers: [file, hostDevice, raw, full] });
    const done = convertImage(drivers, { sources: [dir.file('a')], sourceFormat: 'raw', target: { driver: 'full' }, noCreate: true, parallel, outOfOrder });
    await expect(done).rejects.toThrow(/^error while writing at byte \d+: No space left on device$/);
    await drivers.close();
  });
});
