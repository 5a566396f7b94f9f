/** Stream, commit and the commands of jobs: what they answer and tell, alone and beside the reference. */
import { existsSync } from 'node:fs';
import { createImage, imageInfo, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { attach, testServer, type Message, type TestClient } from './support.js';
import { bothWithEvents, type Move } from './with-events.js';

const MiB = 2 ** 20;
const tools = skipUnless('qemu-storage-daemon', 'qemu-img', 'qemu-io');

/** Four images of 4 MiB, one over the other, each with a range of its own. */
async function chain(dir: TempDir): Promise<void> {
  for (const index of [0, 1, 2, 3]) {
    const file = dir.file(`c${index}.qcow2`);
    await createImage(file, 'qcow2', 4 * MiB, ...(index === 0 ? [] : ['-b', dir.file(`c${index - 1}.qcow2`), '-F', 'qcow2']));
    await qemuIo(file, [`write -P ${index + 1} ${index * 128}k 256k`], { format: 'qcow2' });
  }
}

const node = (dir: TempDir, index: number, further: object = {}): object => ({
  driver: 'qcow2',
  'node-name': `n${index}`,
  file: { driver: 'file', filename: dir.file(`c${index}.qcow2`) },
  ...further,
});

/** Opens all four as nodes `n0` to `n3`. */
const open = (dir: TempDir): Move => ['blockdev-add', node(dir, 3, { backing: node(dir, 2, { backing: node(dir, 1, { backing: node(dir, 0) }) }) })];

/** Without what depends on when somebody looks. */
function settled(message: Message): Message {
  return JSON.parse(
    JSON.stringify(message, (key, value: unknown) => (key === 'offset' || key === 'current-progress' || key === 'busy' ? undefined : value)),
  ) as Message;
}

describe.skipIf(tools.skip)(tools.title('beside the reference'), () => {
  const same = async (script: (dir: TempDir) => readonly Move[], exact = true): Promise<void> => {
    const { ours, theirs } = await bothWithEvents(chain, script);
    expect(exact ? ours : { replies: ours.replies.map(settled), events: ours.events.map(settled) }).toEqual(
      exact ? theirs : { replies: theirs.replies.map(settled), events: theirs.events.map(settled) },
    );
    expect(ours.events.length).toBeGreaterThan(0);
  };

  it('streams: all of it, down to a base, into the middle', () =>
    same((dir) => [
      open(dir),
      ['block-stream', { device: 'n2', 'job-id': 'a', 'base-node': 'n0' }],
      { wait: 'null' },
      ['block-stream', { device: 'n3', 'job-id': 'b', base: dir.file('c0.qcow2'), 'backing-file': 'some/name' }],
      { wait: 'null' },
      ['block-stream', { device: 'n3', 'job-id': 'c', bottom: 'n3' }],
      { wait: 'null' },
      ['block-stream', { device: 'n3', 'job-id': 'd' }],
      { wait: 'null' },
      ['block-stream', { device: 'n3', 'job-id': 'e' }],
      { wait: 'null' },
      ['query-jobs'],
      ['query-block-jobs'],
    ]));

  it('commits into the image below, and into one further down', () =>
    same((dir) => [
      open(dir),
      ['block-commit', { device: 'n3', 'job-id': 'a', 'top-node': 'n2', 'base-node': 'n1' }],
      { wait: 'null' },
      ['block-commit', { device: 'n3', 'job-id': 'b', top: dir.file('c1.qcow2'), 'backing-file': 'c0.qcow2' }],
      { wait: 'null' },
    ]));

  it('commits the image that is written to, and switches when asked', () =>
    same((dir) => [
      open(dir),
      ['block-commit', { device: 'n2', 'job-id': 'a' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', 'base-node': 'n1' }],
      { wait: 'BLOCK_JOB_READY' },
      ['query-jobs'],
      ['block-job-complete', { device: 'a' }],
      { wait: 'null' },
      ['block-commit', { device: 'n1', 'job-id': 'b' }],
    ], false));

  it('waits for finalize and dismiss, with what is refused meanwhile', () =>
    same((dir) => [
      open(dir),
      ['block-stream', { device: 'n3', 'job-id': 'a', 'auto-finalize': false, 'auto-dismiss': false }],
      { wait: 'BLOCK_JOB_PENDING' },
      ['query-jobs'],
      ['query-block-jobs'],
      ['job-pause', { id: 'a' }],
      ['job-complete', { id: 'a' }],
      ['job-dismiss', { id: 'a' }],
      ['job-resume', { id: 'a' }],
      ['block-job-set-speed', { device: 'a', speed: 1 }],
      ['block-stream', { device: 'n3', 'job-id': 'a' }],
      ['job-finalize', { id: 'a' }],
      ['query-jobs'],
      ['query-block-jobs'],
      ['block-job-cancel', { device: 'a' }],
      ['block-job-finalize', { id: 'a' }],
      ['block-job-dismiss', { id: 'a' }],
      ['query-jobs'],
    ]));

  it('pauses, resumes and cancels a job that is held back', () =>
    same((dir) => [
      open(dir),
      ['block-stream', { device: 'n3', 'job-id': 'a', speed: 1 }],
      ['job-pause', { id: 'a' }],
      { wait: 'paused' },
      ['query-block-jobs'],
      ['query-jobs'],
      ['job-pause', { id: 'a' }],
      ['block-job-cancel', { device: 'a' }],
      ['block-job-complete', { device: 'a' }],
      ['job-finalize', { id: 'a' }],
      ['job-resume', { id: 'a' }],
      ['job-resume', { id: 'a' }],
      ['block-job-set-speed', { device: 'a', speed: -1 }],
      ['block-job-set-speed', { device: 'a', speed: 2 }],
      ['job-pause', { id: 'a' }],
      { wait: 'paused' },
      ['job-cancel', { id: 'a' }],
      { wait: 'null' },
    ], false));

  it('refuses what can not be', () =>
    same((dir) => [
      open(dir),
      ['blockdev-add', { driver: 'null-co', 'node-name': 'lone', size: MiB, 'read-zeroes': true }],
      ['block-stream', { device: 'n3' }],
      ['block-stream', { device: 'n3', 'job-id': '1x' }],
      ['block-stream', { device: 'n3', 'job-id': 'a', 'backing-file': 'x' }],
      ['block-stream', { device: 'n3', 'job-id': 'a', base: '/nope' }],
      ['block-stream', { device: 'n3', 'job-id': 'a', base: '/nope', 'base-node': 'n1' }],
      ['block-stream', { device: 'n3', 'job-id': 'a', bottom: 'n2', 'base-node': 'n1' }],
      ['block-stream', { device: 'n3', 'job-id': 'a', 'base-node': 'n3' }],
      ['block-stream', { device: 'n3', 'job-id': 'a', 'base-node': 'lone' }],
      ['block-stream', { device: 'n3', 'job-id': 'a', 'base-node': 'nope' }],
      ['block-stream', { device: 'n3', 'job-id': 'a', bottom: 'lone' }],
      ['block-stream', { device: 'n3', 'job-id': 'a', 'on-error': 'nope' }],
      ['block-commit', { device: 'nope', 'job-id': 'a' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', top: '/nope' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', base: '/nope' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', 'backing-file': 'x' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', 'top-node': 'n2', top: 'x' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', 'top-node': 'n2', base: 'x', 'base-node': 'n1' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', 'top-node': 'lone' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', 'top-node': 'nope' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', 'top-node': 'n1', 'base-node': 'n2' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', 'top-node': 'n1', 'base-node': 'n1' }],
      ['block-commit', { device: 'n3', 'job-id': 'a', 'top-node': 'n2', base: dir.file('c2.qcow2') }],
      ...['job-pause', 'job-resume', 'job-cancel', 'job-complete', 'job-finalize', 'job-dismiss'].map((command): Move => [command, { id: 'nope' }]),
      ...['block-job-pause', 'block-job-resume', 'block-job-cancel', 'block-job-complete'].map((command): Move => [command, { device: 'nope' }]),
      ['block-job-finalize', { id: 'nope' }],
      ['block-job-dismiss', { id: 'nope' }],
      ['block-job-set-speed', { device: 'nope', speed: 1 }],
      ['block-stream', { device: 'n3', 'job-id': 'a', speed: 1 }],
      ['block-stream', { device: 'n2', 'job-id': 'b' }],
      ['block-stream', { device: 'n3', 'job-id': 'b' }],
      ['job-cancel', { id: 'a' }],
      { wait: 'null' },
    ], false));
});

async function served(dir: TempDir, device: object): Promise<{ client: TestClient; server: Awaited<ReturnType<typeof testServer>> }> {
  await chain(dir);
  const server = await testServer();
  const client = await attach(server).negotiate();
  await client.execute('blockdev-add', device);
  return { client, server };
}

describe.skipIf(tools.skip)(tools.title('as the contract has it'), () => {
  const drive = (dir: TempDir, further: object = {}): object => ({
    options: { driver: 'qcow2', id: 'drive0', file: { driver: 'file', filename: dir.file('c3.qcow2') }, ...further },
  });

  it('a device gives its name to the job; pause and resume may be said twice', async () => {
    using dir = tempDir();
    const { client, server } = await served(dir, drive(dir));
    await client.execute('block-stream', { device: 'drive0', speed: 1 });
    expect(await client.ask('block-stream', { device: 'drive0' })).toMatchObject({ error: { class: 'GenericError' } });
    expect(await client.execute('query-block-jobs')).toMatchObject([{ type: 'stream', device: 'drive0', len: 4 * MiB, paused: false, speed: 1, 'io-status': 'ok', ready: false }]);
    for (const command of ['block-job-pause', 'block-job-pause', 'block-job-resume', 'block-job-resume']) await client.execute(command, { device: 'drive0' });
    await client.execute('block-job-set-speed', { device: 'drive0', speed: 0 });
    expect((await client.event('BLOCK_JOB_COMPLETED')).data).toEqual({ type: 'stream', device: 'drive0', len: 4 * MiB, offset: 4 * MiB, speed: 0 });
    await server.close();
    expect((await imageInfo(dir.file('c3.qcow2')))['backing-filename']).toBeUndefined();
  });

  it.each(['block-stream', 'block-commit', 'block-job-set-speed', 'block-job-cancel', 'block-job-pause', 'block-job-resume', 'block-job-complete'])('%s knows its error classes', async (command) => {
    using dir = tempDir();
    const { client, server } = await served(dir, drive(dir));
    const starts = command === 'block-stream' || command === 'block-commit';
    const args = { device: 'nope', ...(command === 'block-job-set-speed' ? { speed: 0 } : {}) };
    expect(await client.ask(command, args)).toEqual({
      error: starts ? { class: 'DeviceNotFound', desc: "Device 'nope' not found" } : { class: 'DeviceNotActive', desc: "Block job 'nope' not found" },
    });
    await server.close();
  });

  it('a policy that stops needs a device with an io-status', async () => {
    using dir = tempDir();
    const { client, server } = await served(dir, drive(dir, { rerror: 'report', werror: 'report' }));
    for (const command of ['block-stream', 'block-commit']) {
      expect(await client.ask(command, { device: 'drive0', top: dir.file('c2.qcow2'), 'on-error': 'stop' })).toMatchObject({ error: { class: 'GenericError' } });
    }
    expect(await client.ask('block-stream', { device: 'drive0', 'on-error': 'enospc' })).toEqual({ error: { class: 'GenericError', desc: "Invalid parameter 'on-error'" } });
    await server.close();
  });

  it('keeps commands away from what a job works on', async () => {
    using dir = tempDir();
    const { client, server } = await served(dir, drive(dir));
    await client.execute('block-stream', { device: 'drive0', speed: 1 });
    const node = server.graph.backends.get('drive0')?.root.name ?? '';
    const busy = { error: { class: 'GenericError', desc: `Node '${node}' is busy: block device is in use by block job: stream` } };
    expect(await client.ask('block_resize', { device: 'drive0', size: 8 * MiB })).toMatchObject({ error: { desc: "Device 'drive0' is in use" } });
    expect(await client.ask('blockdev-snapshot-sync', { device: 'drive0', 'snapshot-file': dir.file('s.qcow2') })).toEqual(busy);
    expect(await client.ask('change-backing-file', { device: 'drive0', 'image-node-name': node, 'backing-file': 'x' })).toEqual(busy);
    expect(await client.ask('blockdev-snapshot-internal-sync', { device: 'drive0', name: 's' })).toEqual(busy);
    expect(await client.ask('eject', { device: 'drive0', force: true })).toEqual(busy);
    expect(existsSync(dir.file('s.qcow2'))).toBe(false);
    await client.execute('block-job-cancel', { device: 'drive0' });
    await client.event('BLOCK_JOB_CANCELLED');
    await client.execute('change-backing-file', { device: 'drive0', 'image-node-name': node, 'backing-file': 'x' });
    await server.close();
  });

  it('ends its jobs when it ends, and says so', async () => {
    using dir = tempDir();
    const { client, server } = await served(dir, drive(dir));
    await client.execute('block-stream', { device: 'drive0', speed: 1 });
    await client.execute('block-job-pause', { device: 'drive0' });
    await server.close();
    expect((await client.event('BLOCK_JOB_CANCELLED')).data).toMatchObject({ type: 'stream', device: 'drive0', len: 4 * MiB, speed: 1 });
    expect(server.lines).toEqual([]);
  });
});
