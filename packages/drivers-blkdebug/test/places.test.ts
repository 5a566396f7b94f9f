/** Events of the formats beside qcow2, shown to come from where they happen: a request stops there, and what it does next is looked at. */
import { WriteFlag, type BlockNode, type DebugEvent } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { Bench, pointsOf, watch, write } from './support.js';

const SIZE = 8 << 20;
const CLUSTER = 65_536;

interface Scene {
  readonly act: (node: BlockNode) => Promise<unknown>;
  /** What the disk is asked for first, when the request goes on; `any`: of anything, or of nothing. */
  readonly next: 'read' | 'write' | 'any';
  readonly length?: number;
}

const read = async (node: BlockNode, offset: number, length: number): Promise<void> => { await node.read(offset, new Uint8Array(length), 0, length); };
const pack = async (node: BlockNode, length: number): Promise<void> => { await node.write(0, new Uint8Array(length).fill(7), 0, length, WriteFlag.Compressed); };
const stored = async (node: BlockNode, offset: number, length: number): Promise<void> => { await write(node, offset, length); await node.flush(); };

/** The first cluster has data, the rest comes from below. */
const COMMON: Partial<Record<DebugEvent, Scene>> = {
  l2_load: { act: (node) => read(node, 0, 512), next: 'read' },
  l2_update: { act: (node) => stored(node, 2 * CLUSTER, CLUSTER), next: 'write', length: 512 },
  read_aio: { act: (node) => read(node, 512, 100), next: 'read', length: 100 },
  read_backing_aio: { act: (node) => read(node, CLUSTER, 512), next: 'any' },
  write_aio: { act: (node) => write(node, 512, 1024), next: 'write', length: 1024 },
};

const FORMATS: readonly (readonly [format: string, options: object, scenes: Partial<Record<DebugEvent, Scene>>])[] = [
  ['qcow', {}, {
    ...COMMON,
    l1_update: { act: (node) => stored(node, 6 << 20, 4096), next: 'write', length: 32 },
    cluster_alloc: { act: (node) => write(node, 2 * CLUSTER, 4096), next: 'write', length: 4096 },
    write_compressed: { act: (node) => pack(node, 4096), next: 'write' },
    l2_update_compressed: { act: (node) => pack(node, 4096).then(() => node.flush()), next: 'any' },
    read_compressed: { act: (node) => pack(node, 4096).then(() => read(node, 0, 512)), next: 'read' },
  }],
  ['qed', { cluster_size: 4096, table_size: 2 }, {
    ...COMMON,
    l1_update: { act: (node) => stored(node, 6 << 20, 4096), next: 'write', length: 16 },
    cow_write: { act: (node) => write(node, 2 * CLUSTER + 100, 100), next: 'write' },
  }],
  ['vmdk', {}, {
    ...COMMON,
    cow_read: { act: (node) => write(node, 2 * CLUSTER + 100, 100), next: 'any' },
    cow_write: { act: (node) => write(node, 2 * CLUSTER + 100, 100), next: 'write' },
  }],
  ['vmdk', { subformat: 'streamOptimized' }, {
    read_compressed: { act: (node) => read(node, 0, 512), next: 'read' },
    write_compressed: { act: (node) => write(node, 2 * CLUSTER, CLUSTER), next: 'write' },
  }],
];

const scenes = FORMATS.flatMap(([format, options, all]) => Object.entries(all).map(([event, scene]) => [format, event, options, scene] as const));

describe('events', () => {
  it.each(scenes)('%s: %s', async (format, event, options, { act, next, length }) => {
    const bench = new Bench();
    bench.disks.put('base', { content: new Uint8Array(SIZE).fill(3) });
    const disk = await bench.create(SIZE, { ...options }, format);
    const backing = { driver: 'memory', filename: 'memory:base' };
    const before = await bench.open(disk, {}, { driver: format, backing });
    await write(before, 0, CLUSTER);
    await bench.graph.release(before);
    const node = await bench.open(disk, {}, { driver: format, backing });
    await pointsOf(node).set(event, 'here');
    const seen = watch(disk);
    const acting = act(node);
    await Promise.race([pointsOf(node).suspended('here'), acting.then(() => { throw new Error(`${event} did not happen`); })]);
    const already = seen.length;
    await pointsOf(node).resume('here');
    await acting;
    const after = seen[already] as (typeof seen)[number] | undefined;
    if (next !== 'any') expect(after?.verb).toBe(next);
    if (length !== undefined) expect(after?.length).toBe(length);
    await bench.graph.close();
  });
});
