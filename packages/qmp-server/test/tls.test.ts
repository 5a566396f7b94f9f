// Monitors over TLS.
import { connect, type AddressInfo, type Socket } from 'node:net';
import { connect as secure, createServer as createSecureServer, type TLSSocket } from 'node:tls';
import { renameSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { allDrivers } from '@blk/drivers-all';
import type { TlsCredentials } from '@blk/nbd';
import { makeCertificates, run, skipUnless, startQemuNbd, startStorageDaemon, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { runDaemon } from '../src/index.js';
import { attach, drivers, sink, TestClient, testServer } from './support.js';

const KEY = Buffer.alloc(32, 7);
const credentials: TlsCredentials = { kind: 'psk', keys: new Map([['admin', KEY]]) };

function handshake(socket: Socket, psk: Buffer): TLSSocket {
  return secure({ socket, ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', checkServerIdentity: () => undefined, pskCallback: () => ({ psk, identity: 'admin' }) });
}

const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.once('close', () => { resolve(); });
    socket.resume();
  });

describe('a listener with TLS', () => {
  test('serves whoever has the key, and nobody else', async () => {
    using dir = tempDir();
    const server = await testServer();
    await server.listen({ path: dir.file('qmp') }, { tls: credentials, name: 'admin monitor' });
    const client = await new TestClient(handshake(connect(dir.file('qmp')), KEY)).negotiate();
    expect(await client.execute('query-block')).toEqual([]);
    await ended(handshake(connect(dir.file('qmp')), Buffer.alloc(32)));
    const plain = connect(dir.file('qmp'));
    plain.write('{"execute": "qmp_capabilities"}\n');
    await ended(plain);
    expect(server.lines).toEqual([expect.stringContaining('admin monitor: TLS handshake failed: '), expect.stringContaining('admin monitor: TLS handshake failed: ')]);
    expect([...server.monitors]).toHaveLength(1);
    await server.close();
    await client.end();
  });

  test('counts those that do not get there as clients, and keeps none of them beyond its end', async () => {
    using dir = tempDir();
    const server = await testServer();
    await server.listen({ path: dir.file('qmp') }, { tls: credentials, maxClients: 1 });
    const silent = connect(dir.file('qmp'));
    await new Promise((resolve) => silent.once('connect', resolve));
    const second = connect(dir.file('qmp'));
    await ended(second);
    await server.close();
    await ended(silent);
    expect(silent.destroyed).toBe(true);
  });
});

describe('a character device with TLS', () => {
  async function refusal(chardev: string): Promise<string> {
    using dir = tempDir();
    writeFileSync(dir.file('keys.psk'), 'admin:00112233\nqemu:00112233\n');
    const stderr = sink();
    const objects = ['server', 'client'].flatMap((endpoint) => ['--object', `tls-creds-psk,id=${endpoint},endpoint=${endpoint},dir=${dir.path}`]);
    const code = await runDaemon([...objects, '--chardev', chardev], { program: 'd', drivers, stdin: new PassThrough(), stdout: sink(), stderr, signal: new AbortController().signal });
    expect(code).toBe(1);
    return stderr.written.replace(/^.*: (?=[^:]*$)/s, '').trimEnd();
  }

  // In QEMU's words.
  test.each([
    ['socket,id=m,path=/nowhere/x,server=on,wait=off,tls-creds=server', "'tls_creds' option is incompatible with 'unix' address type"],
    ['socket,id=m,host=127.0.0.1,port=0,server=on,wait=off,tls-creds=client', 'Expected TLS credentials for a server endpoint'],
    ['socket,id=m,host=127.0.0.1,port=0,server=on,wait=off,tls-creds=nope', "No TLS credentials with id 'nope'"],
    ['socket,id=m,host=127.0.0.1,port=1,tls-creds=server', 'Expected TLS credentials for a client endpoint'],
    ['socket,id=m,host=127.0.0.1,port=1,tls-creds=nope', "No TLS credentials with id 'nope'"],
  ])('%s is refused', async (chardev, text) => {
    expect(await refusal(chardev)).toBe(text);
  });

  test('connects to who has the key, and speaks there; to nobody else', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('keys.psk'), `qemu:${'ab'.repeat(32)}\nadmin:${KEY.toString('hex')}\n`);
    let arrived!: (socket: TLSSocket) => void;
    const monitor = new Promise<TLSSocket>((resolve) => (arrived = resolve));
    const management = createSecureServer({ ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', pskCallback: (_socket, identity) => (identity === 'admin' ? KEY : Buffer.alloc(32)) }, (socket) => { arrived(socket); });
    management.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => management.listen(0, '127.0.0.1', resolve));
    const { port } = management.address() as AddressInfo;
    const around = (): Parameters<typeof runDaemon>[1] & { stderr: ReturnType<typeof sink> } => ({ program: 'd', drivers, stdin: new PassThrough(), stdout: sink(), stderr: sink(), signal: new AbortController().signal });
    const options = (username: string): string[] => [
      '--object', `tls-creds-psk,id=t,endpoint=client,dir=${dir.path},username=${username}`, '--chardev', `socket,id=m,host=127.0.0.1,port=${port},tls-creds=t`, '--monitor', 'chardev=m',
    ];
    const refused = around();
    expect(await runDaemon(options('qemu'), refused)).toBe(1);
    expect(refused.stderr.written).toMatch(/TLS handshake failed: /);
    const missing = around();
    expect(await runDaemon(options('nobody'), missing)).toBe(1);
    expect(missing.stderr.written).toContain(`Username nobody not found in PSK file ${dir.file('keys.psk')}`);
    const daemon = runDaemon(options('admin'), around());
    const client = await new TestClient(await monitor).negotiate();
    expect(await client.execute('query-named-block-nodes')).toEqual([]);
    await client.execute('quit');
    expect(await daemon).toBe(0);
    await new Promise((resolve) => management.close(resolve));
  });
});

/** The credentials as objects of a server. */
async function withKeys(dir: TempDir, client: { execute(command: string, args?: object): Promise<unknown> }): Promise<void> {
  await client.execute('object-add', { 'qom-type': 'tls-creds-psk', id: 'show', endpoint: 'server', dir: dir.path });
  await client.execute('object-add', { 'qom-type': 'tls-creds-psk', id: 'know', endpoint: 'client', dir: dir.path });
}

function exportOf(dir: TempDir): (readonly [string, object])[] {
  return [
    ['blockdev-add', { driver: 'null-co', 'node-name': 'far', size: 1 << 20, 'read-zeroes': true }],
    ['nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } }, 'tls-creds': 'show' }],
    ['block-export-add', { type: 'nbd', id: 'e', 'node-name': 'far', name: 'x', writable: true }],
  ];
}

describe('a disk over NBD with TLS', () => {
  const remote = (dir: TempDir, more: object): object => ({ driver: 'nbd', 'node-name': 'n', server: { type: 'unix', path: dir.file('nbd') }, export: 'x', ...more });

  test('is opened with the credentials of an object; what is wrong with them is told in QEMU’s words', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('keys.psk'), `qemu:${KEY.toString('hex')}\n`);
    await using server = await testServer({ drivers: allDrivers });
    const client = await attach(server).negotiate();
    await withKeys(dir, client);
    await client.execute('object-add', { 'qom-type': 'secret', id: 's', data: 'x' });
    for (const step of exportOf(dir)) await client.execute(...step);
    await expect(client.execute('blockdev-add', remote(dir, { 'tls-creds': 'nope' }))).rejects.toThrow("GenericError: No TLS credentials with id 'nope'");
    await expect(client.execute('blockdev-add', remote(dir, { 'tls-creds': 's' }))).rejects.toThrow("GenericError: Object with id 's' is not TLS credentials");
    await expect(client.execute('blockdev-add', remote(dir, { 'tls-creds': 'show' }))).rejects.toThrow('GenericError: Expected TLS credentials for a client endpoint');
    await expect(client.execute('blockdev-add', remote(dir, {}))).rejects.toThrow('TLS');
    await client.execute('blockdev-add', remote(dir, { 'tls-creds': 'know' }));
    expect(server.graph.node('n').size).toBe(1 << 20);
    await client.execute('blockdev-del', { 'node-name': 'n' });
  });

  const tools = skipUnless('qemu-storage-daemon');
  test.skipIf(tools.skip)(tools.title('is mirrored to, where the reference serves it'), async () => {
    using dir = tempDir();
    writeFileSync(dir.file('keys.psk'), `qemu:${KEY.toString('hex')}\n`);
    await using reference = await startStorageDaemon({ cwd: dir.path });
    const execute = (command: string, args?: object): Promise<unknown> => reference.qmp.execute(command, args as Record<string, unknown>);
    await execute('qmp_capabilities').catch(() => undefined);
    await withKeys(dir, { execute });
    for (const step of exportOf(dir)) await execute(...step);
    await using server = await testServer({ drivers: allDrivers });
    const client = await attach(server).negotiate();
    await withKeys(dir, client);
    await client.execute('blockdev-add', { driver: 'null-co', 'node-name': 'near', size: 1 << 20 });
    await client.execute('blockdev-add', remote(dir, { 'tls-creds': 'know' }));
    await client.execute('blockdev-mirror', { 'job-id': 'j', device: 'near', target: 'n', sync: 'full' });
    await client.event('BLOCK_JOB_READY');
    await client.execute('block-job-cancel', { device: 'j' });
    expect((await client.event('BLOCK_JOB_COMPLETED')).data).not.toHaveProperty('error');
  });

  const certified = skipUnless('qemu-storage-daemon', 'qemu-nbd', 'openssl');
  type Execute = (command: string, args?: object) => Promise<unknown>;
  /** A certificate, and nothing at all, to show; and what it takes to trust them. The client's key is encrypted. */
  async function withCertificates(dir: TempDir, execute: Execute): Promise<void> {
    await execute('object-add', { 'qom-type': 'tls-creds-x509', id: 'show', endpoint: 'server', dir: dir.file('server') });
    await execute('object-add', { 'qom-type': 'secret', id: 'pw', data: 'hidden' });
    await execute('object-add', { 'qom-type': 'tls-creds-x509', id: 'know', endpoint: 'client', dir: dir.file('client'), passwordid: 'pw' });
    await execute('object-add', { 'qom-type': 'tls-creds-x509', id: 'lax', endpoint: 'client', dir: dir.file('client'), passwordid: 'pw', 'verify-peer': false });
    await execute('object-add', { 'qom-type': 'tls-creds-anon', id: 'nobody', endpoint: 'client' });
  }
  const REFUSED = [
    { 'qom-type': 'tls-creds-x509', id: 'a' }, { 'qom-type': 'tls-creds-x509', id: 'a', dir: '/nonexistent' }, { 'qom-type': 'tls-creds-x509', id: 'a', dir: '/nonexistent', endpoint: 'server' },
    { 'qom-type': 'tls-creds-psk', id: 'a', dir: '/nonexistent' }, { 'qom-type': 'tls-creds-psk', id: 'a', dir: '/nonexistent', endpoint: 'server', username: 'x' }, { 'qom-type': 'tls-creds-anon', id: 'nobody' },
  ];

  test.skipIf(certified.skip)(certified.title('is opened with certificates, from either’s server, as by the reference'), async () => {
    using dir = tempDir();
    await makeCertificates(dir.path);
    const key = dir.file('client/client-key.pem');
    expect((await run('openssl', ['pkcs8', '-topk8', '-in', key, '-out', dir.file('key'), '-passout', 'pass:hidden', '-v2', 'aes-256-cbc'])).code).toBe(0);
    renameSync(dir.file('key'), key);
    await using daemon = await startStorageDaemon({ cwd: dir.path });
    await daemon.qmp.execute('qmp_capabilities').catch(() => undefined);
    await using server = await testServer({ drivers: allDrivers });
    const client = await attach(server).negotiate();
    const sides: Record<string, Execute> = {
      theirs: (command, args) => daemon.qmp.execute(command, args as Record<string, unknown>),
      ours: (command, args) => client.execute(command, args),
    };
    /** What both answer, one after the other; a refusal is its text. */
    const both = async (command: string, args: object): Promise<unknown[]> =>
      Promise.all(Object.values(sides).map((execute) => execute(command, args).catch((error: unknown) => String(error).replace(/^(QmpError|.*GenericError): /, ''))));
    for (const execute of Object.values(sides)) await withCertificates(dir, execute);
    for (const [command, args] of exportOf(dir)) await sides['ours'](command, args);
    writeFileSync(dir.file('disk'), new Uint8Array(1 << 20));
    // The daemon would wait for itself.
    const words = ['--object', `tls-creds-x509,id=show,endpoint=server,dir=${dir.file('server')}`, '--tls-creds', 'show'];
    await using other = await startQemuNbd({ file: dir.file('disk'), socket: dir.file('other'), exportName: 'x', args: words });
    for (const args of REFUSED) {
      const [theirs, ours] = await both('object-add', args);
      expect(ours).toEqual(theirs);
      expect(theirs).toMatch(/\w/);
    }
    for (const at of ['nbd', 'other']) {
      const node = (more: object): object => remote(dir, { server: { type: 'unix', path: dir.file(at) }, ...more });
      for (const more of [{ 'tls-creds': 'know' }, { 'tls-creds': 'know', 'tls-hostname': 'elsewhere' }, { 'tls-creds': 'show' }, { 'tls-creds': 'nope', 'tls-hostname': 'localhost' }]) {
        const [theirs, ours] = await both('blockdev-add', node(more));
        expect(ours, JSON.stringify(more)).toEqual(theirs);
        expect(theirs).toMatch(/\w/);
      }
      for (const more of [{ 'tls-creds': 'know', 'tls-hostname': 'localhost' }, { 'tls-creds': 'lax', 'tls-hostname': 'localhost' }]) {
        expect(await both('blockdev-add', node(more))).toEqual([{}, {}]);
        expect(await both('blockdev-del', { 'node-name': 'n' })).toEqual([{}, {}]);
      }
      const [theirs, ours] = await both('blockdev-add', node({ 'tls-creds': 'nobody' }));
      expect(theirs).toMatch(/^TLS handshake failed: /);
      expect(ours).toMatch(/^TLS handshake failed: /);
    }
    await other.stop();
  });
});
