// Jobs, snapshots and guests at random on one disk: what the guest reads is always right, and so is what is left at the end.
// BLK_TORTURE_SEED chooses the run, BLK_TORTURE_STEPS how long it is; BLK_TORTURE_LOG names a file for what was done and what was told.
import { writeFileSync } from 'node:fs';
import { describe, expect, onTestFailed, test } from 'vitest';
import { prng, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { backups, DEVICE, Disk, examine, faultyFile, Guest, nodeOf, startDaemon, type Daemon } from '../src/index.js';

const SIZE = 4 * 1024 * 1024;
const SEED = Number(process.env['BLK_TORTURE_SEED'] ?? 1);
const STEPS = Number(process.env['BLK_TORTURE_STEPS'] ?? 60);
/** Jobs that a run has at least. */
const ENOUGH = 6;
const LOG = process.env['BLK_TORTURE_LOG'];

const needs = skipUnless('qemu-img');

describe.skipIf(needs.skip)(needs.title('torture'), () => {
  test(`chains: ${STEPS} steps, seed ${SEED}`, { timeout: 3_600_000 }, async () => {
    using dir = tempDir();
    const random = prng(SEED);
    const base = dir.file('base');
    const format = random.pick(['raw', 'qcow2', 'vdi', 'vhdx', 'qed', 'parallels']);
    expect((await qemuImg('create', '-f', format, base, String(SIZE))).code).toBe(0);
    const nbd = dir.file('nbd');
    await using daemon = await startDaemon({ monitor: dir.file('qmp') });
    const qmp = await serve(daemon, { driver: format, file: { driver: 'file', filename: base } }, nbd);
    const guest = await Guest.start(nbd, DEVICE, random, Buffer.alloc(SIZE));
    const disk = new Disk(qmp, (name) => dir.file(name), random);
    const started = await run(disk, guest);
    const [active, ...below] = await disk.chain();
    await guest.stop();
    expect(started).toBeGreaterThanOrEqual(ENOUGH);
    const errors = qmp.events.filter(({ event }) => event === 'BLOCK_JOB_ERROR' || event === 'BLOCK_IO_ERROR' || event === 'BLOCK_IMAGE_CORRUPTED');
    expect(errors.map((event) => JSON.stringify(event))).toEqual([]);
    const failed = qmp.events.filter(({ event, data }) => event === 'BLOCK_JOB_COMPLETED' && (data as { error?: string }).error !== undefined);
    expect(failed.map((event) => JSON.stringify(event))).toEqual([]);
    await qmp.execute('quit');
    expect(await daemon.exited).toBe(0);
    if (active !== base) await examine(active, guest.model);
    for (const file of below) if (file !== base) await examine(file, undefined);
  });

  test(`errors: ${STEPS} steps, seed ${SEED}`, { timeout: 3_600_000 }, async () => {
    using dir = tempDir();
    const random = prng(SEED + 2000);
    const base = dir.file('base');
    const format = random.pick(['raw', 'qcow2', 'vdi', 'vhdx', 'qed', 'parallels']);
    expect((await qemuImg('create', '-f', format, base, String(SIZE))).code).toBe(0);
    const nbd = dir.file('nbd');
    await using daemon = await startDaemon({ monitor: dir.file('qmp') });
    const qmp = await serve(daemon, { driver: format, file: faultyFile(base, random) }, nbd, { 'node-name': nodeOf(base), werror: 'enospc', rerror: 'report' });
    const operator = goingOn(qmp);
    const guest = await Guest.start(nbd, DEVICE, random, Buffer.alloc(SIZE), 100);
    const disk = new Disk(qmp, (name) => dir.file(name), random, { base, format, size: SIZE });
    const started = await run(disk, guest).catch(async (error: unknown) => {
      if (error instanceof Error && error.message.includes('closed')) throw new Error(`the daemon ended with ${await daemon.exited}: ${daemon.stderr()}`, { cause: error });
      throw error;
    });
    const [active, ...below] = await disk.chain();
    await guest.stop();
    expect(started).toBeGreaterThanOrEqual(ENOUGH);
    const errors = qmp.events.filter(({ event }) => event === 'BLOCK_JOB_ERROR' || event === 'BLOCK_IO_ERROR');
    expect(errors.length + guest.failed).toBeGreaterThan(0);
    await operator.end();
    expect(qmp.events.filter(({ event }) => event === 'BLOCK_IMAGE_CORRUPTED')).toEqual([]);
    await qmp.execute('quit');
    await daemon.exited;
    if (active !== base) await examine(active, guest.model, true);
    for (const file of below) if (file !== base) await examine(file, undefined, true);
  });

  test(`backups: ${Math.round(STEPS / 6)} increments, seed ${SEED}`, { timeout: 3_600_000 }, async () => {
    using dir = tempDir();
    const random = prng(SEED + 1000);
    const base = dir.file('base');
    expect((await qemuImg('create', '-f', 'qcow2', base, String(SIZE))).code).toBe(0);
    const nbd = dir.file('nbd');
    await using daemon = await startDaemon({ monitor: dir.file('qmp') });
    const qmp = await serve(daemon, { driver: 'qcow2', file: { driver: 'file', filename: base } }, nbd);
    const guest = await Guest.start(nbd, DEVICE, random, Buffer.alloc(SIZE));
    const disk = new Disk(qmp, (name) => dir.file(name), random);
    const made = await backups(disk, guest, random, Math.round(STEPS / 6));
    expect(made.length).toBeGreaterThan(1);
    await guest.stop();
    await qmp.execute('quit');
    expect(await daemon.exited).toBe(0);
    await examine(base, guest.model);
    for (const { file, content } of made) await examine(file, content);
  });
});

/** Snapshots and jobs while the guest works; how many jobs were started. */
async function run(disk: Disk, guest: Guest): Promise<number> {
  const { random } = disk;
  let started = 0;
  // One slow job may outlast the steps: then what is left to start is started when it is over.
  for (let step = 0; step < STEPS || (started < ENOUGH && step < STEPS + 100); step++) {
    if (step >= STEPS) await disk.finishJobs();
    await guest.goOn(random.below(60));
    if (random.below(3) === 0) await disk.snapshot();
    if ((await disk.jobs()).length < 2 && (await disk.startJob(`job${step}`))) started++;
    for (const { device, ready } of await disk.jobs()) if (random.below(2) === 0) await disk.disturb(device, ready === true);
  }
  await disk.finishJobs();
  if (LOG !== undefined) writeFileSync(LOG, [...disk.log, ...disk.qmp.events.map((event) => JSON.stringify(event))].join('\n'));
  return started;
}

/** Somebody who lets the machine go on whenever an error stopped it. */
function goingOn(qmp: NonNullable<Daemon['qmp']>): { end(): Promise<void> } {
  let ended = false;
  const work = async (): Promise<void> => {
    for (let seen = 0; !ended; await new Promise((resolve) => setTimeout(resolve, 5))) {
      for (; seen < qmp.events.length; seen++) if (qmp.events[seen]['event'] === 'STOP') await qmp.execute('cont');
    }
  };
  const working = work();
  // Whoever ends it is told; where the daemon is gone, the others are as well.
  working.catch(() => undefined);
  return {
    end: () => {
      ended = true;
      return working;
    },
  };
}

/** Makes the image a device of the daemon, and serves it to NBD clients. */
async function serve(daemon: Daemon, image: { readonly driver: string; readonly file: object }, path: string, names: object = {}): Promise<NonNullable<Daemon['qmp']>> {
  if (daemon.qmp === undefined) throw new Error('the daemon has no monitor');
  const { qmp } = daemon;
  onTestFailed(() => { process.stderr.write(`the daemon said: ${daemon.stderr()}\n`); });
  await qmp.execute('blockdev-add', { options: { ...image, id: DEVICE, discard: 'unmap', ...names } });
  await qmp.execute('nbd-server-start', { addr: { type: 'unix', data: { path } } });
  await qmp.execute('nbd-server-add', { device: DEVICE, writable: true });
  return qmp;
}
