/** Every event, shown to come from where it happens: a request stops there, and what it does next is looked at. */
import { DEBUG_EVENTS, WriteFlag, type BlockNode, type DebugEvent, type Definition } from '@blk/core-graph';
import { prng } from '@blk/driver-conformance';
import { describe, expect, it } from 'vitest';
import { Bench, pointsOf, watch, write } from './support.js';

interface Scene {
  /** Options of creation; clusters are of 512 bytes, so that tables are short. */
  readonly create?: Record<string, unknown>;
  readonly rules?: Definition;
  readonly options?: Definition;
  readonly size?: number;
  /** What is there already when the image is opened. */
  readonly before?: (node: BlockNode) => Promise<void>;
  /** What makes the event happen. */
  readonly act: (node: BlockNode) => Promise<unknown>;
  /** What the disk is asked for first, when the request goes on; `none`: nothing. */
  readonly next: 'read' | 'write' | 'flush' | 'any';
  /** How large that request is, where that tells it from others. */
  readonly length?: number;
}

const CLUSTER = 512;
const flush = async (node: BlockNode): Promise<void> => { await node.flush(); };
const read = async (node: BlockNode, offset: number, length: number): Promise<void> => { await node.read(offset, new Uint8Array(length), 0, length); };
const packed = async (node: BlockNode): Promise<void> => { await node.write(0, new Uint8Array(CLUSTER).fill(7), 0, CLUSTER, WriteFlag.Compressed); };
const stateOf = (node: BlockNode): Required<Pick<BlockNode['driver'], 'readVmState' | 'writeVmState' | 'empty' | 'snapshots'>> =>
  node.driver as Required<Pick<BlockNode['driver'], 'readVmState' | 'writeVmState' | 'empty' | 'snapshots'>>;
const snapshot = (node: BlockNode): Promise<unknown> => stateOf(node).snapshots.create({ name: 's', dateSec: 0, dateNsec: 0 });
const many = async (node: BlockNode): Promise<void> => { await write(node, 0, node.size); };
const rmw = { rules: { align: 4096 }, options: { driver: 'raw' } };

const SCENES: Record<DebugEvent, Scene> = {
  l1_update: { before: (node) => write(node, 0, 512), act: (node) => write(node, 100_000, 512).then(() => flush(node)), next: 'write', length: 8 },
  l1_grow_alloc_table: { act: (node) => node.truncate(8 << 20), next: 'any' },
  l1_grow_write_table: { act: (node) => node.truncate(8 << 20), next: 'write' },
  l1_grow_activate_table: { act: (node) => node.truncate(8 << 20), next: 'write' },
  l2_load: { before: (node) => write(node, 0, 512), act: (node) => read(node, 0, 512), next: 'read', length: CLUSTER },
  l2_update: { act: (node) => write(node, 0, 512).then(() => flush(node)), next: 'write' },
  l2_update_compressed: { act: packed, next: 'any' },
  l2_alloc_cow_read: { before: async (node) => { await write(node, 0, 512); await flush(node); await snapshot(node); }, act: (node) => write(node, 0, 512), next: 'read', length: CLUSTER },
  l2_alloc_write: { act: (node) => write(node, 0, 512), next: 'write', length: CLUSTER },
  read_aio: { before: (node) => write(node, 0, 512), act: (node) => read(node, 10, 100), next: 'read', length: 100 },
  read_backing_aio: { options: { backing: { driver: 'memory', filename: 'memory:base' } }, act: (node) => read(node, 0, 512), next: 'any' },
  read_compressed: { before: packed, act: (node) => read(node, 0, 512), next: 'read' },
  write_aio: { act: (node) => write(node, 0, 512), next: 'write', length: 512 },
  write_compressed: { act: packed, next: 'write' },
  vmstate_load: { act: async (node) => { await stateOf(node).readVmState(0, new Uint8Array(512), 0, 512); }, next: 'any' },
  vmstate_save: { act: async (node) => { await stateOf(node).writeVmState(0, new Uint8Array(512), 0, 512); }, next: 'any' },
  cow_read: { before: async (node) => { await write(node, 0, 512); await snapshot(node); }, act: (node) => write(node, 100, 100), next: 'read', length: 100 },
  cow_write: { before: async (node) => { await write(node, 0, 512); await snapshot(node); }, act: (node) => write(node, 100, 100), next: 'write', length: CLUSTER },
  reftable_load: { act: (node) => node.flush() as Promise<void>, next: 'read' },
  reftable_grow: { size: 3 << 20, create: { refcount_bits: 64 }, act: many, next: 'write' },
  reftable_update: { create: { refcount_bits: 64 }, act: (node) => many(node).then(() => flush(node)), next: 'write' },
  refblock_load: { act: (node) => write(node, 0, 512), next: 'read', length: CLUSTER },
  refblock_update: { create: { refcount_bits: 64 }, act: (node) => many(node).then(() => flush(node)), next: 'write' },
  refblock_update_part: { create: { cluster_size: 4096 }, act: (node) => write(node, 0, 512).then(() => flush(node)), next: 'write', length: 512 },
  refblock_alloc: { act: (node) => write(node, 0, 512), next: 'read', length: CLUSTER },
  refblock_alloc_hookup: { create: { refcount_bits: 64 }, act: (node) => many(node).then(() => flush(node)), next: 'write' },
  refblock_alloc_write: { create: { refcount_bits: 64 }, act: many, next: 'write', length: CLUSTER },
  refblock_alloc_write_blocks: { size: 3 << 20, create: { refcount_bits: 64 }, act: many, next: 'write' },
  refblock_alloc_write_table: { size: 3 << 20, create: { refcount_bits: 64 }, act: (node) => many(node).then(() => flush(node)), next: 'write' },
  refblock_alloc_switch_table: { size: 3 << 20, create: { refcount_bits: 64 }, act: (node) => many(node).then(() => flush(node)), next: 'write' },
  cluster_alloc: { act: (node) => write(node, 0, 512), next: 'any' },
  cluster_alloc_bytes: { act: packed, next: 'any' },
  cluster_free: { before: (node) => write(node, 0, 512), act: async (node) => { await node.discard(0, 512); await flush(node); }, next: 'any' },
  flush_to_os: { options: { driver: 'raw' }, act: (node) => write(node, 0, 512).then(() => flush(node)), next: 'flush' },
  flush_to_disk: { options: { driver: 'raw' }, act: (node) => write(node, 0, 512).then(() => flush(node)), next: 'flush' },
  pwritev_rmw_head: { ...rmw, act: (node) => write(node, 512, 512), next: 'read' },
  pwritev_rmw_after_head: { ...rmw, act: (node) => write(node, 512, 512), next: 'write', length: 4096 },
  pwritev_rmw_tail: { ...rmw, act: (node) => write(node, 0, 512), next: 'read' },
  pwritev_rmw_after_tail: { ...rmw, act: (node) => write(node, 0, 512), next: 'write', length: 4096 },
  pwritev: { options: { driver: 'raw' }, act: (node) => write(node, 0, 512), next: 'write', length: 512 },
  pwritev_zero: { options: { driver: 'raw' }, act: async (node) => { await node.writeZeroes(0, 512); }, next: 'any' },
  pwritev_done: { options: { driver: 'raw' }, act: async (node) => { await write(node, 0, 512); await flush(node); }, next: 'flush' },
  empty_image_prepare: { before: (node) => write(node, 0, 512), act: (node) => stateOf(node).empty(), next: 'any' },
  cor_write: { act: (node) => read(node, 0, 512), next: 'write' },
};

describe('events', () => {
  it.each(DEBUG_EVENTS.filter((event) => event !== 'cor_write' && event !== 'reftable_load'))('%s comes from where it happens', async (event) => {
    const { create = {}, rules = {}, options = {}, size = 1 << 20, before, act, next, length } = SCENES[event];
    const bench = new Bench();
    bench.disks.put('base', { content: prng(1).bytes(size) });
    const disk = await bench.create(size, { cluster_size: CLUSTER, ...create });
    if (before !== undefined) {
      const node = await bench.open(disk, rules, options);
      await before(node);
      await bench.graph.release(node);
    }
    const node = await bench.open(disk, rules, options);
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

  it('reftable_load comes when an image is opened', async () => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20);
    await expect(bench.open(disk, { 'inject-error': [{ event: 'reftable_load', errno: 28, once: true, immediately: true }] })).rejects.toMatchObject({
      kind: 'no-space',
    });
    await bench.graph.close();
  });

  it('cor_write comes from the node that copies', async () => {
    const bench = new Bench();
    bench.disks.put('base', { content: prng(1).bytes(4096) });
    const disk = await bench.create(4096);
    // A filter over an image that leaves everything to its backing file.
    const node = await bench.graph.open({
      driver: 'blkdebug',
      'copy-on-read': true,
      image: { driver: 'qcow2', file: disk.definition, backing: { driver: 'memory', filename: 'memory:base' } },
    });
    await pointsOf(node).set('cor_write', 'here');
    const reading = read(node, 0, 512);
    await pointsOf(node).suspended('here');
    const seen = watch(disk);
    await pointsOf(node).resume('here');
    await reading;
    expect(seen.some(({ verb }) => verb === 'write')).toBe(true);
    await bench.graph.close();
  });

  it('names of the schema of 2.4, with dots, mean the same', async () => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20, { cluster_size: CLUSTER });
    const node = await bench.open(disk, { 'inject-error': [{ event: 'l1_grow.write_table', errno: 28 }] });
    await expect(node.truncate(8 << 20)).rejects.toMatchObject({ kind: 'no-space' });
    await bench.graph.close().catch(() => undefined);
  });
});

describe('requests that have stopped', () => {
  it('go on when the image is closed, whatever they stopped at', async () => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20, { cluster_size: CLUSTER });
    const node = await bench.open(disk);
    const points = pointsOf(node);
    await points.set('write_aio', 'a');
    await points.set('cluster_alloc', 'b');
    const writing = [write(node, 0, 512, 1), write(node, 100_000, 512, 2)];
    await points.suspended('b');
    await bench.graph.release(node);
    await Promise.all(writing);
    const again = await bench.open(disk);
    const bytes = new Uint8Array(512);
    await again.read(100_000, bytes, 0, 512);
    expect(bytes).toEqual(new Uint8Array(512).fill(2));
    await bench.graph.close();
  });

  it('hold up nobody else, and are not lost by a flush, a discard or other requests meanwhile', async () => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20);
    const node = await bench.open(disk);
    await write(node, 0, 512, 9);
    const points = pointsOf(node);
    const writing: Promise<void>[] = [];
    for (const tag of ['a', 'b', 'c']) {
      await points.set('write_aio', tag);
      writing.push(write(node, writing.length * 65_536, 1024, writing.length + 1));
      await points.suspended(tag);
    }
    await node.flush();
    await node.discard(524_288, 65_536);
    await write(node, 262_144, 512, 7);
    for (const tag of ['b', 'c', 'a']) await points.resume(tag);
    await Promise.all(writing);
    for (const [offset, value] of [[0, 1], [65_536, 2], [131_072, 3], [262_144, 7]]) {
      const bytes = new Uint8Array(512);
      await node.read(offset, bytes, 0, 512);
      expect(bytes).toEqual(new Uint8Array(512).fill(value));
    }
    await bench.graph.close();
  });
});
