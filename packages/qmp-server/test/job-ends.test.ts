/** The last moments of jobs over QMP: whoever asks at the very end, twice, or too late, gets an answer, and the events of one end. */
import { createImage, prng, qemuImg, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { attach, testServer, type Message, type TestClient } from './support.js';

const tools = skipUnless('qemu-img', 'qemu-io');
const MiB = 1 << 20;

async function images(dir: TempDir): Promise<void> {
  await createImage(dir.file('base.qcow2'), 'qcow2', '2M');
  await qemuIo(dir.file('base.qcow2'), ['write -P 1 0 2M'], { format: 'qcow2' });
  await createImage(dir.file('o.qcow2'), 'qcow2', '2M', '-b', dir.file('base.qcow2'), '-F', 'qcow2');
  await qemuIo(dir.file('o.qcow2'), ['write -P 2 0 512k'], { format: 'qcow2' });
  await createImage(dir.file('t.qcow2'), 'qcow2', '2M');
}

async function setUp(dir: TempDir): Promise<{ server: Awaited<ReturnType<typeof testServer>>; client: TestClient }> {
  await images(dir);
  const server = await testServer();
  const client = await attach(server).negotiate();
  await client.execute('blockdev-add', { options: { driver: 'qcow2', id: 'd', 'node-name': 'o', file: { driver: 'file', filename: dir.file('o.qcow2') } } });
  await client.execute('blockdev-add', { driver: 'qcow2', 'node-name': 't', file: { driver: 'file', filename: dir.file('t.qcow2') } });
  return { server, client };
}

const status = (message: Message): string | undefined => (message.event === 'JOB_STATUS_CHANGE' ? (message.data as { status: string }).status : undefined);
const over = (message: Message): boolean => status(message) === 'null';
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const STARTS: readonly (readonly [string, object])[] = [
  ['blockdev-mirror', { device: 'd', target: 't', sync: 'full', 'filter-node-name': 'F' }],
  ['blockdev-backup', { device: 'd', target: 't', sync: 'full', 'filter-node-name': 'F' }],
  ['block-commit', { device: 'd', 'filter-node-name': 'F' }],
  ['block-stream', { device: 'd', 'filter-node-name': 'F' }],
];
const VERBS = ['block-job-cancel', 'block-job-complete', 'block-job-pause', 'block-job-resume', 'job-cancel', 'job-complete', 'block-job-set-speed', 'query-block-jobs'];
const SEEDS = Array.from({ length: 4 }, (_, index) => index + 1);

describe.skipIf(tools.skip)(tools.title('the end of a job'), () => {
  test.each(STARTS.flatMap(([command, args]) => SEEDS.map((seed) => [command, seed, args] as const)))('%s, seed %i: verbs at any moment', async (command, seed, args) => {
    using dir = tempDir();
    const random = prng(seed * 104729);
    const { server, client } = await setUp(dir);
    await client.execute(command, args);
    const other = await attach(server).negotiate();
    for (let step = 0; step < 12; step++) {
      await turns(random.below(20));
      for (const each of [client, other]) {
        const verb = random.pick(VERBS);
        const id = verb.startsWith('job-') ? { id: 'd' } : { device: 'd' };
        each.send({ execute: verb, arguments: { ...(verb.startsWith('query') ? {} : id), ...(verb.endsWith('speed') ? { speed: random.pick([0, 1 << 24]) } : {}) } });
      }
      for (const each of [client, other]) {
        const { error } = (await each.reply()) as { error?: { class: string; desc: string } };
        if (error !== undefined) {
          expect(`${error.class}: ${error.desc}`).toMatch(
            /^(DeviceNotActive: Block job 'd' not found|GenericError: (Job not found|Job 'd' in state '\w+' cannot accept command verb '[\w-]+'|The (active block job|block job for device) 'd' .*|The active block job .*|Job is already paused|Can't resume a job that was not paused))$/,
          );
        }
      }
    }
    // However it stands: it ends.
    await client.ask('block-job-resume', { device: 'd' });
    await client.ask('block-job-cancel', { device: 'd', force: true });
    await client.next(over);
    await turns(2);
    const events = client.text.split('\r\n').filter((line) => line.includes('"event"')).map((line) => JSON.parse(line) as Message);
    expect(events.filter(({ event }) => event === 'BLOCK_JOB_COMPLETED' || event === 'BLOCK_JOB_CANCELLED')).toHaveLength(1);
    expect(events.filter((event) => status(event) === 'concluded')).toHaveLength(1);
    expect([await client.execute('query-block-jobs'), server.graph.findNode('F')]).toEqual([[], undefined]);
    // The disk is the guest's, whichever file it is in now.
    const device = server.graph.backends.get('d')!;
    const bytes = new Uint8Array(2 * MiB);
    await device.read(0, bytes, 0, bytes.length);
    expect([bytes[0], bytes[MiB / 2 - 1], bytes[MiB / 2], bytes[2 * MiB - 1]]).toEqual([2, 2, 1, 1]);
    await device.write(0, new Uint8Array(512).fill(9), 0, 512);
    const file = device.root.filename;
    await server.close();
    expect([...server.graph.nodes]).toEqual([]);
    expect(await qemuImg('check', file)).toMatchObject({ code: 0 });
    expect((await qemuIo(file, ['read -P 9 0 512', 'read -P 2 512 511k', 'read -P 1 512k 1536k'], { format: 'qcow2' })).stdout).not.toContain('failed');
  });

  test('completed twice it completes once', async () => {
    using dir = tempDir();
    const { server, client } = await setUp(dir);
    await client.execute('blockdev-mirror', { device: 'd', target: 't', sync: 'full' });
    await client.event('BLOCK_JOB_READY');
    for (let time = 0; time < 3; time++) client.send({ execute: 'block-job-complete', arguments: { device: 'd' } });
    expect(await client.reply()).toEqual({ return: {} });
    for (let time = 0; time < 2; time++) {
      const { error } = (await client.reply()) as { error?: { desc: string } };
      expect(error?.desc ?? 'taken').toMatch(/^(taken|Block job 'd' not found|Job 'd' in state '\w+' cannot accept command verb 'complete')$/);
    }
    await client.next(over);
    expect(client.text.split('BLOCK_JOB_COMPLETED')).toHaveLength(2);
    await server.close();
  });

  test('completed, it can still be called off until it switches, and says which it was', async () => {
    using dir = tempDir();
    const { server, client } = await setUp(dir);
    await client.execute('blockdev-mirror', { device: 'd', target: 't', sync: 'full' });
    await client.event('BLOCK_JOB_READY');
    client.send({ execute: 'block-job-complete', arguments: { device: 'd' } });
    client.send({ execute: 'block-job-cancel', arguments: { device: 'd', force: true } });
    expect(await client.reply()).toEqual({ return: {} });
    await client.reply();
    await client.next(over);
    const completed = client.text.includes('BLOCK_JOB_COMPLETED');
    expect(client.text.includes('BLOCK_JOB_CANCELLED')).toBe(!completed);
    expect(server.graph.backends.get('d')!.root.name).toBe(completed ? 't' : 'o');
    await server.close();
  });

  test('nodes of a job are not deleted under it, and can be as soon as it has ended', async () => {
    using dir = tempDir();
    const { server, client } = await setUp(dir);
    await client.execute('blockdev-backup', { device: 'd', target: 't', sync: 'none' });
    expect(await client.ask('blockdev-del', { 'node-name': 't' })).toEqual({ error: { class: 'GenericError', desc: 'Node t is in use' } });
    expect(await client.ask('blockdev-del', { 'node-name': 'o' })).toMatchObject({ error: { class: 'GenericError' } });
    await client.execute('block-job-cancel', { device: 'd' });
    await client.next(over);
    expect(await client.ask('blockdev-del', { 'node-name': 't' })).toEqual({ return: {} });
    await server.close();
  });

  test.each(STARTS)('%s goes on when the client that asked for it breaks off, and ends with the server', async (command, args) => {
    using dir = tempDir();
    const { server, client } = await setUp(dir);
    await client.execute(command, { ...args, speed: 1 });
    client.send('{"execute": "query-bl');
    client.stream.destroy();
    const other = await attach(server).negotiate();
    expect(await other.execute('query-block-jobs')).toMatchObject([{ device: 'd' }]);
    await server.close();
    expect([...server.graph.nodes]).toEqual([]);
    expect(server.lines.filter((line) => line.includes('unexpectedly'))).toEqual([]);
    expect(await qemuImg('check', dir.file('o.qcow2'))).toMatchObject({ code: 0 });
    expect((await qemuIo(dir.file('o.qcow2'), ['read -P 2 0 512k', 'read -P 1 512k 1536k'], { format: 'qcow2' })).stdout).not.toContain('failed');
  });

  test('ten thousand commands sent at once, some of them cut off by the end of the client, harm nobody', async () => {
    const server = await testServer();
    const client = await attach(server).negotiate();
    client.stream.write('{"execute":"query-status"}\n'.repeat(10_000));
    for (let answer = 0; answer < 10_000; answer++) expect(await client.reply()).toMatchObject({ return: { running: true } });
    client.stream.write('{"execute":"query-block"}\n'.repeat(10_000));
    await client.reply();
    client.stream.destroy();
    const other = await attach(server).negotiate();
    expect(await other.execute('query-block')).toEqual([]);
    await server.close();
  });
});
