// A quorum of three, one copy here, one over NBD, one over SSH, under a guest: any of them may be lost, and is made anew by a mirror.
import { describe, expect, onTestFailed, test, vi } from 'vitest';
import { expectContent, prng, skipUnless, tempDir } from '@blk/oracle';
import { CHILDREN, Copies, Guest, startDaemon, type Child, type Daemon, type Definition, type Spare } from '../src/index.js';

const SIZE = 4 * 1024 * 1024;
const SEED = Number(process.env['BLK_QUORUM_SEED'] ?? 1);

type Qmp = NonNullable<Daemon['qmp']>;

const needs = skipUnless('qemu-img', 'qemu-nbd', 'sshd', 'ssh-keygen');

describe.skipIf(needs.skip)(needs.title('a quorum of three'), () => {
  test.each(CHILDREN)('bears the loss of the copy that is %s, and a mirror makes it anew', async (victim) => {
    using dir = tempDir();
    const random = prng(SEED + CHILDREN.indexOf(victim));
    await using copies = await Copies.start(dir, SIZE);
    await using daemon = await startDaemon({ monitor: dir.file('qmp'), env: copies.env });
    const moment = 20 + random.below(200);
    const qmp = await serve(daemon, quorumOf(copies.definitions(victim === 'local' ? moment : undefined)), dir.file('disk'));
    const guest = await Guest.start(dir.file('disk'), 'disk', random, Buffer.alloc(SIZE));

    if (victim !== 'local') {
      await guest.goOn(moment);
      await copies.kill(victim);
    }
    await told(qmp, guest, 'QUORUM_REPORT_BAD');
    await guest.goOn(50);

    const spare = await copies.spare(victim, SIZE);
    await mirror(qmp, guest, victim, spare);
    await guest.goOn(100);
    await guest.stop();

    expect(events(qmp, 'QUORUM_FAILURE')).toEqual([]);
    const bad = events(qmp, 'QUORUM_REPORT_BAD');
    expect(new Set(bad.map((data) => data['node-name']))).toEqual(new Set([victim]));
    for (const data of bad) {
      expect(data['type']).toMatch(/^(read|write|flush)$/);
      // A dead disk below qcow2 still reads as zeroes where nothing was stored before: the copy has lost the vote then.
      if (victim !== 'local' || data['type'] !== 'read') expect(data['error']).toEqual(expect.any(String));
    }
    await qmp.execute('quit');
    expect(await daemon.exited).toBe(0);
    const files = CHILDREN.map((child) => (child === victim ? spare.file : dir.file(child)));
    for (const [at, file] of files.entries()) await expectContent(file, at === 0 && victim !== 'local' ? 'qcow2' : 'raw', guest.model);
  });

  test('bears the loss of all copies one after the other, each made anew by a mirror before the next is lost', async () => {
    using dir = tempDir();
    const random = prng(SEED + 40);
    await using copies = await Copies.start(dir, SIZE);
    await using daemon = await startDaemon({ monitor: dir.file('qmp'), env: copies.env });
    const qmp = await serve(daemon, quorumOf(copies.definitions(20 + random.below(200))), dir.file('disk'));
    const guest = await Guest.start(dir.file('disk'), 'disk', random, Buffer.alloc(SIZE));
    const files: string[] = [];
    // The first one dies by itself.
    for (const victim of CHILDREN) {
      if (victim !== 'local') await copies.kill(victim);
      while (!events(qmp, 'QUORUM_REPORT_BAD').some((data) => data['node-name'] === victim)) await guest.goOn(1);
      await guest.goOn(50);
      const spare = await copies.spare(victim, SIZE);
      await mirror(qmp, guest, victim, spare);
      await guest.goOn(50);
      files.push(spare.file);
    }
    await guest.stop();
    expect(events(qmp, 'QUORUM_FAILURE')).toEqual([]);
    // None of the new ones failed.
    expect(new Set(events(qmp, 'QUORUM_REPORT_BAD').map((data) => data['node-name']))).toEqual(new Set(CHILDREN));
    await qmp.execute('quit');
    expect(await daemon.exited).toBe(0);
    for (const file of files) await expectContent(file, 'raw', guest.model);
  });

  test.each(['nbd', 'ssh'] as const)('goes on when the copy on %s hangs and has a time-out', async (victim) => {
    using dir = tempDir();
    const random = prng(SEED + 30);
    await using copies = await Copies.start(dir, SIZE);
    await using daemon = await startDaemon({ monitor: dir.file('qmp'), env: copies.env });
    const children = copies.definitions().map((child) => (child.driver === victim ? { ...child, timeout: 2 } : child));
    const qmp = await serve(daemon, quorumOf(children), dir.file('disk'));
    const guest = await Guest.start(dir.file('disk'), 'disk', random, Buffer.alloc(SIZE));
    await guest.goOn(20 + random.below(200));
    copies.freeze(victim);
    await guest.goOn(100);
    await guest.stop();
    const told = events(qmp, 'QUORUM_REPORT_BAD');
    expect(new Set(told.map((data) => data['node-name']))).toEqual(new Set([victim]));
    expect(told[0]).toMatchObject({ error: 'Connection timed out' });
    expect(events(qmp, 'QUORUM_FAILURE')).toEqual([]);
    await qmp.execute('quit');
    // A server that hangs as a whole may have lost what it took last; that of SSH has given the file to another process meanwhile.
    expect(await daemon.exited).toBe(victim === 'nbd' ? 1 : 0);
    expect(daemon.stderr()).toBe(victim === 'nbd' ? 'blk: cannot flush: The connection to the server is lost\n' : '');
    await expectContent(dir.file('local'), 'qcow2', guest.model);
    await expectContent(dir.file(victim === 'nbd' ? 'ssh' : 'nbd'), 'raw', guest.model);
  });

  test('that lost two fails what is asked of it, gives no wrong bytes, and goes on when they are back', async () => {
    using dir = tempDir();
    const random = prng(SEED + 10);
    await using copies = await Copies.start(dir, SIZE);
    await using daemon = await startDaemon({ monitor: dir.file('qmp'), env: copies.env });
    const qmp = await serve(daemon, quorumOf(copies.definitions()), dir.file('disk'));
    const guest = await Guest.start(dir.file('disk'), 'disk', random, Buffer.alloc(SIZE), Infinity);
    await guest.goOn(20 + random.below(200));
    expect([guest.failed, events(qmp, 'QUORUM_FAILURE')]).toEqual([0, []]);

    await Promise.all([copies.kill('nbd'), copies.kill('ssh')]);
    await vi.waitUntil(() => guest.failed > 20 && events(qmp, 'QUORUM_FAILURE').length > 0, { timeout: 60_000 });
    for (const data of events(qmp, 'QUORUM_FAILURE')) expect(data).toEqual({ reference: 'q', 'sector-num': expect.any(Number) as number, 'sectors-count': expect.any(Number) as number });

    await copies.revive('nbd');
    await copies.revive('ssh');
    await guest.goOn(200);
    await guest.stop();
    expect(guest.errors).toEqual(new Set(['NBD error 5']));
    await qmp.execute('quit');
    expect(await daemon.exited).toBe(0);
    // The copy that is here never missed a write.
    await expectContent(dir.file('local'), 'qcow2', guest.model);
  });
});

describe.skipIf(needs.skip)(needs.title('a disk on an SSH server'), () => {
  test('that is away for a while is waited for as reconnect-delay says: all that fails is a flush of what it may have lost', async () => {
    using dir = tempDir();
    const random = prng(SEED + 20);
    await using copies = await Copies.start(dir, SIZE);
    await using daemon = await startDaemon({ monitor: dir.file('qmp'), env: copies.env });
    const qmp = await serve(daemon, copies.patient, dir.file('disk'));
    const guest = await Guest.start(dir.file('disk'), 'disk', random, Buffer.alloc(SIZE), 1);
    await guest.goOn(20 + random.below(200));
    await copies.kill('ssh');
    await copies.revive('ssh');
    await guest.goOn(200);
    await guest.stop();
    expect(guest.failed).toBeLessThanOrEqual(1);
    await qmp.execute('quit');
    expect(await daemon.exited).toBe(0);
    await expectContent(dir.file('ssh'), 'raw', guest.model);
  });
});

function quorumOf(children: readonly object[]): Definition {
  return { driver: 'quorum', 'node-name': 'q', 'vote-threshold': 2, children };
}

/** Opens the disk and serves it to guests. */
async function serve(daemon: Daemon, disk: Definition, path: string): Promise<Qmp> {
  if (daemon.qmp === undefined) throw new Error('the daemon has no monitor');
  const { qmp } = daemon;
  onTestFailed(() => { process.stderr.write(`the daemon said: ${daemon.stderr()}\n${qmp.events.map((event) => JSON.stringify(event)).join('\n')}\n`); });
  await qmp.execute('blockdev-add', disk);
  await qmp.execute('nbd-server-start', { addr: { type: 'unix', data: { path } } });
  await qmp.execute('block-export-add', { type: 'nbd', id: 'e', 'node-name': disk['node-name'], name: 'disk', writable: true });
  return qmp;
}

/** Copies the disk to a spare one, under the guest's work, and puts that in the place of the lost child. */
async function mirror(qmp: Qmp, guest: Guest, victim: Child, { definition, target }: Spare): Promise<void> {
  const [ready, completed] = ['BLOCK_JOB_READY', 'BLOCK_JOB_COMPLETED'].map((event) => events(qmp, event).length + 1);
  const job = { 'job-id': 'repair', device: 'q', sync: 'full', replaces: victim };
  if (victim === 'ssh') {
    await qmp.execute('blockdev-add', definition);
    await qmp.execute('blockdev-mirror', { ...job, target: definition['node-name'] });
  } else {
    await qmp.execute('drive-mirror', { ...job, target, format: 'raw', 'node-name': `new-${victim}`, mode: victim === 'local' ? 'absolute-paths' : 'existing' });
  }
  await told(qmp, guest, 'BLOCK_JOB_READY', ready);
  await guest.goOn(20);
  await qmp.execute('block-job-complete', { device: 'repair' });
  await told(qmp, guest, 'BLOCK_JOB_COMPLETED', completed);
  expect(events(qmp, 'BLOCK_JOB_COMPLETED').map(({ error }) => error)).toEqual(Array(completed).fill(undefined));
}

/** Waits, while the guest works, until an event came so many times. */
async function told(qmp: Qmp, guest: Guest, event: string, times = 1): Promise<void> {
  while (events(qmp, event).length < times) await guest.goOn(1);
}

function events(qmp: Qmp, name: string): Record<string, unknown>[] {
  return qmp.events.filter(({ event }) => event === name).map(({ data }) => data as Record<string, unknown>);
}
