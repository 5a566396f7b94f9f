// The client against our own server, against servers of others, and over TLS.
import { join } from 'node:path';
import { makeCertificates, qemuImg, skipUnless, start, startQemuNbd, tempDir, waitForSocket, type TempDir } from '@blk/oracle';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlockError } from '@blk/core-graph';
import { listExports, loadClientPsk, loadClientX509, loadPsk, loadX509, NbdClient, NbdServer, TransmissionFlag } from '../src/index.js';
import { MemorySource } from './source.js';
import { gate, pattern, same, serveMemory } from './support.js';

const MiB = 1024 * 1024;

describe('a client of our server', () => {
  it('writes, reads, zeroes, trims and flushes, with flags as asked', async () => {
    await using server = await serveMemory(8 * MiB);
    const client = await NbdClient.connect({ path: server.path });
    expect(client.size).toBe(8 * MiB);
    expect(client.structured).toBe(true);
    expect(client.can(TransmissionFlag.SendWriteZeroes)).toBe(true);
    const data = pattern(3 * MiB + 17);
    await client.write(100, data, 0, data.length);
    server.source.log.length = 0;
    await client.write(50, data, 7, 20, { fua: true });
    await client.write(50, new Uint8Array(50), 0, 50);
    await client.write(100, data, 0, 20);
    const back = new Uint8Array(data.length + 10);
    await client.read(100, back, 5, data.length);
    expect(same(back.subarray(5, 5 + data.length), data)).toBe(true);
    expect([back[4], back[5 + data.length]]).toEqual([0, 0]);
    await client.writeZeroes(4096, 4096, { unmap: true });
    await client.trim(8192, 4096);
    await client.flush();
    expect(server.source.log.filter((line) => !line.startsWith('read'))).toEqual([
      'write 50 20 fua', 'write 50 50', 'write 100 20', 'zero 4096 4096 unmap', 'discard 8192 4096', 'flush',
    ]);
    await expect(client.writeZeroes(1, 10, { fast: true })).rejects.toMatchObject({ errno: 'ENOTSUP' });
    client.close();
  });

  it('has many requests under way, and each gets its own answer', async () => {
    await using server = await serveMemory(MiB);
    server.source.bytes.set(pattern(MiB));
    const client = await NbdClient.connect({ path: server.path }, { maxInFlight: 8 });
    const waiting = gate();
    server.source.gate = waiting.promise;
    const buffers = Array.from({ length: 30 }, () => new Uint8Array(4096));
    const reads = buffers.map((buffer, index) => client.read(index * 4096, buffer, 0, 4096));
    await expect.poll(() => server.source.log.length).toBe(8);
    server.source.gate = undefined;
    waiting.open();
    await Promise.all(reads);
    for (const [index, buffer] of buffers.entries()) expect(same(buffer, server.source.bytes.subarray(index * 4096, index * 4096 + 4096))).toBe(true);
    client.close();
  });

  it('tells errors of the server, and goes on', async () => {
    await using server = await serveMemory(MiB);
    const client = await NbdClient.connect({ path: server.path });
    server.source.failure = new BlockError('no-space', 'full');
    await expect(client.write(0, new Uint8Array(512), 0, 512)).rejects.toMatchObject({ kind: 'io', errno: 'ENOSPC' });
    await expect(client.read(0, new Uint8Array(512), 0, 512)).rejects.toMatchObject({ errno: 'ENOSPC' });
    server.source.failure = undefined;
    await client.read(0, new Uint8Array(512), 0, 512);
    await expect(client.read(MiB, new Uint8Array(512), 0, 512)).rejects.toMatchObject({ errno: 'EINVAL' });
    client.close();
  });

  it('asks for block status of the contexts that there are', async () => {
    await using server = await serveMemory(MiB, { export: { allocationDepth: true } });
    server.source.extentRuns = [
      { length: MiB / 2, data: true, zero: false, allocated: true, depth: 0 },
      { length: MiB / 2, data: false, zero: true, allocated: false, depth: 0 },
    ];
    const client = await NbdClient.connect({ path: server.path }, { contexts: ['base:allocation', 'qemu:allocation-depth', 'qemu:nothing'] });
    const { contexts } = client.negotiated;
    expect([...contexts.keys()]).toEqual(['base:allocation', 'qemu:allocation-depth']);
    const statuses = await client.blockStatus(0, MiB);
    expect(statuses).toEqual([
      { contextId: contexts.get('base:allocation'), runs: [MiB / 2, 0, MiB / 2, 3] },
      { contextId: contexts.get('qemu:allocation-depth'), runs: [MiB / 2, 1, MiB / 2, 0] },
    ]);
    expect((await client.blockStatus(4096, MiB / 4, { one: true }))[0]?.runs).toHaveLength(2);
    client.close();
  });

  it('fails what is under way when the server goes, and all that comes later', async () => {
    const server = await serveMemory(MiB);
    const client = await NbdClient.connect({ path: server.path });
    server.source.gate = gate().promise;
    let ended = '';
    client.onEnd = (error) => { ended = error.message; };
    const read = client.read(0, new Uint8Array(512), 0, 512);
    await expect.poll(() => server.source.log.length).toBe(1);
    for (const connection of server.server.connections) connection.cut();
    await expect(read).rejects.toMatchObject({ kind: 'io' });
    await expect(client.flush()).rejects.toBe(client.failure);
    expect(ended).toBe(client.failure?.message);
    // The source never answers: only the sockets are closed here.
    void server.server.close({ force: true });
  });

  it('says what is wrong where it cannot connect', async () => {
    await using server = await serveMemory(MiB);
    await expect(NbdClient.connect({ path: `${server.path}.none` })).rejects.toMatchObject({
      message: `Failed to connect to '${server.path}.none': No such file or directory`,
    });
    await expect(NbdClient.connect({ path: server.path, exportName: 'other' })).rejects.toMatchObject({
      kind: 'not-found', message: expect.stringMatching(/^Requested export not available\nserver reported: /) as string,
    });
    const aborted = AbortSignal.abort();
    await expect(NbdClient.connect({ path: server.path }, { signal: aborted })).rejects.toMatchObject({ kind: 'aborted' });
  });

  it('lists exports', async () => {
    await using server = await serveMemory(MiB, { export: { name: 'one', description: 'the first' } });
    server.server.addExport({ name: 'two', source: new MemorySource(512) });
    const [one, two] = await listExports({ path: server.path });
    expect(one).toMatchObject({ name: 'one', description: 'the first', size: MiB, contexts: ['base:allocation'], blockSizes: { minimum: 1 } });
    expect(two).toMatchObject({ name: 'two', size: 512 });
    expect((two?.flags ?? 0) & TransmissionFlag.ReadOnly).toBe(TransmissionFlag.ReadOnly);
  });
});

const needsTls = skipUnless('openssl');
describe.skipIf(needsTls.skip)(needsTls.title('a client over TLS'), () => {
  let dir: TempDir;
  let folders: { server: string; client: string; stranger: string };
  beforeAll(async () => {
    dir = tempDir();
    folders = await makeCertificates(dir.path);
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  it('shows its certificate, and checks that of the server', async () => {
    const server = new NbdServer({ tls: { credentials: await loadX509(folders.server) } });
    const source = new MemorySource(MiB);
    source.bytes.set(pattern(MiB));
    server.addExport({ name: '', source });
    const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
    const address = { host: '127.0.0.1', port };
    const credentials = await loadClientX509(folders.client);
    const client = await NbdClient.connect(address, { tls: { credentials, hostname: 'localhost' } });
    const buffer = new Uint8Array(MiB);
    await client.read(0, buffer, 0, MiB);
    expect(same(buffer, source.bytes)).toBe(true);
    client.close();
    await expect(NbdClient.connect(address)).rejects.toMatchObject({ kind: 'permission', message: expect.stringMatching(/^TLS negotiation required before option 7 \(go\)/) as string });
    await expect(NbdClient.connect(address, { tls: { credentials, hostname: 'elsewhere.example' } })).rejects.toMatchObject({ message: 'Certificate does not match the hostname elsewhere.example' });
    await expect(NbdClient.connect(address, { tls: { credentials: await loadClientX509(folders.stranger), hostname: 'localhost' } })).rejects.toMatchObject({ kind: 'io' });
    await server.close({ force: true });
  });

  it('knows a key that the server knows', async () => {
    const { writeFile } = await import('node:fs/promises');
    await writeFile(join(dir.path, 'keys.psk'), 'qemu:0123456789abcdef0123456789abcdef\nother:00112233445566778899aabbccddeeff\n');
    await using server = await serveMemory(MiB, { tls: { credentials: await loadPsk(dir.path) } });
    const client = await NbdClient.connect({ path: server.path }, { tls: { credentials: await loadClientPsk(dir.path) } });
    await client.write(0, pattern(512), 0, 512);
    client.close();
    await expect(loadClientPsk(dir.path, 'nobody')).rejects.toMatchObject({ kind: 'not-found' });
    const wrong = { kind: 'psk', username: 'qemu', key: new Uint8Array(16) } as const;
    await expect(NbdClient.connect({ path: server.path }, { tls: { credentials: wrong } })).rejects.toMatchObject({ kind: 'io' });
  });

  it('does not talk in the clear where the server has no TLS', async () => {
    await using server = await serveMemory(MiB);
    const credentials = { kind: 'psk', username: 'qemu', key: new Uint8Array(16) } as const;
    await expect(NbdClient.connect({ path: server.path }, { tls: { credentials } })).rejects.toMatchObject({ message: expect.stringMatching(/^Denied by server/) as string });
  });
});

const needsQemu = skipUnless('qemu-img', 'qemu-nbd');
describe.skipIf(needsQemu.skip)(needsQemu.title('a client of qemu-nbd'), () => {
  it('reads what it wrote, and what qemu-img sees', async () => {
    using dir = tempDir();
    await qemuImg('create', '-q', '-f', 'qcow2', dir.file('a'), '8M');
    const server = await startQemuNbd({ file: dir.file('a'), format: 'qcow2', socket: dir.file('s'), exportName: 'x' });
    const client = await NbdClient.connect({ path: dir.file('s'), exportName: 'x' }, { contexts: ['base:allocation'] });
    const data = pattern(2 * MiB);
    await client.write(65536, data, 0, data.length);
    await client.writeZeroes(0, 65536);
    await client.flush();
    const back = new Uint8Array(4 * MiB);
    await Promise.all([0, 1, 2, 3].map((part) => client.read(part * MiB, back, part * MiB, MiB)));
    expect(same(back.subarray(65536, 65536 + data.length), data)).toBe(true);
    expect(back.subarray(65536 + data.length).every((byte) => byte === 0)).toBe(true);
    const statuses = await client.blockStatus(0, 8 * MiB);
    expect(statuses[0]?.runs[2]).toBe(2 * MiB);
    client.close();
    const [listed] = await listExports({ path: dir.file('s') });
    expect(listed).toMatchObject({ name: 'x', size: 8 * MiB, contexts: ['base:allocation'] });
    await server.stop();
  });
});

const needsKit = skipUnless('nbdkit');
describe.skipIf(needsKit.skip)(needsKit.title('a client of nbdkit'), () => {
  it.each([['oldstyle', ['-o']], ['without zeroes kept out', ['--mask-handshake=1']], ['newstyle that is not fixed', ['--mask-handshake=0']], ['newstyle without structured replies', ['--no-sr']]] as const)(
    '%s', async (_title, words) => {
      using dir = tempDir();
      const server = await start('nbdkit', ['-f', ...words, '-U', dir.file('s'), 'memory', '1M']);
      await waitForSocket(dir.file('s'), server, { greeting: true });
      const client = await NbdClient.connect({ path: dir.file('s') });
      const data = pattern(100_000);
      await client.write(1000, data, 0, data.length);
      const back = new Uint8Array(data.length);
      await client.read(1000, back, 0, data.length);
      expect(same(back, data)).toBe(true);
      expect(client.size).toBe(MiB);
      client.close();
      await server.stop();
    },
  );
});
