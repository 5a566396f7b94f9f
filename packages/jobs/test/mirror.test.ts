/** Mirrors under load: ready, complete, cancel, errors; the guest never notices, and no byte is ever old. */
import { Backend, BlockError, type BlockNode } from '@blk/core-graph';
import { findTool, qemuImg, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { startMirror, type Job, type MirrorOptions } from '../src/index.js';
import { contentOf, expectSame, Guest } from './guest.js';
import { Pace, Random, slow } from './slow.js';
import { rig, turns, type Rig } from './support.js';

const SIZE = 2 * 1024 * 1024 + 512 * 5;

interface Bench extends Rig {
  readonly dir: TempDir;
  readonly disk: Backend;
  readonly guest: Guest;
  readonly random: Random;
  readonly sourcePace: Pace;
  readonly targetPace: Pace;
  readonly target: BlockNode;
  open(name: string, pace?: Pace, more?: object): Promise<BlockNode>;
}

/** A disk over a base, with a guest that has written to both, and a target: all of them slow. */
async function bench(dir: TempDir, seed: number, overBase = false): Promise<Bench> {
  const all = rig(slow);
  const { graph } = all;
  const random = new Random(seed);
  const [sourcePace, targetPace] = [new Pace(seed + 1), new Pace(seed + 2)];
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
  const baseNode = await open('base.qcow2');
  const base = Backend.over(graph, baseNode, { writable: true });
  await graph.release(baseNode);
  const first = new Guest(base, seed + 3);
  await first.work(40);
  await base.close();
  await create('disk.qcow2', 'base.qcow2');
  const node = await open('disk.qcow2', sourcePace);
  const disk = Backend.over(graph, node, { writable: true, name: 'disk' });
  await graph.release(node);
  const guest = new Guest(disk, seed + 4, first.model);
  await guest.work(20);
  await create('target.qcow2', overBase ? 'base.qcow2' : undefined);
  const target = await open('target.qcow2', targetPace);
  return { ...all, dir, disk, guest, random, sourcePace, targetPace, target, open };
}

async function begin({ jobs, graph, disk, target }: Bench, options: Omit<MirrorOptions, 'id' | 'source' | 'target'>): Promise<Job> {
  const job = await startMirror(jobs, { id: 'm', source: disk.root, target, ...options });
  await graph.release(target);
  return job;
}

/** Ready, completed, and waiting to be finalized. */
async function untilPending(job: Job, random: Random): Promise<void> {
  await untilReady(job, random, false);
  await job.complete();
  while (job.status !== 'pending') await turns(1);
}

/** Pauses and resumes the job now and then until it is ready, or over. */
async function untilReady(job: Job, random: Random, worry = true): Promise<void> {
  let over = false;
  void job.done.catch(() => undefined).then(() => (over = true));
  while (!over && job.status !== 'ready') {
    await turns(1 + random.below(6));
    if (!worry || job.status !== 'running' || random.below(4) > 0) continue;
    job.pause();
    await turns(random.below(10));
    if (job.isPaused) job.resume();
  }
}

/** Everything is closed and let go of, and the guest has seen nothing but its own bytes. */
async function finish({ guest, graph, jobs, disk, sourcePace, targetPace }: Bench): Promise<void> {
  await guest.stop();
  expect(guest.errors).toEqual([]);
  sourcePace.turns = 0;
  targetPace.turns = 0;
  await guest.check();
  expect([...jobs]).toEqual([]);
  const { root } = disk;
  expect([root.beforeWrite.size, root.afterWrite.size, root.bitmaps.size, root.parents.size]).toEqual([0, 0, 0, 1]);
  await graph.close();
  expect([...graph.nodes]).toEqual([]);
}

async function checkImage(dir: TempDir, name: string): Promise<void> {
  if (findTool('qemu-img') !== undefined) expect(await qemuImg('check', dir.file(name))).toMatchObject({ code: 0 });
}

const seeds = [1, 2, 3, 4];
const modes: [number, MirrorOptions['sync'], NonNullable<MirrorOptions['copyMode']>][] = [1, 2].flatMap((seed) => [
  [seed, 'full', 'background'], [seed, 'top', 'background'], [seed, 'full', 'write-blocking'], [seed, 'top', 'write-blocking'],
]);

describe('a mirror while the guest writes', () => {
  it.each(modes)('seed %i, %s, %s: completed, the guest goes on with the target', async (seed, sync, copyMode) => {
    using dir = tempDir();
    const on = await bench(dir, seed, sync === 'top');
    const source = on.disk.root;
    const granularity = 512 << on.random.below(9);
    on.guest.start(3);
    const job = await begin(on, { sync, copyMode, granularity, bufferSize: on.random.below(2) * 300_000 });
    await untilReady(job, on.random);
    expect(job.status).toBe('ready');
    await turns(on.random.below(40));
    await job.complete();
    await job.done;
    expect(on.disk.root).toBe(on.target);
    expect(source.closed).toBe(true);
    expect(on.events.slice(-6)).toEqual(['m: waiting', 'm: pending', 'm: PENDING', `m: COMPLETED ${job.length}/${job.length}`, 'm: concluded', 'm: null']);
    await turns(50);
    await finish(on);
    await checkImage(dir, 'target.qcow2');
  });

  it.each(seeds)('seed %i: cancelled after it was ready, the target is the disk of that moment', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    const source = on.disk.root;
    on.guest.start(3);
    const job = await begin(on, { sync: 'full' });
    await untilReady(job, on.random);
    let then: Uint8Array | undefined;
    // The moment is within a drained section, where the job lets go of the source.
    const detached = on.graph.drained.bind(on.graph);
    on.graph.drained = (nodes, section) => detached(nodes, async () => {
      const result = await section();
      if (source.afterWrite.size === 0) then ??= on.guest.model.slice();
      return result;
    });
    job.cancel();
    await job.done;
    expect(on.disk.root).toBe(source);
    expect(on.events.at(-3)).toBe(`m: COMPLETED ${job.length}/${job.length}`);
    const node = await on.open('target.qcow2', undefined, { 'read-only': true });
    expectSame(await contentOf(node), then as Uint8Array);
    await on.graph.release(node);
    await finish(on);
    await checkImage(dir, 'target.qcow2');
  });

  it.each(seeds)('seed %i: called off at any moment, by force where it is ready', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    const source = on.disk.root;
    on.guest.start(3);
    const job = await begin(on, { sync: 'full', copyMode: seed % 2 === 0 ? 'background' : 'write-blocking' });
    if (seed > 2) await untilReady(job, on.random, false);
    else await turns(on.random.below(12));
    job.cancel({ force: true });
    await expect(job.done).rejects.toMatchObject({ kind: 'aborted' });
    expect(on.events).toContain('m: CANCELLED');
    expect(on.disk.root).toBe(source);
    expect(on.target.closed).toBe(true);
    await finish(on);
  });

  it.each(seeds)('seed %i: errors on either side stop it, and resumed it completes', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    on.guest.start(2);
    let errors = 5;
    const failing = (wanted: string) => (verb: string): BlockError | undefined =>
      verb === wanted && errors > 0 && on.random.below(3) === 0 && errors-- > 0 ? new BlockError('no-space', 'No space left on device') : undefined;
    on.targetPace.fail = failing(seed % 2 === 0 ? 'write' : 'flush');
    const job = await begin(on, { sync: 'full', onTargetError: seed === 4 ? 'ignore' : 'enospc', copyMode: seed === 2 ? 'write-blocking' : 'background' });
    while (job.status !== 'ready') {
      await turns(3);
      on.clock.advance(100);
      if (job.isPaused) {
        expect(job.ioStatus).toBe('nospace');
        job.resume();
      }
    }
    on.targetPace.fail = undefined;
    await job.complete();
    if (job.isPaused) job.resume();
    await job.done;
    expect(on.disk.root).toBe(on.target);
    await finish(on);
  });

  it.each(seeds)('seed %i: a target that fails ends it, and the guest stays where it was', async (seed) => {
    using dir = tempDir();
    const on = await bench(dir, seed);
    const source = on.disk.root;
    on.guest.start(2);
    let left = on.random.below(30);
    on.targetPace.fail = (verb) => (verb === 'write' && left-- <= 0 ? new BlockError('io', 'Input/output error') : undefined);
    const job = await begin(on, { sync: 'full', copyMode: seed % 2 === 0 ? 'background' : 'write-blocking' });
    await expect(job.done).rejects.toThrow('Input/output error');
    expect(on.events).toContain('m: ERROR write report');
    expect(on.disk.root).toBe(source);
    on.targetPace.fail = undefined;
    await finish(on);
  });

  it('what fails at the very switch leaves the guest on the source', async () => {
    using dir = tempDir();
    const on = await bench(dir, 5);
    const source = on.disk.root;
    const job = await begin(on, { sync: 'full', autoFinalize: false });
    await untilPending(job, on.random);
    await on.guest.work(5);
    on.targetPace.fail = () => new BlockError('io', 'Input/output error');
    await job.finalize();
    await expect(job.done).rejects.toThrow('Input/output error');
    on.targetPace.fail = undefined;
    expect(on.disk.root).toBe(source);
    await finish(on);
  });

  it('a source that fails to close is no failure: all of it is in the target', async () => {
    using dir = tempDir();
    const on = await bench(dir, 9);
    const source = on.disk.root;
    const job = await begin(on, { sync: 'full', autoFinalize: false });
    await untilPending(job, on.random);
    await on.guest.work(5);
    on.sourcePace.fail = (verb) => (verb === 'read' ? undefined : new BlockError('io', 'Input/output error'));
    await job.finalize();
    await job.done;
    expect([on.disk.root === on.target, source.closed]).toEqual([true, true]);
    expect(on.warnings).toEqual([`Closing '${source.name}', which was replaced: Input/output error`]);
    await finish(on);
  });

  it('with autoFinalize false it follows the guest until it is finalized', async () => {
    using dir = tempDir();
    const on = await bench(dir, 6);
    const job = await begin(on, { sync: 'full', autoFinalize: false });
    await untilPending(job, on.random);
    await on.guest.work(30);
    expect(on.disk.root).not.toBe(on.target);
    await job.finalize();
    await job.done;
    expect(on.disk.root).toBe(on.target);
    await finish(on);
  });

  it('takes the place of another node than the source: the child of a filter', async () => {
    using dir = tempDir();
    const { graph, jobs, ...all } = rig(slow);
    for (const name of ['a.qcow2', 'b.qcow2']) await graph.create(dir.file(name), { format: 'qcow2', size: SIZE });
    const image = (name: string): object => ({ driver: 'qcow2', file: { driver: 'file', filename: dir.file(name) } });
    const node = await graph.open({ driver: 'slow', pace: new Pace(1), file: image('a.qcow2') });
    const disk = Backend.over(graph, node, { writable: true });
    await graph.release(node);
    const guest = new Guest(disk, 8);
    await guest.work(20);
    const child = node.storage?.node as BlockNode;
    const target = await graph.open(image('b.qcow2') as Record<string, unknown>);
    const job = await startMirror(jobs, { id: 'm', source: node, target, sync: 'full', replaces: child });
    await graph.release(target);
    guest.start(2);
    await untilReady(job, new Random(8), false);
    await job.complete();
    await job.done;
    expect([disk.root === node, node.storage?.node === target, child.closed]).toEqual([true, true, true]);
    await turns(20);
    await guest.stop();
    await guest.check();
    expect([guest.errors, all.events.at(-1)]).toEqual([[], 'm: null']);
    await disk.close();
    expect([...graph.nodes]).toEqual([]);
    await checkImage(dir, 'b.qcow2');
  });

  it('none: only what is written from now on is in the target', async () => {
    using dir = tempDir();
    const on = await bench(dir, 7);
    const before = on.guest.model.slice();
    const job = await begin(on, { sync: 'none' });
    await untilReady(job, on.random, false);
    expect([job.offset, job.length]).toEqual([0, 0]);
    await on.guest.work(20);
    job.cancel();
    await job.done;
    const node = await on.open('target.qcow2', undefined, { 'read-only': true });
    const copy = await contentOf(node);
    await on.graph.release(node);
    const { model } = on.guest;
    for (let at = 0; at < SIZE; at++) if (model[at] !== before[at]) expect(copy[at]).toBe(model[at]);
    await finish(on);
  });
});

describe('what a mirror refuses', () => {
  it.each([
    [{ granularity: 256 }, "Parameter 'granularity' expects a value in range [512B, 64MB]"],
    [{ granularity: 2 ** 27 }, "Parameter 'granularity' expects a value in range [512B, 64MB]"],
    [{ granularity: 1000 }, "Parameter 'granularity' expects a power of 2"],
    [{ bufferSize: -1 }, "Invalid parameter 'buf-size'"],
  ])('%j', async (options, message) => {
    using dir = tempDir();
    const on = await bench(dir, 1);
    await expect(begin(on, { sync: 'full', ...options })).rejects.toThrow(message);
    await on.graph.release(on.target);
    await finish(on);
  });

  it('itself, a target of another size, and a node that another job works on', async () => {
    using dir = tempDir();
    const on = await bench(dir, 1);
    const { jobs, graph, disk, target } = on;
    await expect(startMirror(jobs, { id: 'x', source: target, target, sync: 'full' })).rejects.toThrow("Can't mirror node into itself");
    await graph.create(dir.file('small.qcow2'), { format: 'qcow2', size: 4096 });
    const small = await on.open('small.qcow2');
    const odd = await startMirror(jobs, { id: 'x', source: disk.root, target: small, sync: 'full' });
    await expect(odd.done).rejects.toThrow('Source and target image have different sizes');
    const job = await startMirror(jobs, { id: 'm', source: disk.root, target, sync: 'full' });
    await expect(startMirror(jobs, { id: 'x', source: disk.root, target: small, sync: 'full' })).rejects.toThrow(
      `Node '${disk.root.name}' is busy: block device is in use by block job: mirror`,
    );
    await expect(disk.truncate(SIZE * 2)).rejects.toMatchObject({ kind: 'busy' });
    job.cancel({ force: true });
    await job.done.catch(() => undefined);
    await graph.release(small);
    await graph.release(target);
    await finish(on);
  });
});
