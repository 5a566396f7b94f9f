// The server as a value: listening, several clients, real clients from npm, TLS, devices in memory.
import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { QMPClient } from 'node-qemu';
import OldQmp from 'qemu-qmp';
import { findTool, nbdinfo, nbdUri, run, skipUnless, tempDir } from '@blk/oracle';
import { blob, blobSource } from '@blk/drivers-blob';
import { MemorySource } from '@blk/drivers-blob';
import { drivers, testServer, TestClient } from './support.js';
import { connectMonitor } from './daemon-process.js';

const NULL = { driver: 'null-co', size: 1 << 20 } as const;

describe('listening', () => {
  test('on a unix socket, with permissions; the file goes when the server does', async () => {
    using dir = tempDir();
    await using server = await testServer();
    await server.listen({ path: dir.file('qmp'), mode: 0o600 });
    expect(statSync(dir.file('qmp')).mode & 0o777).toBe(0o600);
    const clients = await Promise.all(Array.from({ length: 10 }, () => connectMonitor(dir.file('qmp'))));
    await clients[0].execute('blockdev-add', { ...NULL, 'node-name': 'n' });
    for (const client of clients) expect(await client.execute('query-named-block-nodes')).toHaveLength(1);
    await clients[3].execute('quit');
    for (const client of clients) expect(await client.event('SHUTDOWN')).toMatchObject({ data: { guest: false } });
    await server.closed;
    expect(existsSync(dir.file('qmp'))).toBe(false);
  });

  test('on a TCP port of the system\'s choice', async () => {
    await using server = await testServer();
    const { address } = await server.listen({ host: '127.0.0.1', port: 0 });
    const client = await connectMonitor((address as { port: number }).port);
    expect(await client.execute('query-block')).toEqual([]);
  });

  test('turns clients away beyond the limit', async () => {
    using dir = tempDir();
    await using server = await testServer();
    await server.listen({ path: dir.file('qmp') }, { maxClients: 1 });
    const first = await connectMonitor(dir.file('qmp'));
    const second = new TestClient(connect(dir.file('qmp')));
    await second.end();
    expect(second.messages).toEqual([]);
    first.stream.destroy();
    await expect.poll(() => server.monitors.size).toBe(0);
    await connectMonitor(dir.file('qmp'));
  });

  test.each([
    ['x'.repeat(120), /^UNIX socket path '.*' is too long\nPath must be less than 108 bytes$/],
    ['no/where', /^Failed to bind socket to .*no\/where: No such file or directory$/],
  ])('a path that cannot be is refused: %s', async (name, text) => {
    using dir = tempDir();
    await using server = await testServer();
    await expect(server.listen({ path: dir.file(name) })).rejects.toThrow(text);
  });

  test('a client that breaks off in the middle of a command harms nobody', async () => {
    using dir = tempDir();
    await using server = await testServer();
    await server.listen({ path: dir.file('qmp') });
    const other = await connectMonitor(dir.file('qmp'));
    const leaving = await connectMonitor(dir.file('qmp'));
    leaving.send(JSON.stringify({ execute: 'blockdev-add', arguments: { ...NULL, 'node-name': 'n' } }) + '{"execute": "query-');
    leaving.stream.destroy();
    await expect.poll(() => server.monitors.size).toBe(1);
    expect(await other.execute('query-block')).toEqual([]);
    expect(server.lines).toEqual([]);
  });
});

describe('clients from npm', () => {
  test('node-qemu', async () => {
    using dir = tempDir();
    await using server = await testServer();
    await server.listen({ path: dir.file('qmp') });
    await using client = new QMPClient({ socketPath: dir.file('qmp') });
    await client.connect();
    const shutdown = new Promise<unknown>((resolve) => client.on('SHUTDOWN', resolve));
    await client.execute('blockdev-add', { ...NULL, 'node-name': 'n' });
    expect(await client.execute('query-named-block-nodes')).toMatchObject([{ 'node-name': 'n', drv: 'null-co' }]);
    await expect(client.execute('blockdev-del', { 'node-name': 'x' })).rejects.toThrow("Failed to find node with node-name='x'");
    await client.execute('quit');
    await shutdown;
    await server.closed;
  });

  test('qemu-qmp', async () => {
    using dir = tempDir();
    await using server = await testServer();
    await server.listen({ path: dir.file('qmp') });
    const client = new OldQmp();
    await new Promise<void>((resolve, reject) => {
      client.connect(dir.file('qmp'), (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
    const version = await new Promise((resolve, reject) => {
      client.execute('query-version', (error, result) => {
        if (error) reject(error);
        else resolve(result);
      });
    });
    expect(version).toMatchObject({ qemu: { major: 2, minor: 4, micro: 0 } });
    const failed = await new Promise((resolve) => { client.execute('eject', { device: 'x' }, resolve); });
    expect(failed).toMatchObject({ message: "Device 'x' not found" });
    client.end();
  });
});

describe('devices and exports', () => {
  test('a disk in memory is a device like any other', async () => {
    await using server = await testServer({ drivers: [...drivers, blob] });
    await server.addDevice('disk0', blobSource(new MemorySource({ content: new Uint8Array(1 << 20) })), { rerror: 'report' });
    const [device] = await server.execute('query-block');
    expect(device).toMatchObject({ device: 'disk0', inserted: { drv: 'blob', image: { 'virtual-size': 1 << 20 } } });
  });

  test('policies and counters of a device hold for clients of its export; a node has an export of its own', async () => {
    using dir = tempDir();
    await using server = await testServer();
    const device = await server.addDevice('d', { ...NULL, 'node-name': 'n' });
    await server.execute('nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } });
    await server.execute('nbd-server-add', { device: 'd', writable: true });
    await server.execute('nbd-server-add', { device: 'n', name: 'by-node' });
    expect([...server.exports.entries.values()]).toMatchObject([
      { id: 'd', backend: device, owned: false },
      { id: 'by-node', owned: true },
    ]);
    expect(server.exports.uses(device)).toBe(true);
    await server.execute('nbd-server-stop');
    expect(server.graph.backends.get('d')).toBe(device);
    expect(existsSync(dir.file('nbd'))).toBe(false);
    expect(device.root.parents.size).toBe(1);
  });

  const tls = skipUnless('nbdinfo');
  test.skipIf(tls.skip)(tls.title('over TLS with a shared key'), async () => {
    using dir = tempDir();
    const key = 'ab'.repeat(32);
    writeFileSync(dir.file('keys.psk'), `alice:${key}\n`);
    chmodSync(dir.file('keys.psk'), 0o600);
    await using server = await testServer();
    const { loadPsk } = await import('@blk/nbd');
    server.objects.add({ type: 'tls-creds-psk', id: 't', endpoint: 'server', credentials: await loadPsk(dir.path) });
    server.objects.add({ type: 'secret', id: 's', data: new Uint8Array(3) });
    const address = { type: 'unix', data: { path: dir.file('nbd') } } as const;
    const start = (creds: string): Promise<unknown> => server.execute('nbd-server-start', { addr: address, 'tls-creds': creds });
    await expect(start('gone')).rejects.toThrow("No TLS credentials with id 'gone'");
    await expect(start('s')).rejects.toThrow("Object with id 's' is not TLS credentials");
    await start('t');
    await server.addDevice('d', NULL);
    await server.execute('nbd-server-add', { device: 'd' });
    await expect(nbdinfo(nbdUri(dir.file('nbd'), 'd'))).rejects.toThrow('nbd_opt_go');
    const uri = `nbds+unix://alice@/d?socket=${dir.file('nbd')}&tls-psk-file=${dir.file('keys.psk')}`;
    const info = await run(findTool('nbdinfo')!, ['--size', uri]);
    expect(info).toMatchObject({ code: 0, stdout: `${1 << 20}\n` });
  });
});
