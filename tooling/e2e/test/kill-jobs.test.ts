// The server killed at random moments of a job, with a guest at work: the chain opens, is not corrupt, and holds all that was flushed.
import { describe, expect, test } from 'vitest';
import { prng, qemuImg, skipUnless, tempDir, type Prng, type TempDir } from '@blk/oracle';
import { BLOCK, NbdTestClient, startDaemon, verifyVersions, Versions, writeUntilCut, type Daemon } from '../src/index.js';

const SIZE = 16 * 1024 * 1024;
const ROUNDS = Number(process.env['BLK_KILL_JOB_ROUNDS'] ?? 2);

const JOBS = {
  'stream of all of the chain': ['block-stream', {}],
  'stream down to a base': ['block-stream', { 'base-node': 'n0' }],
  'stream into the middle': ['block-stream', { device: 'n2', 'base-node': 'n0' }],
  'commit of two images': ['block-commit', { 'top-node': 'n2', 'base-node': 'n0' }],
  'commit of one image': ['block-commit', { 'top-node': 'n1', 'base-node': 'n0' }],
} as const;

const needs = skipUnless('qemu-img');

describe.skipIf(needs.skip)(needs.title('SIGKILL during a job'), () => {
  test.each(Object.entries(JOBS))('%s', { timeout: 900_000 }, async (name, [command, args]) => {
    const random = prng(name.length * 7919 + 5);
    for (let round = 0; round < ROUNDS; round++) {
      using dir = tempDir();
      const model = new Versions(SIZE / BLOCK);
      await oneLife(dir, model, random, command, { device: 'n3', 'job-id': 'job', ...args });
      await examine(dir, model, `${name}, round ${round}`);
    }
  });
});

/** A chain of four, a guest, a job and a kill. */
async function oneLife(dir: TempDir, model: Versions, random: Prng, command: string, args: object): Promise<void> {
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
  const speed = random.pick([0, 0, 40_000_000]);
  const kill = setTimeout(() => { daemon.process.kill('SIGKILL'); }, 1 + random.below(speed === 0 ? 60 : 300));
  await execute(daemon, command, { ...args, speed }).catch((error: unknown) => {
    if (!/closed/.test((error as Error).message)) throw error;
  });
  await Promise.all([0, 1, 2, 3].map((lane) => writeUntilCut(client, lane, model, completed, random)));
  clearTimeout(kill);
  await daemon.exited;
  client.destroy();
  const events = daemon.qmp?.events ?? [];
  const ending = events.find(({ event }) => event === 'BLOCK_JOB_COMPLETED') as { readonly data: { readonly error?: string } } | undefined;
  expect(ending?.data.error).toBeUndefined();
}

/** What one image of the chain gets: something of every lane, over what those below have. */
async function fill(client: NbdTestClient, model: Versions, completed: Map<number, number>, random: Prng): Promise<void> {
  for (const lane of [0, 1, 2, 3]) await writeUntilCut(client, lane, model, completed, random, 25);
}

async function execute(daemon: Daemon, command: string, args: object): Promise<void> {
  await daemon.qmp?.execute(command, args);
}

async function examine(dir: TempDir, model: Versions, what: string): Promise<void> {
  for (const index of [0, 1, 2, 3]) {
    const check = await qemuImg('check', '--output=json', dir.file(`c${index}.qcow2`));
    const report = JSON.parse(check.stdout) as { corruptions?: number; 'check-errors': number };
    expect([report['check-errors'], report.corruptions ?? 0], `${what}, image ${index}: ${check.stderr}`).toEqual([0, 0]);
  }
  expect(await qemuImg('convert', '-f', 'qcow2', '-O', 'raw', dir.file('c3.qcow2'), dir.file('raw')), what).toMatchObject({ code: 0 });
  verifyVersions(dir.file('raw'), model, what);
}
