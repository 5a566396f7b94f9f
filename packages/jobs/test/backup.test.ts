/** Backups under load: the copy is what the disk was at one moment, whatever guests, pauses and errors do meanwhile. */
import { addBitmap, Backend, BlockError, findBitmap, type BlockNode } from '@blk/core-graph';
import { findTool, qemuImg, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { startBackup, type BackupOptions, type BackupSync, type Job } from '../src/index.js';
import { contentOf, expectSame, Guest } from './guest.js';
import { Pace, Random, slow } from './slow.js';
import { rig, turns, type Rig } from './support.js';

const KB = 1024;
const SIZE = 2 * 1024 * KB + 512 * 5;
const needs = skipUnless('qemu-img');

interface Bench extends Rig {
  readonly dir: TempDir;
  readonly disk: Backend;
  readonly guest: Guest;
  readonly sourcePace: Pace;
  readonly targetPace: Pace;
  readonly random: Random;
  open(name: string, pace?: Pace, more?: object): Promise<BlockNode>;
  create(name: string, backing?: string): Promise<void>;
}

/** A disk, an overlay over a base that a guest has filled in part, both slow; and means to make targets. */
async function bench(dir: TempDir, seed: number): Promise<Bench> {
  const all = rig(slow);
  const { graph } = all;
  const random = new Random(seed);
  const sourcePace = new Pace(seed + 1);
  const targetPace = new Pace(seed + 2);
  const open = (name: string, pace?: Pace, more: object = {}): Promise<BlockNode> => {
    const file = { driver: 'file', filename: dir.file(name) };
    return graph.open({ driver: 'qcow2', discard: 'unmap', file: pace === undefined ? file : { driver: 'slow', pace, file }, ...more });
  };
  const create = (name: string, backing?: string): Promise<void> =>
    graph.create(dir.file(name), {
      format: 'qcow2', size: SIZE,
      options: { cluster_size: 4096 << random.below(5), ...(backing === undefined ? {} : { backing_file: dir.file(backing), backing_fmt: 'qcow2' }) },
    });
  await create('base.qcow2');
  const base = Backend.over(graph, await open('base.qcow2'), { writable: true });
  const first = new Guest(base, seed + 3);
  await first.work(40);
  await base.close();
  await graph.release([...graph.nodes].find((node) => node.filename === dir.file('base.qcow2') && node.driverName === 'qcow2') as BlockNode);
  await create('disk.qcow2', 'base.qcow2');
  const node = await open('disk.qcow2', sourcePace);
  const disk = Backend.over(graph, node, { writable: true, name: 'disk' });
  await graph.release(node);
  const guest = new Guest(disk, seed + 4, first.model);
  await guest.work(20);
  return { ...all, dir, disk, guest, sourcePace, targetPace, random, open, create };
}

/** Starts a backup, and tells what the disk holds at that very moment. */
async function begin(on: Bench, options: Omit<BackupOptions, 'id' | 'source'>): Promise<{ job: Job; then: Uint8Array }> {
  const { graph, jobs, disk, guest } = on;
  return graph.drained([disk.root], async () => {
    const job = await startBackup(jobs, { id: 'b', source: disk.root, ...options });
    return { job, then: guest.model.slice() };
  });
}

/** Pauses and resumes the job now and then until it is over. */
async function worry(job: Job, random: Random): Promise<void> {
  let over = false;
  void job.done.catch(() => undefined).then(() => (over = true));
  while (!over) {
    await turns(1 + random.below(6));
    if (over || job.status !== 'running') continue;
    job.pause();
    await turns(random.below(10));
    if (job.isPaused && (job.status === 'running' || job.status === 'paused')) job.resume();
  }
}

async function finish({ guest, graph, jobs, disk, sourcePace, targetPace }: Bench): Promise<void> {
  await guest.stop();
  expect(guest.errors).toEqual([]);
  sourcePace.turns = 0;
  targetPace.turns = 0;
  await guest.check();
  expect([...jobs]).toEqual([]);
  const { root } = disk;
  expect([root.beforeWrite.size, root.parents.size]).toEqual([0, 1]);
  await graph.close();
  expect([...graph.nodes]).toEqual([]);
}

async function contentOfImage(on: Bench, name: string): Promise<Uint8Array> {
  const node = await on.open(name, undefined, { 'read-only': true });
  const bytes = await contentOf(node);
  await on.graph.release(node);
  return bytes;
}

describe('a backup while the guest writes', () => {
  const seeds = [1, 2, 3, 4];

  it.each(seeds.flatMap((seed) => (['full', 'top'] as const).map((sync) => [seed, sync] as const)))(
    'seed %i, %s: the target is the disk at the start',
    async (seed, sync) => {
      using dir = tempDir();
      const on = await bench(dir, seed);
      await on.create('target.qcow2', sync === 'top' ? 'base.qcow2' : undefined);
      const target = await on.open('target.qcow2', on.targetPace);
      on.guest.start();
      const { job, then } = await begin(on, { target, sync });
      await on.graph.release(target);
      await worry(job, on.random);
      await job.done;
      expect(on.guest.requests).toBeGreaterThan(30);
      expect([job.offset, job.error]).toEqual([job.length, undefined]);
      if (sync === 'full') expect(job.length).toBe(SIZE);
      expectSame(await contentOfImage(on, 'target.qcow2'), then);
      await finish(on);
      if (findTool('qemu-img') !== undefined) expect(await qemuImg('check', dir.file('target.qcow2'))).toMatchObject({ code: 0 });
    },
  );

  it.each(seeds)('seed %i, none: what was overwritten is in the target, as it was', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    await on.create('target.qcow2');
    const target = await on.open('target.qcow2', on.targetPace);
    on.guest.start();
    const { job, then } = await begin(on, { target, sync: 'none' });
    await turns(200);
    await on.guest.stop();
    const old = await contentOf(target);
    // Where the target holds something it is what was there; everything that changed since is in it.
    for (let at = 0; at < SIZE; at += 512) {
      const end = Math.min(at + 512, SIZE);
      const was = then.subarray(at, end);
      const changed = Buffer.compare(on.guest.model.subarray(at, end), was) !== 0;
      const there = target.extent(at, 1);
      if (changed || (await there).allocated) expectSame(old.subarray(at, end), was);
    }
    job.cancel();
    await expect(job.done).rejects.toMatchObject({ kind: 'aborted' });
    expect(on.events.slice(-4)).toEqual(['b: aborting', 'b: CANCELLED', 'b: concluded', 'b: null']);
    await on.graph.release(target);
    await finish(on);
  });

  it.each(seeds)('seed %i: called off at any moment it leaves nothing behind', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    await on.create('target.qcow2');
    await addBitmap(on.disk.root, { name: 'm', granularity: 4096 });
    const target = await on.open('target.qcow2', on.targetPace);
    on.guest.start();
    await on.guest.work(5);
    const bitmap = findBitmap(on.disk.root, 'm');
    const { job } = await begin(on, { target, sync: 'incremental', bitmap: 'm' });
    const before = bitmap.copy();
    expect(bitmap.status).toBe('frozen');
    await turns(on.random.below(30));
    job.cancel({ force: true });
    await job.done.catch(() => undefined);
    await on.graph.release(target);
    await on.guest.stop();
    expect(bitmap.status).toBe('active');
    // What was dirty is, unless the job was quicker.
    if (job.error !== undefined) for (let at = before.next(0, true); at >= 0; at = before.next(at + 4096, true)) expect(bitmap.get(at)).toBe(true);
    await finish(on);
  });

  it.each(seeds)('seed %i: a target that fails for a guest fails the job, and not the guest', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    await on.create('target.qcow2');
    const target = await on.open('target.qcow2', on.targetPace);
    const { job } = await begin(on, { target, sync: 'none' });
    let left = on.random.below(20);
    on.targetPace.fail = (verb) => (verb === 'write' && left-- <= 0 ? new BlockError('no-space', 'No space left on device') : undefined);
    on.guest.start();
    await expect(job.done).rejects.toThrow('No space left on device');
    expect(on.events).toContain('b: ERROR write report');
    expect(on.events.at(-3)).toMatch(/^b: COMPLETED \d+\/\d+ No space left on device$/);
    await turns(20);
    on.targetPace.fail = undefined;
    await on.graph.release(target);
    await finish(on);
  });

  it.each([...seeds, 5, 6])('seed %i: stopped by errors on either side, and resumed, it is right', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    await on.create('target.qcow2');
    const target = await on.open('target.qcow2', on.targetPace);
    const { job, then } = await begin(on, { target, sync: 'full', onTargetError: 'enospc', onSourceError: 'stop' });
    let errors = 4;
    const failing = (verb: string) => (wanted: string): BlockError | undefined =>
      wanted === verb && errors > 0 && on.random.below(3) === 0 && errors-- > 0 ? new BlockError('no-space', 'No space left on device') : undefined;
    on.targetPace.fail = failing('write');
    if (seed % 2 === 0) on.sourcePace.fail = failing('read');
    let over = false;
    void job.done.catch(() => undefined).then(() => (over = true));
    while (!over) {
      await turns(2);
      if (!job.isPaused) continue;
      expect(job.ioStatus).toBe('nospace');
      job.resume();
    }
    await job.done;
    expect(on.events.filter((event) => event.includes('ERROR')).length).toBeGreaterThan(0);
    await on.graph.release(target);
    expectSame(await contentOfImage(on, 'target.qcow2'), then);
    await finish(on);
  });

  it('a paused job keeps no guest waiting', async () => {
    using dir = tempDir();
    const on = await bench(dir, 12);
    await on.create('target.qcow2');
    const target = await on.open('target.qcow2', on.targetPace);
    const { job, then } = await begin(on, { target, sync: 'full' });
    // Before its first piece.
    job.pause();
    await turns(8);
    const { offset } = job;
    await on.guest.work(30);
    expect([job.status, job.offset > offset]).toEqual(['paused', true]);
    job.resume();
    await job.done;
    await on.graph.release(target);
    expectSame(await contentOfImage(on, 'target.qcow2'), then);
    await finish(on);
  });

  it('an ignored error is told at the end, and its bitmap stays as it was', async () => {
    using dir = tempDir();
    const on = await bench(dir, 9);
    await on.create('target.qcow2');
    const bitmap = await addBitmap(on.disk.root, { name: 'm' });
    bitmap.set(0, SIZE);
    const target = await on.open('target.qcow2', on.targetPace);
    let failed = false;
    on.targetPace.fail = (verb) => (verb === 'write' && !failed && (failed = true) ? new BlockError('io', 'Input/output error') : undefined);
    const { job } = await begin(on, { target, sync: 'incremental', bitmap: 'm', onTargetError: 'ignore' });
    await expect(job.done).rejects.toThrow('Input/output error');
    expect([bitmap.status, bitmap.get(0), bitmap.get(SIZE - 1)]).toEqual(['active', true, true]);
    expect(on.events).toContain('b: ERROR write ignore');
    await on.graph.release(target);
    await finish(on);
  });
});

describe('increments', () => {
  it.each([1, 2, 3])('seed %i: a full backup and its increments restore every point, over failures and cancellations', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    await addBitmap(on.disk.root, { name: 'm', granularity: 512 << on.random.below(10), persistent: true });
    const points: { readonly name: string; readonly then: Uint8Array }[] = [];
    on.guest.start(3);
    for (let round = 0; round < 6; round++) {
      const name = `point${round}.qcow2`;
      await on.create(name, points.at(-1)?.name);
      const target = await on.open(name, on.targetPace);
      const bitmap = findBitmap(on.disk.root, 'm');
      const started = await on.graph.drained([on.disk.root], async () => {
        // The first one is whole, and everything from then on is in the bitmap.
        if (round === 0) bitmap.clear();
        const sync: BackupSync = round === 0 ? 'full' : 'incremental';
        return begin(on, { target, sync, ...(round === 0 ? {} : { bitmap: 'm' }) });
      });
      const fate = round === 0 ? 9 : on.random.below(3);
      if (fate === 0) {
        await turns(on.random.below(20));
        started.job.cancel();
      } else if (fate === 1) {
        let left = on.random.below(10);
        on.targetPace.fail = (verb) => (verb === 'write' && left-- <= 0 ? new BlockError('io', 'Input/output error') : undefined);
      }
      const well = await started.job.done.then(() => true, () => false);
      on.targetPace.fail = undefined;
      await on.graph.release(target);
      if (well) points.push({ name, then: started.then });
    }
    await on.guest.stop();
    expect(points.length).toBeGreaterThan(1);
    for (const { name, then } of points) expectSame(await contentOfImage(on, name), then);
    await finish(on);
  });
});

describe.skipIf(needs.skip)(needs.title('backups and the reference'), () => {
  it('a compressed backup reads the same there', async () => {
    using dir = tempDir();
    const on = await bench(dir, 11);
    await on.graph.create(dir.file('target.qcow2'), { format: 'qcow2', size: SIZE });
    const target = await on.open('target.qcow2');
    const { job } = await begin(on, { target, sync: 'full', compress: true });
    await on.graph.release(target);
    await job.done;
    await finish(on);
    expect(await qemuImg('check', dir.file('target.qcow2'))).toMatchObject({ code: 0 });
    expect(await qemuImg('compare', dir.file('target.qcow2'), dir.file('disk.qcow2'))).toMatchObject({ code: 0 });
  });
});
