// The value of a disk's content against a plain computation of it, and trees of backing chains.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BlockGraph, UNTRUSTED } from '@blk/core-graph';
import { file } from '@blk/drivers-file';
import { nullCo } from '@blk/drivers-null';
import { qcow2 } from '@blk/drivers-qcow2';
import { raw } from '@blk/drivers-raw';
import { prng, tempDir } from '@blk/oracle';
import { chainTree, checksumImage, commitImage, convertImage, planCreation, type ChecksumOptions } from '../src/index.js';

const drivers = [file, nullCo, raw, qcow2];
const CHUNK = 1024 * 1024;

const sha = (...parts: Uint8Array[]): Buffer => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

/** As the documentation says, with every chunk looked at. */
function plain(bytes: Buffer): string {
  const size = Math.ceil(bytes.length / 512) * 512;
  let leaves = 1;
  while (leaves * CHUNK < size) leaves *= 2;
  const padded = Buffer.concat([bytes], leaves * CHUNK);
  let level = Array.from({ length: leaves }, (_, at) => sha(padded.subarray(at * CHUNK, (at + 1) * CHUNK)));
  while (level.length > 1) level = Array.from({ length: level.length / 2 }, (_, at) => sha(level[2 * at], level[2 * at + 1]));
  return sha(Buffer.from(`blk-checksum-1 ${size}\n`), level[0]).toString('hex');
}

async function value(graph: BlockGraph, name: string, format: string, options: ChecksumOptions = {}): Promise<string> {
  const node = await graph.open(name, { format, readOnly: true });
  try {
    return (await checksumImage(node, options)).value;
  } finally {
    await graph.release(node);
  }
}

test.each([0, 1, 512, 70_001, CHUNK, CHUNK + 1, 5 * CHUNK + 700])('a disk of %i bytes has the same value in every format, which is the documented one', async (size) => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  const bytes = Buffer.alloc(size);
  const random = prng(size);
  random.fill(bytes.subarray(0, Math.min(size, 1000)));
  random.fill(bytes.subarray(Math.floor(size * 0.7), Math.floor(size * 0.71)));
  if (size > 0) bytes[size - 1] = 1;
  writeFileSync(dir.file('raw'), bytes);
  await convertImage(graph, { sources: [dir.file('raw')], sourceFormat: 'raw', target: dir.file('qcow2'), format: 'qcow2', options: { cluster_size: 4096 } });
  await convertImage(graph, { sources: [dir.file('raw')], sourceFormat: 'raw', target: dir.file('packed'), format: 'qcow2', compress: true });
  await convertImage(graph, { sources: [dir.file('raw')], sourceFormat: 'raw', target: dir.file('full'), format: 'raw', sparse: 0 });
  const expected = plain(bytes);
  for (const [name, format] of [['raw', 'raw'], ['qcow2', 'qcow2'], ['packed', 'qcow2'], ['full', 'raw']]) {
    expect([name, await value(graph, dir.file(name), format)]).toEqual([name, expected]);
  }
  if (size < 70_000) return;
  expect(await value(graph, dir.file('qcow2'), 'qcow2', { start: 1024, length: 66_560 })).toBe(plain(bytes.subarray(1024, 1024 + 66_560)));
});

test('zeroes are not read: an empty petabyte, which else would take days', async () => {
  const graph = new BlockGraph({ drivers });
  const node = await graph.open({ driver: 'null-co', size: 2 ** 50, 'read-zeroes': true }, { readOnly: true });
  expect(await checksumImage(node)).toMatchObject({ algorithm: 'blk-checksum-1', size: 2 ** 50, read: 0 });
  await graph.close();
});

test('a commit that is called off leaves the overlay as it reads', async () => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  await (await planCreation(graph, dir.file('base'), { format: 'raw', size: 8 * CHUNK })).run();
  await (await planCreation(graph, dir.file('top'), { format: 'qcow2', backing: 'base', backingFormat: 'raw' })).run();
  const backend = await graph.openBackend(dir.file('top'), { format: 'qcow2' });
  await backend.write(0, Buffer.alloc(6 * CHUNK, 0x5a), 0, 6 * CHUNK);
  await backend.close();
  const before = await value(graph, dir.file('top'), 'qcow2');
  const stop = new AbortController();
  const progress = (done: number): void => {
    if (done > 0) stop.abort();
  };
  await expect(commitImage(graph, dir.file('top'), { format: 'qcow2', signal: stop.signal, progress })).rejects.toThrow();
  expect(await value(graph, dir.file('top'), 'qcow2')).toBe(before);
  expect([...graph.nodes]).toEqual([]);
  await commitImage(graph, dir.file('top'), { format: 'qcow2' });
  expect(await value(graph, dir.file('top'), 'qcow2')).toBe(before);
  expect(await value(graph, dir.file('base'), 'raw')).toBe(before);
  expect(await chainTree(graph, [dir.file('top')])).toMatchObject([{ allocated: 8 * CHUNK, overlays: [{ allocated: 0 }] }]);
});

test('chains that share images, break off, and come back to themselves', async () => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  const create = async (name: string, backing?: string, unsafe = false): Promise<void> => {
    const below = backing === undefined ? { size: 2 * CHUNK } : { backing, backingFormat: 'qcow2', ...(unsafe ? { size: CHUNK } : {}) };
    await (await planCreation(graph, dir.file(name), { format: 'qcow2', unsafe, ...below })).run();
  };
  await create('base');
  await create('mid', 'base');
  await create('a', 'mid');
  await create('b', 'base');
  await create('lost', 'none', true);
  await create('loop', 'loop', true);
  const shape = (trees: readonly { filename: string; depth: number; overlays: readonly never[] }[]): unknown =>
    trees.map(({ filename, depth, overlays }) => [filename.slice(filename.lastIndexOf('/') + 1), depth, shape(overlays)]);
  const names = ['a', 'b', 'mid'].map((name) => dir.file(name));
  expect(shape((await chainTree(graph, names)) as never)).toEqual([['base', 0, [['mid', 1, [['a', 2, []]]], ['b', 1, []]]]]);
  expect(await chainTree(graph, [dir.file('lost')])).toMatchObject([{ error: expect.stringContaining('No such file') as unknown, overlays: [{ depth: 1, virtualSize: CHUNK }] }]);
  expect(await chainTree(graph, [dir.file('loop')])).toMatchObject([{ error: expect.stringContaining('infinite loop') as unknown, overlays: [{ depth: 1 }] }]);
  const careful = new BlockGraph({ drivers, policy: UNTRUSTED });
  expect(await chainTree(careful, [dir.file('a')], { format: 'qcow2' })).toMatchObject([{ error: expect.stringContaining('policy') as unknown }]);
});
