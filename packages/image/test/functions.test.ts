// info, map, compare and resize as functions; what they print is compared with the reference by the program's tests.
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BlockGraph, UNTRUSTED } from '@blk/core-graph';
import { file, hostDevice } from '@blk/drivers-file';
import { nullCo } from '@blk/drivers-null';
import { qcow2 } from '@blk/drivers-qcow2';
import { raw } from '@blk/drivers-raw';
import { qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import {
  chainInfo, checkImage, compareImages, convertImage, imageInfo, mapImage, openSource, parseSizeOption, planCreation, resizeImage, splitOptions, type MapEntry,
} from '../src/index.js';

const drivers = [file, hostDevice, nullCo, raw, qcow2];

test('an image that could not be made leaves no file, and nothing else than before', async () => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  const make = (name: string): Promise<unknown> => graph.create(dir.file(name), { format: 'qcow2', size: 1024 * 1024, options: { cluster_size: 3072 } });
  await expect(make('a')).rejects.toThrow('Cluster size must be a power of two');
  expect(existsSync(dir.file('a'))).toBe(false);
  writeFileSync(dir.file('b'), 'there before');
  symlinkSync(dir.file('b'), dir.file('link'));
  await expect(make('link')).rejects.toThrow('Cluster size must be a power of two');
  expect(readFileSync(dir.file('link'), 'utf8')).toBe('there before');
});

describe('what the README shows', () => {
  test('a raw disk is packed, described and compared', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('disk.raw'), Buffer.alloc(1024 * 1024, 7));
    const graph = new BlockGraph({ drivers });
    await convertImage(graph, { sources: [dir.file('disk.raw')], sourceFormat: 'raw', target: dir.file('disk.qcow2'), format: 'qcow2', compress: true });
    const info = await imageInfo(graph, dir.file('disk.qcow2'));
    expect(info).toMatchObject({ format: 'qcow2', 'virtual-size': 1024 * 1024, 'cluster-size': 65536, 'dirty-flag': false });
    expect(await checkImage(graph, dir.file('disk.qcow2'))).toMatchObject({ 'check-errors': 0, 'compressed-clusters': 16, 'allocated-clusters': 16, 'total-clusters': 16 });
    const [a, b] = [await openSource(graph, dir.file('disk.raw'), { format: 'raw', readOnly: true }), await graph.open(dir.file('disk.qcow2'), { readOnly: true })];
    expect(await compareImages(graph, a, b)).toEqual({ equal: true, sizesDiffer: false });
    const entries: MapEntry[] = [];
    for await (const entry of mapImage(b)) entries.push(entry);
    expect(entries).toEqual([{ start: 0, length: 1024 * 1024, depth: 0, present: true, zero: false, data: true, compressed: true }]);
    await graph.close();
  });
});

test('a backing chain that comes back to itself ends in an error', async () => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  for (const [name, backing] of [['a', 'b'], ['b', 'a']]) {
    await (await planCreation(graph, dir.file(name), { format: 'qcow2', size: 65536, backing, backingFormat: 'qcow2', unsafe: true })).run();
  }
  await expect(chainInfo(graph, dir.file('a'))).rejects.toThrow(`Backing file '${dir.file('a')}' creates an infinite loop.`);
});

test('images that nobody vouches for pull in no other file, and their format is not guessed', async () => {
  using dir = tempDir();
  const trusting = new BlockGraph({ drivers });
  await (await planCreation(trusting, dir.file('base'), { format: 'raw', size: 65536 })).run();
  await (await planCreation(trusting, dir.file('top'), { format: 'qcow2', backing: 'base', backingFormat: 'raw' })).run();
  const graph = new BlockGraph({ drivers, policy: UNTRUSTED });
  await expect(imageInfo(graph, dir.file('top'))).rejects.toThrow(/has to be named/);
  expect(await imageInfo(graph, dir.file('top'), { format: 'qcow2' })).toMatchObject({ 'backing-filename': 'base' });
  await expect(chainInfo(graph, dir.file('top'), { format: 'qcow2' })).rejects.toThrow(/policy/);
});

test('the first sector that differs is found, behind the end of the shorter image too', async () => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  const bytes = Buffer.alloc(700_000, 5);
  const other = Buffer.concat([bytes, Buffer.alloc(100_000)]);
  writeFileSync(dir.file('a'), bytes);
  const difference = async (at: number): Promise<unknown> => {
    const changed = Buffer.from(other);
    if (at >= 0) changed[at] ^= 1;
    writeFileSync(dir.file('b'), changed);
    const nodes = await Promise.all(['a', 'b'].map((name) => graph.open(dir.file(name), { format: 'raw', readOnly: true })));
    const result = await compareImages(graph, nodes[0], nodes[1]);
    for (const node of nodes) await graph.release(node);
    return result.equal ? 'equal' : 'offset' in result ? result.offset : result.reason;
  };
  expect(await difference(-1)).toBe('equal');
  for (const at of [0, 511, 512, 262_143, 262_144, 699_999, 750_000]) {
    const found = (await difference(at)) as number;
    expect(found).toBeLessThanOrEqual(at);
    expect(at - found).toBeLessThan(512);
  }
});

test('a size changes by difference, and shrinks only when that is meant', async () => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  await (await planCreation(graph, dir.file('d'), { format: 'qcow2', size: 1024 * 1024 })).run();
  expect(await resizeImage(graph, dir.file('d'), { size: 65536, relative: 'grow' })).toBe(1024 * 1024 + 65536);
  await expect(resizeImage(graph, dir.file('d'), { size: 65536 })).rejects.toThrow('Use the --shrink option');
  expect(await resizeImage(graph, dir.file('d'), { size: 65536, shrink: true })).toBe(65536);
  await expect(resizeImage(graph, dir.file('d'), { size: 65536, relative: 'shrink' })).rejects.toThrow('must be positive');
});

test('option texts: doubled commas, sizes with suffixes', () => {
  expect(splitOptions('a=1,b=x,,y,c')).toEqual([['a', '1'], ['b', 'x,y'], ['c', undefined]]);
  for (const bad of ['', ',', 'a=1,', ',a']) expect(() => splitOptions(bad)).toThrow('Invalid option list');
  expect(parseSizeOption('size', '1.5k')).toBe(1536);
  expect(parseSizeOption('size', '0x10')).toBe(16);
  for (const bad of ['', 'k', '-1', '1x', '1kb']) expect(() => parseSizeOption('size', bad)).toThrow('expects a non-negative number');
});

const needs = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(needs.skip)(needs.title('comparing as the reference does'), () => {
  test.each([
    { name: 'the rest of a last sector', strict: false },
    { name: 'packed and plain clusters', strict: true },
    { name: 'zeroes behind a shorter backing file, and zeroes that are kept', strict: true },
  ])('$name', async ({ name, strict }) => {
    using dir = tempDir();
    const [a, b] = [dir.file('a'), dir.file('b')];
    let formats = ['qcow2', 'qcow2'];
    if (!strict) {
      formats = ['raw', 'raw'];
      writeFileSync(a, Buffer.alloc(3000, 1));
      writeFileSync(b, Buffer.concat([Buffer.alloc(3000, 1), Buffer.alloc(300), Buffer.alloc(2000, 3)]));
    } else if (name.startsWith('packed')) {
      writeFileSync(dir.file('base'), Buffer.alloc(65536, 5));
      await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', dir.file('base'), a);
      await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-c', dir.file('base'), b);
    } else {
      writeFileSync(dir.file('base'), Buffer.alloc(65536, 5));
      await qemuImg('create', '-q', '-f', 'qcow2', '-b', dir.file('base'), '-F', 'raw', a, '128k');
      await qemuImg('create', '-q', '-f', 'qcow2', '-b', dir.file('base'), '-F', 'raw', b, '128k');
      await qemuIo(b, ['write -q -z 64k 64k'], { format: 'qcow2' });
    }
    const theirs = await qemuImg('compare', ...(strict ? ['-s'] : []), '-f', formats[0], '-F', formats[1], a, b);
    const graph = new BlockGraph({ drivers });
    const nodes = [await openSource(graph, a, { format: formats[0], readOnly: true }), await openSource(graph, b, { format: formats[1], readOnly: true })];
    const ours = await compareImages(graph, nodes[0], nodes[1], { strict });
    expect(ours.equal).toBe(theirs.code === 0);
    const at = /offset (\d+)/i.exec(theirs.stdout)?.[1];
    if (at !== undefined) expect(ours).toMatchObject({ offset: Number(at) });
    await graph.close();
  });
});
