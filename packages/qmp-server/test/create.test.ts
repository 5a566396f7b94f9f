// Images made by a job: every format and option that the schema has, held against the reference; and what goes wrong.
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { qemuImg, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { luks } from '@blk/drivers-luks';
import { parallels } from '@blk/drivers-parallels';
import { qcow } from '@blk/drivers-qcow';
import { qed } from '@blk/drivers-qed';
import { vdi } from '@blk/drivers-vdi';
import { vhdx } from '@blk/drivers-vhdx';
import { vpc } from '@blk/drivers-vpc';
import { attach, drivers, testServer, type Message, type TestClient } from './support.js';

const MIB = 1 << 20;
const needs = skipUnless('qemu-img');

async function session(): Promise<{ server: Awaited<ReturnType<typeof testServer>>; client: TestClient; create: (options: object) => Promise<string | undefined> }> {
  const server = await testServer({ drivers: [...drivers, luks, parallels, qcow, qed, vdi, vhdx, vpc] });
  const client = await attach(server).negotiate();
  let count = 0;
  /** Runs a job to its end; gives its error. */
  const create = async (options: object): Promise<string | undefined> => {
    const id = `job${count++}`;
    await client.execute('blockdev-create', { 'job-id': id, options });
    await client.next(({ event, data }) => event === 'JOB_STATUS_CHANGE' && (data as Message).id === id && (data as Message).status === 'concluded');
    const job = ((await client.execute('query-jobs')) as Message[]).find((each) => each.id === id)!;
    expect(job).toMatchObject({ type: 'create', status: 'concluded', 'current-progress': 1, 'total-progress': 1 });
    await client.execute('job-dismiss', { id });
    return job.error as string | undefined;
  };
  return { server, client, create };
}

describe.skipIf(needs.skip)(needs.title('blockdev-create'), () => {
  test.each([
    ['qcow2', { 'cluster-size': 4096, version: 'v2' }, { 'cluster-size': 4096, 'format-specific': { data: { compat: '0.10', 'refcount-bits': 16 } } }],
    ['qcow2', { version: 'v3', 'lazy-refcounts': true, 'refcount-bits': 1, preallocation: 'metadata' }, { 'format-specific': { data: { compat: '1.1', 'lazy-refcounts': true, 'refcount-bits': 1 } } }],
    ['qcow2', { 'extended-l2': true, 'compression-type': 'zstd' }, { 'format-specific': { data: { 'extended-l2': true, 'compression-type': 'zstd' } } }],
    ['qcow2', { 'backing-file': 'base', 'backing-fmt': 'raw' }, { 'backing-filename': 'base', 'backing-filename-format': 'raw' }],
    ['qcow2', { encrypt: { format: 'luks', 'key-secret': 's', 'iter-time': 10, 'cipher-alg': 'aes-128' } }, { encrypted: true }],
    ['vdi', { preallocation: 'metadata' }, {}],
    ['vhdx', { 'log-size': MIB, 'block-size': MIB, subformat: 'fixed', 'block-state-zero': false }, {}],
    ['vpc', { subformat: 'fixed', 'force-size': true }, {}],
    ['luks', { 'key-secret': 's', 'iter-time': 10, 'cipher-alg': 'aes-128' }, { encrypted: true, 'format-specific': { data: { 'cipher-alg': 'aes-128' } } }],
    ['parallels', { 'cluster-size': 65536 }, {}],
    ['qcow', { 'backing-file': 'base' }, { 'backing-filename': 'base' }],
    ['qed', { 'backing-file': 'base', 'backing-fmt': 'raw', 'cluster-size': 4096, 'table-size': 2 }, { 'cluster-size': 4096, 'backing-filename-format': 'raw' }],
  ])('%s %o', async (driver, options, info) => {
    using dir = tempDir();
    const { server, client, create } = await session();
    server.objects.add({ type: 'secret', id: 's', data: Buffer.from('p') });
    expect(await create({ driver: 'file', filename: dir.file('x'), size: 0 })).toBeUndefined();
    await client.execute('blockdev-add', { driver: 'file', 'node-name': 'f', filename: dir.file('x') });
    expect(await create({ driver, file: 'f', size: 4 * MIB, ...options })).toBeUndefined();
    // Once more, over what is there now; and by a definition.
    await client.execute('blockdev-del', { 'node-name': 'f' });
    expect(await create({ driver, file: { driver: 'file', filename: dir.file('x') }, size: 4 * MIB, ...options })).toBeUndefined();
    await server.close();
    const { code, stdout } = await qemuImg('info', '--output=json', '-f', driver, dir.file('x'));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ format: driver, 'virtual-size': 4 * MIB, ...info });
  });

  test('an external data file is a node of its own', async () => {
    using dir = tempDir();
    const { server, client, create } = await session();
    for (const name of ['x', 'data']) {
      expect(await create({ driver: 'file', filename: dir.file(name), size: 0, preallocation: 'off', nocow: false })).toBeUndefined();
      await client.execute('blockdev-add', { driver: 'file', 'node-name': name, filename: dir.file(name) });
    }
    expect(await create({ driver: 'qcow2', file: 'x', size: MIB, 'data-file': 'data', 'data-file-raw': true })).toBeUndefined();
    await server.close();
    const { stdout } = await qemuImg('info', '--output=json', dir.file('x'));
    expect(JSON.parse(stdout)).toMatchObject({ 'format-specific': { data: { 'data-file': dir.file('data'), 'data-file-raw': true } } });
  });

  test('what goes wrong is the job\'s error; what is no job is refused at once', async () => {
    using dir = tempDir();
    const { server, client, create } = await session();
    expect(await create({ driver: 'file', filename: dir.file('no/where'), size: 1 })).toBe(`Could not create '${dir.file('no/where')}': No such file or directory`);
    expect(await create({ driver: 'qcow2', file: 'nope', size: MIB })).toBe("Cannot find device='nope' nor node-name='nope'");
    await create({ driver: 'file', filename: dir.file('x'), size: 512 });
    await client.execute('blockdev-add', { driver: 'file', 'node-name': 'f', filename: dir.file('x') });
    expect(await create({ driver: 'qcow2', file: 'f', size: MIB, 'cluster-size': 4097 })).toBe('Cluster size must be a power of two between 512 and 2048k');
    // An image that is refused leaves what was there.
    expect(server.graph.node('f').size).toBe(512);
    await client.execute('blockdev-add', { options: { driver: 'raw', id: 'd', file: 'f' } });
    expect(await create({ driver: 'qcow2', file: 'f', size: MIB })).toContain('Permission conflict');
    const refused = (args: object): Promise<string> => client.execute('blockdev-create', args).then(String, (error: Error) => error.message);
    expect(await refused({ 'job-id': '0', options: { driver: 'file', filename: 'x', size: 0 } })).toBe("GenericError: Invalid job ID '0'");
    expect(await refused({ 'job-id': 'j', options: { driver: 'null-co' } })).toBe('GenericError: Driver does not support blockdev-create');
    expect(await refused({ 'job-id': 'j', options: { driver: 'null-co', size: 1 } })).toBe("GenericError: Parameter 'options.size' is unexpected");
    expect(await refused({ 'job-id': 'j', options: { driver: 'qcow2', size: 1 } })).toBe("GenericError: Parameter 'options.file' is missing");
    await server.close();
  });
});

describe('a creation that takes long', () => {
  const endless = (dir: TempDir): object => ({ 'job-id': 'j', options: { driver: 'file', filename: dir.file('large'), size: 2 ** 40, preallocation: 'full' } });

  test('is called off, and leaves no file', async () => {
    using dir = tempDir();
    await using server = await testServer();
    const client = await attach(server).negotiate();
    await client.execute('blockdev-create', endless(dir));
    await client.next((message) => (message.data as { status?: string } | undefined)?.status === 'running');
    await client.execute('job-cancel', { id: 'j' });
    await client.next((message) => (message.data as { status?: string } | undefined)?.status === 'concluded');
    expect(await client.execute('query-jobs')).toMatchObject([{ id: 'j', status: 'concluded', error: 'Operation canceled' }]);
    expect(existsSync(dir.file('large'))).toBe(false);
    await client.execute('job-dismiss', { id: 'j' });
  });

  test('ends with the server', async () => {
    using dir = tempDir();
    const server = await testServer();
    const client = await attach(server).negotiate();
    await client.execute('blockdev-create', endless(dir));
    await server.close();
    expect(existsSync(dir.file('large'))).toBe(false);
  });
});
