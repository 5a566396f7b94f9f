import { Backend, BlockGraph, ManualClock, type BlockError } from '@blk/core-graph';
import { MemoryDisks, runReadmeExample } from '@blk/driver-conformance';
import { UNLIMITED, type LimitName } from '@blk/throttle';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { throttle } from '../src/index.js';

const SECOND = 1e9;
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp(limits: Partial<Record<LimitName, number>>) {
  const clock = new ManualClock();
  const disks = new MemoryDisks();
  const graph = new BlockGraph({ drivers: [disks.driver, throttle], host: { clock } });
  graph.throttling.make('g', { ...UNLIMITED, ...limits });
  const open = (more: object = {}): Promise<Backend> =>
    graph.openBackend({ driver: 'throttle', 'throttle-group': 'g', discard: 'unmap', file: { ...disks.put('d', { size: 1 << 20 }).definition, discard: 'unmap' }, ...more });
  return { clock, graph, open };
}

describe('throttle', () => {
  it('does what the README shows', async () => {
    const disks = new MemoryDisks();
    disks.put('disk.img', { size: 8192 });
    const file = { ...disks.driver, name: 'file' };
    expect(await runReadmeExample(join(import.meta.dirname, '..'), { BlockGraph, Backend, file, throttle, UNLIMITED })).toEqual([[1]]);
  });

  it('lets reads, writes, zeroes and discards wait, of whatever buffers; not flushes', async () => {
    const { clock, open } = setUp({ 'iops-total': 1 });
    const disk = await open();
    const { root } = disk;
    expect(disk.read(0, new Uint8Array(512), 0, 512)).toBeUndefined();
    const bytes = new Uint8Array(512);
    const requests = [
      () => root.readv(0, [bytes, bytes]),
      () => disk.write(0, bytes, 0, 512),
      () => root.writev(0, [bytes]),
      () => disk.writeZeroes(0, 512),
      () => disk.discard(0, 512),
      () => disk.read(0, bytes, 0, 512),
    ];
    for (const request of requests) {
      let done = false;
      const waiting = Promise.resolve(request()).then(() => (done = true));
      await settled();
      expect(done).toBe(false);
      expect(disk.root.flush()).toBeUndefined();
      clock.advance(SECOND);
      await waiting;
    }
    await disk.close();
    expect(clock.pending).toBe(0);
  });

  it('shares the limits with every filter and device of the group', async () => {
    const { clock, graph, open } = setUp({ 'bps-total': 1e6 });
    const [a, b] = [await open(), await open()];
    const node = await graph.open({ driver: 'memory', disk: new MemoryDisks().put('x', { size: 1 << 20 }) });
    const c = Backend.over(graph, node, { name: 'drive0', writable: true });
    c.setThrottle({ ...UNLIMITED, 'bps-total': 1e6 }, 'g');
    const done = { a: 0, b: 0, c: 0 };
    const busy = async (disk: Backend, name: 'a' | 'b' | 'c'): Promise<void> => {
      while (clock.now() < 10 * SECOND) {
        await disk.read(0, new Uint8Array(4096), 0, 4096);
        done[name] += 4096;
        await settled();
      }
    };
    const all = [busy(a, 'a'), busy(a, 'a'), busy(b, 'b'), busy(c, 'c')];
    while (clock.now() < 10 * SECOND) {
      clock.advance(0.002 * SECOND);
      for (let turn = 0; turn < 3; turn++) await settled();
    }
    const sum = done.a + done.b + done.c;
    expect(Math.abs(sum / 1e7 - 1)).toBeLessThan(0.02);
    for (const bytes of Object.values(done)) expect(Math.abs(bytes / (sum / 3) - 1)).toBeLessThan(0.05);
    for (const disk of [a, b, c]) await disk.close();
    await Promise.allSettled(all);
    expect(graph.throttling.made('g')?.members).toEqual([]);
  });

  it('holds up neither a drained section above or around it, nor the end', async () => {
    const { clock, graph, open } = setUp({ 'iops-total': 1 });
    const disk = await open();
    const bytes = new Uint8Array(512);
    const ask = (): Promise<void> => Promise.resolve(disk.write(0, bytes, 0, 512));
    const first = [ask(), ask(), ask()];
    await graph.drained([disk.root], () => undefined);
    await Promise.all(first);
    const second = [ask(), ask()];
    await settled();
    expect(clock.pending).toBe(1);
    await disk.close();
    await Promise.all(second);
    expect(clock.pending).toBe(0);
  });

  it.each([
    [{ 'throttle-group': 'nope' }, "Throttle group 'nope' does not exist"],
    [{ 'throttle-group': undefined }, 'Please specify a throttle group'],
    [{ file: undefined }, 'A block device must be specified for "file"'],
    [{ foo: 1 }, "Block format 'throttle' does not support the option 'foo'"],
  ])('refuses %j: %s', async (options, text) => {
    const { graph, open } = setUp({});
    const error = await open(options).then(() => undefined, (thrown: BlockError) => thrown);
    expect(error?.message).toBe(text);
    expect([...graph.nodes]).toEqual([]);
  });

  it('does not take a group that only a device made', async () => {
    const { graph, open } = setUp({});
    const disk = await open();
    const device = Backend.over(graph, disk.root, { name: 'drive0' });
    device.setThrottle({ ...UNLIMITED, 'bps-total': 5 });
    await expect(open({ 'throttle-group': 'drive0' })).rejects.toThrow("Throttle group 'drive0' does not exist");
    await graph.close();
  });
});
