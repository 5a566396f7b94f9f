import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { BlockError, BufferPool } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { Chunk, Command, encodeOption, NbdClient, NbdServer, nbdUri, Option, OptionReply, type Connection } from '../src/index.js';
import { infoRequest, requestBytes, TestClient } from './client.js';
import { MemorySource } from './source.js';
import { gate, pattern, same, serveMemory, type TestServer } from './support.js';

const MiB = 1024 * 1024;

const disconnected = async (test: TestServer): Promise<Connection> => {
  const [connection] = (await once(test.server, 'clientDisconnected')) as [Connection];
  return connection;
};

describe('clients that go wrong', () => {
  it('cuts those that break the protocol, with a reason', async () => {
    await using test = await serveMemory(65536);
    const good = await test.client();
    await good.go();
    const cases: [Uint8Array, RegExp][] = [
      [new Uint8Array(28), /bad magic/],
      [requestBytes(Command.Write, 1, 0, 0xffffffff), /write of 4294967295 bytes/],
      [requestBytes(Command.Write, 1, 0, 32 * MiB + 1), /at most 33554432/],
    ];
    for (const [bytes, reason] of cases) {
      const client = await test.client();
      await client.go();
      const gone = disconnected(test);
      client.send(bytes);
      await client.ended();
      expect((await gone).reason).toMatch(reason);
    }
    expect(await good.read(0, 512)).toHaveLength(512);
  });

  it('writes nothing of a payload that never came', async () => {
    await using test = await serveMemory(65536);
    const client = await test.client();
    await client.go();
    const gone = disconnected(test);
    client.send(requestBytes(Command.Write, 1, 0, 4096));
    client.send(pattern(4000));
    client.socket.end();
    await gone;
    expect(test.source.log.filter((line) => line.startsWith('write'))).toEqual([]);
    expect(test.server.connections.size).toBe(0);
  });

  it('waits for requests under way after their client has left', async () => {
    await using test = await serveMemory(4 * MiB);
    const client = await test.client();
    await client.go();
    const slow = gate();
    test.source.gate = slow.promise;
    client.request(Command.Read, 0, 4096);
    client.request(Command.Write, 0, 4096, 0, pattern(4096));
    client.request(Command.Read, 0, 3 * MiB);
    client.request(Command.Write, 0, 2 * MiB, 0, pattern(MiB + 5));
    while (test.source.log.length < 4) await new Promise((resolve) => setImmediate(resolve));
    const gone = disconnected(test);
    let settled = false;
    void gone.then(() => (settled = true));
    client.close();
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    slow.open();
    await gone;
    expect(same(test.source.bytes.subarray(0, 4096), pattern(4096))).toBe(true);
  });

  it('keeps its memory when a client reads nothing of what it asked for', async () => {
    await using test = await serveMemory(4 * MiB);
    test.source.bytes.set(pattern(4 * MiB));
    const client = await test.client();
    await client.go();
    client.socket.pause();
    const requests = 2000;
    for (let i = 0; i < requests; i++) client.send(requestBytes(Command.Read, i, 0, MiB));
    const other = await test.client();
    await other.go();
    for (let i = 0; i < 50; i++) await other.read(0, 4096);
    const begun = test.source.log.filter((line) => line === `read 0 ${MiB}`).length;
    expect(begun).toBeLessThan(16);
    expect(begun).toBeGreaterThan(0);
    client.socket.resume();
    for (let i = 0; i < 100; i++) expect((await client.chunk()).cookie).toBe(i);
  });

  it('keeps its memory when the source is slow', async () => {
    await using test = await serveMemory(4 * MiB);
    const client = await test.client();
    await client.go();
    const slow = gate();
    test.source.gate = slow.promise;
    for (let i = 0; i < 1000; i++) client.send(requestBytes(Command.Read, i, 0, 64 * 1024));
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(test.source.log.length).toBeLessThanOrEqual(8 * MiB / 65536 + 1);
    slow.open();
    for (let i = 0; i < 1000; i++) await client.chunks();
  });
});

describe('several clients', () => {
  it('serves many at once', async () => {
    await using test = await serveMemory(MiB);
    const clients = await Promise.all(Array.from({ length: 8 }, () => test.client()));
    await Promise.all(clients.map((client) => client.go()));
    await Promise.all(
      clients.map(async (client, index) => {
        for (let round = 0; round < 20; round++) {
          const offset = index * 65536 + round * 3000;
          expect(await client.write(offset, pattern(3000, index * 100 + round))).toBe(0);
          expect(same(await client.read(offset, 3000), pattern(3000, index * 100 + round))).toBe(true);
        }
      }),
    );
    expect(test.server.connections.size).toBe(8);
  });

  it('makes those beyond maxConnections wait', async () => {
    await using test = await serveMemory(4096, { maxConnections: 1, limits: { maxWaiting: 1 } });
    const first = await test.client();
    await first.go();
    const second = await test.client();
    const third = await test.client();
    expect(await third.ended()).toHaveLength(0);
    const ready = second.go();
    first.request(Command.Disconnect, 0, 0);
    await ready;
    expect(await second.read(0, 16)).toHaveLength(16);
  });

  it('tells about them', async () => {
    await using test = await serveMemory(4096);
    const connected = once(test.server, 'clientConnected');
    const client = await test.client();
    await client.go();
    const [connection] = (await connected) as [Connection];
    expect(connection.target?.name).toBe('');
    expect(test.server.exports.get('')?.connections.has(connection)).toBe(true);
    const gone = disconnected(test);
    client.request(Command.Disconnect, 0, 0);
    expect(await gone).toBe(connection);
    expect(connection.reason).toBeUndefined();
    expect(test.server.exports.get('')?.connections.size).toBe(0);
  });
});

describe('exports at run time', () => {
  it('adds and removes, safely and hard', async () => {
    await using test = await serveMemory(4096);
    expect(() => test.server.addExport({ name: '', source: test.source })).toThrow(/already has export/);
    expect(() => test.server.addExport({ name: 'x'.repeat(4097), source: test.source })).toThrow(/longer than 4096/);
    const readOnly = new MemorySource(512);
    readOnly.readOnly = true;
    expect(() => test.server.addExport({ name: 'r', source: readOnly, writable: true })).toThrow(/read-only/);
    test.server.addExport({ name: 'b', source: readOnly });
    await test.server.removeExport('b');
    await expect(test.server.removeExport('b')).rejects.toThrow(BlockError);
    const client = await test.client();
    await client.go();
    await expect(test.server.removeExport('')).rejects.toThrow(/still in use/);
    const slow = gate();
    test.source.gate = slow.promise;
    client.request(Command.Write, 0, 512, 0, pattern(512));
    while (test.source.log.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const removed = test.server.removeExport('', { mode: 'hard' });
    await client.ended();
    slow.open();
    await removed;
    expect(same(test.source.bytes.subarray(0, 512), pattern(512))).toBe(true);
    const late = await test.client();
    await expect(late.go()).rejects.toThrow(/not present/);
  });

  it('follows a resize', async () => {
    await using test = await serveMemory(4096);
    const client = await test.client();
    await client.go();
    test.source.bytes = new Uint8Array(8192);
    expect(await client.read(4096, 4096)).toHaveLength(4096);
    test.source.bytes = new Uint8Array(512);
    client.request(Command.Read, 0, 4096);
    expect((await client.status()).error).toBe(22);
  });
});

describe('the end', () => {
  it('answers what is under way, refuses what comes later, and flushes', async () => {
    await using test = await serveMemory(65536);
    const client = await test.client();
    await client.go();
    const slow = gate();
    test.source.gate = slow.promise;
    const write = client.request(Command.Write, 0, 4096, 0, pattern(4096));
    while (test.source.log.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const closed = test.server.close();
    const late = client.request(Command.Read, 0, 512);
    expect(await client.status()).toMatchObject({ error: 108, cookie: late });
    slow.open();
    expect(await client.status()).toMatchObject({ error: 0, cookie: write });
    await client.ended();
    await closed;
    expect(test.source.log.at(-1)).toBe('flush');
    expect(existsSync(test.path)).toBe(false);
    await expect(TestClient.open({ path: test.path })).rejects.toThrow();
    await test.server.close();
  });

  it('does not wait longer than it is told', async () => {
    await using test = await serveMemory(65536);
    const client = await test.client();
    await client.go();
    const slow = gate();
    test.source.gate = slow.promise;
    client.request(Command.Write, 0, 4096, 0, pattern(4096));
    while (test.source.log.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const closed = test.server.close({ timeout: 20 });
    await client.ended();
    slow.open();
    test.source.gate = undefined;
    await closed;
  });

  it('answers a DISC only after what came before it', async () => {
    await using test = await serveMemory(65536);
    const client = await test.client();
    await client.go();
    const slow = gate();
    test.source.gate = slow.promise;
    const cookie = client.request(Command.Read, 0, 512);
    client.request(Command.Disconnect, 0, 0);
    while (test.source.log.length === 0) await new Promise((resolve) => setImmediate(resolve));
    slow.open();
    expect((await client.chunk()).cookie).toBe(cookie);
    expect(await client.ended()).toHaveLength(0);
  });
});

describe('listening', () => {
  it('refuses a path that the system would cut short, as connecting does', async () => {
    const server = new NbdServer();
    const path = `/tmp/${'x'.repeat(200)}`;
    await expect(server.listen({ path })).rejects.toThrow('is too long');
    await expect(NbdClient.connect({ path })).rejects.toThrow('is too long');
    await server.close();
  });

  it('listens on TCP, with a URI', async () => {
    const server = new NbdServer();
    const source = new MemorySource(4096);
    server.addExport({ name: 'a b', source });
    const address = await server.listen({ host: '127.0.0.1', port: 0 });
    expect(server.uri('a b')).toBe(`nbd://127.0.0.1:${(address as { port: number }).port}/a%20b`);
    const client = await TestClient.open(address);
    await client.go('a b');
    expect([...server.connections][0]?.remote).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await client.read(0, 4096)).toHaveLength(4096);
    await expect(server.listen(address)).rejects.toThrow(/Failed to listen on 127.0.0.1:\d+: Address already in use/);
    client.close();
    await server.close();
  });

  it('takes over a unix socket that nobody listens on, and only such a one', async () => {
    await using test = await serveMemory(4096);
    const server = new NbdServer();
    await expect(server.listen({ path: test.path })).rejects.toThrow(/Address already in use/);
    await expect(server.listen({ path: '/nonexistent/s' })).rejects.toThrow(/Failed to listen on '\/nonexistent\/s': No such file or directory/);
    const image = `${test.path}.img`;
    writeFileSync(image, 'an image, not a socket');
    await expect(server.listen({ path: image })).rejects.toThrow(/Address already in use/);
    expect(readFileSync(image, 'utf8')).toBe('an image, not a socket');
    await server.close();
  });

  it('writes URIs', () => {
    expect(nbdUri({ path: '/tmp/a b', exportName: 'x/ü' })).toBe('nbd+unix:///x%2F%C3%BC?socket=/tmp/a%20b');
    expect(nbdUri({ host: '::1', tls: true })).toBe('nbds://[::1]/');
    expect(nbdUri({ host: 'h', port: 1 })).toBe('nbd://h:1/');
  });

  it('refuses new options while it shuts down', async () => {
    await using test = await serveMemory(4096);
    const busy = await test.client();
    await busy.go();
    const slow = gate();
    test.source.gate = slow.promise;
    busy.request(Command.Read, 0, 512);
    while (test.source.log.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const half = await test.client();
    await half.hello();
    const closed = test.server.close();
    half.send(encodeOption(Option.Go, infoRequest('')));
    await half.ended();
    slow.open();
    await closed;
    expect(OptionReply.Shutdown).toBe(0x80000007);
  });
});

describe('a socket without the handle that we know', () => {
  it('is read by events', async () => {
    const { adopt } = await import('../src/server/adopt.js');
    const { createServer } = await import('node:net');
    const got: Buffer[] = [];
    const server = createServer({ pauseOnConnect: true }, (accepted) => {
      const handle = (accepted as unknown as { _handle: object })._handle;
      Object.defineProperty(accepted, '_handle', { get: () => ({ readStart: () => 0, ...{ fd: -1 } }), set: () => undefined, configurable: true });
      const socket: Socket = adopt(accepted, {
        space: () => new Uint8Array(1),
        received: (bytes, length) => {
          got.push(Buffer.from(bytes.subarray(0, length)));
          return true;
        },
      });
      Object.defineProperty(accepted, '_handle', { value: handle, writable: true });
      expect(socket).toBe(accepted);
      socket.resume();
      socket.on('end', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const client = connect(port, '127.0.0.1');
    client.end('hello');
    await once(client, 'close');
    expect(Buffer.concat(got).toString()).toBe('hello');
    server.close();
  });
});

describe('buffers', () => {
  it('go back to a shared pool with the server', async () => {
    let out = 0;
    const pool = new (class extends BufferPool {
      override take(bytes: number): Uint8Array {
        out++;
        return super.take(bytes);
      }
      override give(buffer: Uint8Array): void {
        out--;
        super.give(buffer);
      }
    })();
    const test = await serveMemory(4 * MiB, { pool });
    const client = await test.client();
    await client.go();
    expect(await client.read(0, 512)).toHaveLength(512);
    expect(out).toBeGreaterThan(0);
    await test[Symbol.asyncDispose]();
    expect(out).toBe(0);
  });
});

describe('block status', () => {
  it('lets others have their turn, however many are asked for at once', async () => {
    await using test = await serveMemory(MiB);
    let seen = 0;
    // 40 answers of 100 runs, 0.1 ms each, that never wait for a disk.
    test.source.extents = async function* (offset, length) {
      const rest = { data: true, zero: false, compressed: false, hostOffset: -1, allocated: true, depth: 0 };
      for (let at = offset; at < offset + length; at += 512) {
        for (const end = performance.now() + 0.1; performance.now() < end; );
        seen++;
        yield { offset: at, length: 512, ...rest };
      }
    };
    const client = await test.client();
    await client.go('', { contexts: ['base:allocation'] });
    for (let i = 0; i < 40; i++) client.request(Command.BlockStatus, 0, 51200);
    const counts = new Set<number>();
    while (seen < 4000) {
      await new Promise((resolve) => setImmediate(resolve));
      counts.add(seen);
    }
    expect(counts.size).toBeGreaterThan(100);
    for (let i = 0; i < 40; i++) expect((await client.chunk()).type).toBe(Chunk.BlockStatus);
  });

  it('stops when nobody is there to take it', async () => {
    await using test = await serveMemory(MiB);
    let seen = 0;
    test.source.extents = async function* (offset) {
      const rest = { data: true, zero: false, compressed: false, hostOffset: -1, allocated: true, depth: 0 };
      for (let at = offset; ; at += 1) {
        seen++;
        yield { offset: at, length: 0, ...rest };
      }
    };
    const client = await test.client();
    await client.go('', { contexts: ['base:allocation'] });
    client.request(Command.BlockStatus, 0, 51200);
    while (seen === 0) await new Promise((resolve) => setImmediate(resolve));
    const gone = disconnected(test);
    client.close();
    await gone;
    expect(test.server.connections.size).toBe(0);
  });
});
