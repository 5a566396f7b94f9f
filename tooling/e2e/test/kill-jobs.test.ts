// The server killed at random moments of a job, with a guest at work: the chain opens, is not corrupt, and holds all that was flushed.
import { existsSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { prng, qemuImg, skipUnless, tempDir, type Prng, type TempDir } from '@blk/oracle';
import { BLOCK, NbdTestClient, startDaemon, verifyVersions, Versions, writeUntilCut, type Daemon } from '../src/index.js';

const SIZE = 16 * 1024 * 1024;
const ROUNDS = Number(process.env['BLK_KILL_JOB_ROUNDS'] ?? 2);

/** Command, arguments, and the image that takes the disk over when the job is completed. */
const JOBS: Readonly<Record<string, readonly [string, Readonly<Record<string, string>>, string?]>> = {
  'stream of all of the chain': ['block-stream', {}],
  'stream down to a base': ['block-stream', { 'base-node': 'n0' }],
  'stream into the middle': ['block-stream', { device: 'n2', 'base-node': 'n0' }],
  'commit of two images': ['block-commit', { 'top-node': 'n2', 'base-node': 'n0' }],
  'commit of one image': ['block-commit', { 'top-node': 'n1', 'base-node': 'n0' }],
  'commit of the active image': ['block-commit', {}, 'c0.qcow2'],
  'mirror of all': ['drive-mirror', { sync: 'full', target: 'm.qcow2' }, 'm.qcow2'],
  'mirror of the top, write-blocking': ['drive-mirror', { sync: 'top', target: 'm.qcow2', 'copy-mode': 'write-blocking' }, 'm.qcow2'],
  'backup of all': ['drive-backup', { sync: 'full', target: 'm.qcow2' }],
  'backup of what is overwritten': ['drive-backup', { sync: 'none', target: 'm.qcow2' }],
};

const needs = skipUnless('qemu-img');

describe.skipIf(needs.skip)(needs.title('SIGKILL during a job'), () => {
  test.each(Object.entries(JOBS))('%s', { timeout: 900_000 }, async (name, [command, args, heir]) => {
    const random = prng(name.length * 7919 + 5);
    for (let round = 0; round < ROUNDS; round++) {
      using dir = tempDir();
      const model = new Versions(SIZE / BLOCK);
      const target = args['target'] === undefined ? {} : { target: dir.file(args['target']) };
      const events = await oneLife(dir, model, random, command, { device: 'n3', 'job-id': 'job', ...args, ...target }, heir !== undefined);
      await examine(dir, model, `${name}, round ${round}`, diskAfter(events, heir), events.length > 0);
    }
  });
});

/** Where the disk may be: at its old place, in the image that takes over, or, around the switch, in either. */
function diskAfter(events: readonly string[], heir: string | undefined): string[] {
  if (heir === undefined || !events.includes('waiting')) return ['c3.qcow2'];
  return events.includes('concluded') ? [heir] : ['c3.qcow2', heir];
}

/** A chain of four, a guest, a job and a kill. Gives the states that the job told of. */
async function oneLife(dir: TempDir, model: Versions, random: Prng, command: string, args: object, complete: boolean): Promise<string[]> {
  expect((await qemuImg('create', '-q', '-f', 'qcow2', dir.file('c0.qcow2'), String(SIZE))).code).toBe(0);
  const daemon = await startDaemon({
    args: [
      '--blockdev', `driver=qcow2,node-name=n0,file.driver=file,file.filename=${dir.file('c0.qcow2')}`,
      '--nbd-server', `addr.type=unix,addr.path=${dir.file('nbd')}`,
      '--export', 'type=nbd,id=e,node-name=n0,name=disk,writable=on',
    ],
    monitor: dir.file('qmp'),
  });
  const client = await NbdTestClient.connect(dir.file('nbd'), 'disk');
  const completed = new Map<number, number>();
  await fill(client, model, completed, random);
  for (const index of [1, 2, 3]) {
    await execute(daemon, 'blockdev-snapshot-sync', {
      'node-name': `n${index - 1}`, 'snapshot-file': dir.file(`c${index}.qcow2`), 'snapshot-node-name': `n${index}`, format: 'qcow2',
    });
    await fill(client, model, completed, random);
  }
  await client.flush();
  model.settle(new Map(completed));
  const speed = complete ? 0 : random.pick([0, 0, 40_000_000]);
  const patience = complete ? 5000 : speed === 0 ? 60 : 300;
  const kill = setTimeout(() => { daemon.process.kill('SIGKILL'); }, 1 + (complete ? patience : random.below(patience)));
  await execute(daemon, command, { ...args, speed }).catch((error: unknown) => {
    if (!/closed/.test((error as Error).message)) throw error;
  });
  const completing = complete ? completeAndKill(daemon, random) : undefined;
  await Promise.all([0, 1, 2, 3].map((lane) => writeUntilCut(client, lane, model, completed, random)));
  clearTimeout(kill);
  await daemon.exited;
  client.destroy();
  const events = daemon.qmp?.events ?? [];
  const ending = events.find(({ event }) => event === 'BLOCK_JOB_COMPLETED') as { readonly data: { readonly error?: string } } | undefined;
  expect(ending?.data.error).toBeUndefined();
  await completing;
  return events.flatMap((event) => (event.event === 'JOB_STATUS_CHANGE' ? [(event.data as { status: string }).status] : []));
}

/** Completes the job as soon as it may be; the kill comes soon after one of its states. */
async function completeAndKill(daemon: Daemon, random: Prng): Promise<void> {
  const fatal = random.pick(['running', 'ready', 'ready', 'waiting', 'waiting', 'pending', 'concluded']);
  const delay = random.below(15);
  let alive = true;
  void daemon.exited.then(() => (alive = false));
  for (let seen = 0; alive; await new Promise((resolve) => setTimeout(resolve, 1))) {
    for (const { event, data } of (daemon.qmp?.events ?? []).slice(seen)) {
      seen++;
      if (event === 'BLOCK_JOB_READY') void execute(daemon, 'block-job-complete', { device: 'job' }).catch(() => undefined);
      if (event !== 'JOB_STATUS_CHANGE' || (data as { status: string }).status !== fatal) continue;
      setTimeout(() => { daemon.process.kill('SIGKILL'); }, delay);
    }
  }
}

/** What one image of the chain gets: something of every lane, over what those below have. */
async function fill(client: NbdTestClient, model: Versions, completed: Map<number, number>, random: Prng): Promise<void> {
  for (const lane of [0, 1, 2, 3]) await writeUntilCut(client, lane, model, completed, random, 25);
}

async function execute(daemon: Daemon, command: string, args: object): Promise<void> {
  await daemon.qmp?.execute(command, args);
}

/** `disks`: where the disk may be; one of them has to hold what was flushed. `begun`: the job told of itself, so its target was made. */
async function examine(dir: TempDir, model: Versions, what: string, disks: readonly string[], begun: boolean): Promise<void> {
  for (const name of ['c0.qcow2', 'c1.qcow2', 'c2.qcow2', 'c3.qcow2', 'm.qcow2']) {
    if (!existsSync(dir.file(name)) || statSync(dir.file(name)).size === 0) continue;
    const check = await qemuImg('check', '--output=json', dir.file(name));
    if (check.stdout === '' && name === 'm.qcow2' && !begun) continue;
    expect(check.stdout, `${what}, ${name}: ${check.stderr}`).not.toBe('');
    const report = JSON.parse(check.stdout) as { corruptions?: number; 'check-errors': number };
    expect([report['check-errors'], report.corruptions ?? 0], `${what}, ${name}: ${check.stderr}`).toEqual([0, 0]);
  }
  const failed: unknown[] = [];
  for (const disk of disks) {
    expect(await qemuImg('convert', '-f', 'qcow2', '-O', 'raw', dir.file(disk), dir.file('raw')), what).toMatchObject({ code: 0 });
    try {
      verifyVersions(dir.file('raw'), model.copy(), what);
      return;
    } catch (error) {
      failed.push(error);
    }
  }
  throw failed[0];
}
