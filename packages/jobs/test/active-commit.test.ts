/** Commit of the image that a guest writes to: ready, the switch to the base, and every other end. */
import { Backend, BlockError, type BlockNode } from '@blk/core-graph';
import { findTool, qemuImg, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { startActiveCommit, type Job } from '../src/index.js';
import { contentOf, expectSame, Guest } from './guest.js';
import { Pace, Random, slow } from './slow.js';
import { rig, turns, type Rig } from './support.js';

const SIZE = 1024 * 1024 + 512 * 3;

interface Bench extends Rig {
  readonly disk: Backend;
  readonly guest: Guest;
  readonly pace: Pace;
  readonly random: Random;
  /** From the top down. */
  readonly chain: readonly BlockNode[];
}

/** A chain of images of growing sizes, each written to by a guest of its time. */
async function bench(dir: TempDir, seed: number): Promise<Bench> {
  const all = rig(slow);
  const { graph } = all;
  const random = new Random(seed);
  const pace = new Pace(seed + 1);
  const images = 3 + random.below(2);
  let model = new Uint8Array(0);
  for (let level = 0; level < images; level++) {
    const size = level === images - 1 ? SIZE : SIZE - 512 * random.below(400);
    const name = `${level}.qcow2`;
    await graph.create(dir.file(name), {
      format: 'qcow2', size,
      options: { cluster_size: 4096 << random.below(5), ...(level === 0 ? {} : { backing_file: dir.file(`${level - 1}.qcow2`), backing_fmt: 'qcow2' }) },
    });
    const known = new Uint8Array(size);
    known.set(model.subarray(0, size));
    model = known;
    const file = { driver: 'file', filename: dir.file(name) };
    const node = await graph.open({ driver: 'qcow2', discard: 'unmap', file: level === images - 1 ? { driver: 'slow', pace, file } : file });
    const disk = Backend.over(graph, node, { writable: true, ...(level === images - 1 ? { name: 'disk' } : {}) });
    await graph.release(node);
    const guest = new Guest(disk, seed + level, model);
    await guest.work(15);
    if (level < images - 1) {
      await disk.close();
      continue;
    }
    const chain: BlockNode[] = [];
    for (let image: BlockNode | undefined = node; image !== undefined; image = image.backing?.node) chain.push(image);
    return { ...all, disk, guest, pace, random, chain };
  }
  throw new Error('no images');
}

async function untilReady(job: Job): Promise<void> {
  let over = false;
  void job.done.catch(() => undefined).then(() => (over = true));
  while (!over && job.status !== 'ready') await turns(2);
}

async function finish(on: Bench): Promise<void> {
  const { guest, graph, jobs, disk, pace } = on;
  await guest.stop();
  expect(guest.errors).toEqual([]);
  pace.turns = 0;
  pace.fail = undefined;
  expectSame((await contentOf(disk)).subarray(0, SIZE), guest.model);
  expect([...jobs]).toEqual([]);
  expect([disk.root.afterWrite.size, disk.root.bitmaps.size, disk.root.parents.size]).toEqual([0, 0, 1]);
  await graph.close();
  expect([...graph.nodes]).toEqual([]);
}

async function check(dir: TempDir, name: string): Promise<void> {
  if (findTool('qemu-img') !== undefined) expect(await qemuImg('check', dir.file(name))).toMatchObject({ code: 0 });
}

describe('an active commit while the guest writes', () => {
  it.each([1, 2, 3, 4, 5])('seed %i: completed, the guest goes on in the base', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    const base = on.chain[1 + on.random.below(on.chain.length - 1)];
    const above = on.chain.slice(0, on.chain.indexOf(base));
    expect(base.readOnly).toBe(true);
    on.guest.start(3);
    const job = await startActiveCommit(on.jobs, on.disk.root, { id: 'c', base });
    await untilReady(job);
    await job.complete();
    await job.done;
    expect(on.disk.root).toBe(base);
    expect([base.readOnly, base.size]).toEqual([false, SIZE]);
    expect(above.map(({ closed }) => closed)).toEqual(above.map(() => true));
    expect(on.events).toContain('c: READY');
    await turns(20);
    await finish(on);
    await check(dir, `${on.chain.length - 1 - on.chain.indexOf(base)}.qcow2`);
  });

  it.each([1, 2, 3, 4, 5, 6])('seed %i: cancelled before or after it is ready, everything stays in its place', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    const [top] = on.chain;
    const base = on.chain[on.chain.length - 1];
    on.guest.start(3);
    const job = await startActiveCommit(on.jobs, top, { id: 'c', base });
    if (seed % 2 === 0) await untilReady(job);
    else await turns(on.random.below(20));
    job.cancel({ force: seed % 3 === 0 });
    await job.done.catch(() => undefined);
    expect(on.disk.root).toBe(top);
    expect([base.closed, base.readOnly, base.parents.size]).toEqual([false, true, 1]);
    await finish(on);
    await check(dir, '0.qcow2');
    await check(dir, `${on.chain.length - 1}.qcow2`);
  });

  it('a base that fails ends it, and the chain reads as before', async () => {
    using dir = tempDir();
    const on = await bench(dir, 7);
    const [top, base] = on.chain;
    on.pace.fail = (verb) => (verb === 'read' ? new BlockError('io', 'Input/output error') : undefined);
    const job = await startActiveCommit(on.jobs, top, { id: 'c', base });
    await expect(job.done).rejects.toThrow('Input/output error');
    expect(on.events).toContain('c: ERROR read report');
    expect([on.disk.root, base.readOnly]).toEqual([top, true]);
    await finish(on);
  });

  it('images that somebody else keeps open stay, and keep nobody from writing the base', async () => {
    using dir = tempDir();
    const { graph, jobs } = rig();
    for (const [name, backing] of [['0.qcow2'], ['1.qcow2', '0.qcow2']] as const) {
      await graph.create(dir.file(name), { format: 'qcow2', size: SIZE, ...(backing === undefined ? {} : { options: { backing_file: dir.file(backing), backing_fmt: 'qcow2' } }) });
    }
    const node = await graph.open({ driver: 'qcow2', 'node-name': 'top', file: { driver: 'file', filename: dir.file('1.qcow2') } });
    const disk = Backend.over(graph, node, { writable: true });
    const guest = new Guest(disk, 1);
    await guest.work(10);
    const job = await startActiveCommit(jobs, node, { id: 'c', base: node.backing?.node as BlockNode });
    await untilReady(job);
    await job.complete();
    await job.done;
    expect([node.closed, disk.root === node]).toEqual([false, false]);
    await guest.work(10);
    await guest.check();
    expect(guest.errors).toEqual([]);
    await disk.close();
    await graph.close();
  });
});
