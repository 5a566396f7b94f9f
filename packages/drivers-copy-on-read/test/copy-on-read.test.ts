import { BlockGraph, openImage, type Backend, type BlockNode } from '@blk/core-graph';
import { MemoryDisks } from '@blk/driver-conformance';
import { createImage, qemuImg, qemuIo, run, skipUnless, tempDir } from '@blk/oracle';
import { file } from '@blk/drivers-file';
import { qcow2 } from '@blk/drivers-qcow2';
import { throttle } from '@blk/drivers-throttle';
import { UNLIMITED } from '@blk/throttle';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyOnRead } from '../src/index.js';

const CLUSTER = 65536;
const SIZE = 16 * CLUSTER;

/** The chain `top` over `middle` over `base`: base holds ones, middle twos in its third and fourth cluster. */
async function chain() {
  const disks = new MemoryDisks();
  const graph = new BlockGraph({ drivers: [disks.driver, qcow2, copyOnRead, throttle] });
  graph.throttling.make('g', UNLIMITED);
  for (const name of ['base', 'middle', 'top']) await graph.create(`memory:${name}`, { format: 'qcow2', size: SIZE });
  const fill = async (name: string, value: number, offset: number, length: number): Promise<void> => {
    const backend = await graph.openBackend({ driver: 'qcow2', file: disks.get(name).definition, backing: null });
    await backend.write(offset, new Uint8Array(length).fill(value), 0, length);
    await backend.close();
  };
  await fill('base', 1, 0, SIZE);
  await fill('middle', 2, 2 * CLUSTER, 2 * CLUSTER);
  const image = (name: string, backing: object | string | null) => ({ driver: 'qcow2', 'node-name': name, file: disks.get(name).definition, backing });
  return { graph, image, whole: image('top', image('middle', image('base', null))) };
}

/** Which clusters the node itself holds. */
async function held(node: BlockNode): Promise<number[]> {
  const clusters: number[] = [];
  for (let at = 0; at < SIZE / CLUSTER; at++) if ((await node.extent(at * CLUSTER, CLUSTER)).allocated) clusters.push(at);
  return clusters;
}

async function read(disk: Backend, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await disk.read(offset, bytes, 0, length);
  return bytes;
}

describe('copy-on-read', () => {
  it('is what the README shows', () => {
    const text = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
    expect(text).toContain("graph.openBackend({ driver: 'copy-on-read', file: overlay })");
  });

  it('stores whole clusters of what is read, once, and reads the same', async () => {
    const { graph, whole } = await chain();
    const disk = await graph.openBackend({ driver: 'copy-on-read', file: whole });
    expect(await held(graph.node('top'))).toEqual([]);
    expect([...(await read(disk, 2 * CLUSTER - 10, 20))]).toEqual([...Array<number>(10).fill(1), ...Array<number>(10).fill(2)]);
    expect(await held(graph.node('top'))).toEqual([1, 2]);
    await disk.root.readv(5 * CLUSTER, [new Uint8Array(100), new Uint8Array(CLUSTER)]);
    expect(await held(graph.node('top'))).toEqual([1, 2, 5, 6]);
    await disk.write(7 * CLUSTER, Uint8Array.of(9), 0, 1);
    expect((await read(disk, 7 * CLUSTER, 2)).join()).toBe('9,1');
    expect(await held(graph.node('top'))).toEqual([1, 2, 5, 6, 7]);
    await graph.close();
  });

  it('copies nothing from below the bottom, and keeps the chain down to it', async () => {
    const { graph, whole } = await chain();
    const disk = await graph.openBackend({ driver: 'copy-on-read', bottom: 'middle', file: whole });
    expect((await read(disk, 0, SIZE)).filter((byte) => byte === 2)).toHaveLength(2 * CLUSTER);
    expect(await held(graph.node('top'))).toEqual([2, 3]);
    const link = graph.node('top').backing;
    expect([link?.frozen, graph.node('middle').backing?.frozen]).toEqual([true, false]);
    await disk.close();
    expect(link?.frozen).toBe(false);
  });

  it('finds the bottom behind a filter, and takes the image itself for one', async () => {
    const { graph, image } = await chain();
    const filtered = { driver: 'throttle', 'node-name': 'filter', 'throttle-group': 'g', file: image('middle', image('base', null)) };
    const disk = await graph.openBackend({ driver: 'copy-on-read', bottom: 'middle', file: image('top', filtered) });
    await read(disk, 0, SIZE);
    expect(await held(graph.node('top'))).toEqual([2, 3]);
    await disk.close();
    const own = await graph.openBackend({ driver: 'copy-on-read', bottom: 'top', file: image('top', image('middle', image('base', null))) });
    expect((await read(own, 0, SIZE))[0]).toBe(1);
    expect(await held(graph.node('top'))).toEqual([2, 3]);
    await graph.close();
  });

  it('says that it writes: nobody may object', async () => {
    const { graph, whole } = await chain();
    const disk = await graph.openBackend({ driver: 'copy-on-read', file: whole }, { shared: 0, writable: false });
    expect(graph.node('top').parents.values().next().value?.access.permissions).toBe(1 | 4);
    await disk.close();
  });

  it.each([
    [{ bottom: 'nope' }, "Bottom node 'nope' not found"],
    [{ bottom: '' }, "Bottom node '' not found"],
    [{ bottom: 'filter' }, "Bottom node 'filter' is a filter"],
    [{ foo: 1 }, "Block format 'copy-on-read' does not support the option 'foo'"],
    [{ file: undefined }, 'A block device must be specified for "file"'],
  ])('refuses %j: %s', async (options, text) => {
    const { graph, image } = await chain();
    const filtered = { driver: 'throttle', 'node-name': 'filter', 'throttle-group': 'g', file: image('middle', null) };
    await expect(graph.open({ driver: 'copy-on-read', file: image('top', filtered), ...options })).rejects.toThrow(text);
    expect([...graph.nodes]).toEqual([]);
  });

  it('refuses an image that cannot be written; opened read-only it copies nothing', async () => {
    const { graph, whole } = await chain();
    await expect(graph.open({ driver: 'copy-on-read', file: { ...whole, 'read-only': true } })).rejects.toThrow('Block node is read-only');
    const disk = await graph.openBackend({ driver: 'copy-on-read', 'read-only': true, file: whole });
    expect((await read(disk, 2 * CLUSTER, 1))[0]).toBe(2);
    expect(await held(graph.node('top'))).toEqual([]);
    await graph.close();
  });
});

const tools = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(tools.skip)(tools.title('beside the reference'), () => {
  it('leaves the overlay with the same clusters, down to a bottom', async () => {
    const maps: string[] = [];
    for (const ours of [true, false]) {
      using dir = tempDir();
      const path = (name: string): string => dir.file(name);
      await createImage(path('base'), 'qcow2', String(SIZE));
      await qemuIo(path('base'), ['write -P 1 0 1M'], { format: 'qcow2' });
      for (const [name, below] of [['middle', 'base'], ['top', 'middle']]) await qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', path(below), path(name));
      await qemuIo(path('middle'), ['write -P 2 128k 128k', 'write -P 3 600k 1k'], { format: 'qcow2' });
      const definition = { driver: 'copy-on-read', bottom: 'middle', file: { driver: 'qcow2', file: { driver: 'file', filename: path('top') }, backing: { 'node-name': 'middle' } } };
      if (ours) {
        await using image = await openImage(definition, { drivers: [file, qcow2, copyOnRead], writable: true });
        await image.read(100_000, 600_000);
      } else {
        expect(await run('qemu-io', ['-c', 'read 100000 600000', `json:${JSON.stringify(definition)}`])).toMatchObject({ code: 0 });
      }
      maps.push((await qemuImg('map', '--output=json', path('top'))).stdout.replaceAll(dir.path, ''));
      expect((await qemuImg('check', path('top'))).stdout).toContain('No errors');
    }
    const shape = (text: string): unknown => (JSON.parse(text) as { start: number; length: number; depth: number }[]).map(({ start, length, depth }) => ({ start, length, depth }));
    expect(shape(maps[0])).toEqual(shape(maps[1]));
  });
});
