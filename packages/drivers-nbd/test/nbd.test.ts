// Names, refusals, and what becomes of requests when the server goes and comes back.
import { BlockError, BlockGraph, openImage, type Definition, type Host, type Image, type OpenImageOptions } from '@blk/core-graph';
import { runReadmeExample } from '@blk/driver-conformance';
import { tempDir, until } from '@blk/oracle';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseNbdName } from '../src/address.js';
import { nbd, nbdDriver } from '../src/index.js';
import { MemoryDisk, serve } from './support.js';

const SIZE = 64 * 1024;
const graphOf = (host: Partial<Host> = {}): BlockGraph => new BlockGraph({ drivers: [nbd], host });
const definition = (path: string, more: Definition = {}): Definition => ({ driver: 'nbd', server: { type: 'unix', path }, export: 'disk', ...more });

describe('names', () => {
  it.each<readonly [string, Definition]>([
    ['nbd:localhost:10809', { server: { type: 'inet', host: 'localhost', port: '10809' } }],
    ['nbd:[::1]:1:exportname=a:b', { server: { type: 'inet', host: '::1', port: '1' }, export: 'a:b' }],
    ['nbd:unix:/run/s:exportname=x', { server: { type: 'unix', path: '/run/s' }, export: 'x' }],
    ['nbd://host', { server: { type: 'inet', host: 'host', port: '10809' } }],
    ['nbd://host/', { server: { type: 'inet', host: 'host', port: '10809' } }],
    ['nbd+tcp://[::1]:77/a%20b', { server: { type: 'inet', host: '::1', port: '77' }, export: 'a b' }],
    ['nbd+unix:///x?socket=/run/a%20s', { server: { type: 'unix', path: '/run/a s' }, export: 'x' }],
    ['nbd+unix://?socket=/run/s', { server: { type: 'unix', path: '/run/s' } }],
    ['nbds://host/x', { server: { type: 'inet', host: 'host', port: '10809' }, export: 'x', tls: true }],
  ])('%s', (name, expected) => {
    expect(parseNbdName(name)).toEqual(expected);
  });

  it.each([
    ['nbd:', 'NBD server address missing'], ['nbd:foo', "error parsing address 'foo'"], ['nbd:unix:/x:exportname=', 'NBD server address missing'],
    ['nbd://', 'No valid URL specified'], ['nbd:///x', 'No valid URL specified'], ['nbd+unix:///x', 'No valid URL specified'],
    ['nbd+unix://h/x?socket=/y', 'No valid URL specified'], ['nbd://h/?socket=/x', 'No valid URL specified'], ['nbd://h/%zz', 'No valid URL specified'],
    ['nbd://localhost:zz/x', 'No valid URL specified'], ['nbd+unix:///x?socket=/y&foo=bar', 'No valid URL specified'],
  ])('%s is none', (name, message) => {
    expect(() => parseNbdName(name)).toThrow(message);
  });

  it.each<readonly [Definition, string]>([
    [{}, 'NBD server address missing'],
    [{ path: '/x', host: 'h' }, 'path and host may not be used at the same time'],
    [{ server: { type: 'unix' } }, "Parameter 'server.path' is missing"],
    [{ server: { type: 'inet', host: 'h' } }, "Parameter 'server.port' is missing"],
    [{ server: { type: 'inet', host: 'h', port: 'x' } }, 'address resolution failed for h:x: Servname not supported for ai_socktype'],
    [{ server: { type: 'bla' } }, "Parameter 'server.type' does not accept value 'bla'"],
    [{ server: { type: 'vsock' } }, "Servers of type 'vsock' are not supported"],
    [{ path: '/nonexistent', 'tls-creds': 'x' }, "No TLS credentials with id 'x'"],
    [{ path: '/nonexistent' }, "Failed to connect to '/nonexistent': No such file or directory"],
    [{ path: '/nonexistent', connections: 99 }, 'connections=99: 1 to 16 are possible'],
    [{ path: '/nonexistent', export: 'x'.repeat(5000) }, 'export name too long to send to server'],
  ])('%j is refused', async (options, message) => {
    await expect(graphOf().open({ driver: 'nbd', ...options })).rejects.toThrow(message);
  });
});

describe('an export', () => {
  it('does what the README shows', async () => {
    await using served = await serve(new MemoryDisk(new Uint8Array(SIZE)));
    const openHere = (name: string, options: OpenImageOptions): Promise<Image> => openImage(name.replace('disk.sock', served.path), options);
    const logged = await runReadmeExample(join(import.meta.dirname, '..'), { openImage: openHere, nbd });
    expect(logged).toEqual([[SIZE, new Uint8Array([1, 2, 3])]]);
  });

  it('is opened by its name, under which it is known', async () => {
    await using served = await serve(new MemoryDisk(new Uint8Array(SIZE)));
    const graph = graphOf();
    const node = await graph.open(`nbd:unix:${served.path}:exportname=disk`, { format: 'nbd' });
    expect(node.filename).toBe(`nbd+unix:///disk?socket=${served.path}`);
    expect(() => node.driver.allocatedSize?.()).toThrow(BlockError);
    await expect(node.truncate(5)).rejects.toMatchObject({ kind: 'unsupported' });
    await graph.close();
  });

  it('that is read-only is refused for writing, or opened read-only where that is allowed', async () => {
    const disk = new MemoryDisk(new Uint8Array(SIZE));
    disk.readOnly = true;
    await using served = await serve(disk);
    const graph = graphOf();
    await expect(graph.open(definition(served.path))).rejects.toMatchObject({ kind: 'permission', message: 'Could not open image: Permission denied' });
    const node = await graph.open(definition(served.path, { 'auto-read-only': true }));
    expect(node.readOnly).toBe(true);
    await graph.close();
  });

  it('uses credentials that the embedder has', async () => {
    const asked: string[] = [];
    const driver = nbdDriver({ credentials: async (id) => { asked.push(id); throw new BlockError('not-found', 'nothing there'); } });
    await expect(new BlockGraph({ drivers: [driver] }).open(definition('/nonexistent', { 'tls-creds': 'mine' }))).rejects.toThrow('nothing there');
    expect(asked).toEqual(['mine']);
  });
});

/** A clock that tests move, and timers that fire when it has come so far. */
class FakeTime {
  #now = 0;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];

  readonly host: Partial<Host> = {
    now: () => this.#now * 1e6,
    timer: (ms, callback) => {
      const timer = { at: this.#now + ms, callback };
      this.#timers.push(timer);
      return () => { this.#timers = this.#timers.filter((other) => other !== timer); };
    },
  };

  advance(ms: number): void {
    this.#now += ms;
    for (const timer of this.#timers.filter(({ at }) => at <= this.#now)) {
      this.#timers = this.#timers.filter((other) => other !== timer);
      timer.callback();
    }
  }
  get pending(): number {
    return this.#timers.length;
  }
}

describe('a lost connection', () => {
  it('comes back, and the requests that waited are made again', async () => {
    const disk = new MemoryDisk(new Uint8Array(SIZE).fill(7));
    await using served = await serve(disk);
    const graph = graphOf();
    const node = await graph.open(definition(served.path, { 'reconnect-delay': 60 }));
    let open!: () => void;
    disk.gate = new Promise((resolve) => { open = resolve; });
    const buffer = new Uint8Array(512);
    const read = node.read(0, buffer, 0, 512) as Promise<void>;
    await until(() => served.server.connections.size === 1);
    for (const connection of served.server.connections) connection.cut();
    disk.gate = undefined;
    open();
    await read;
    expect(buffer.every((byte) => byte === 7)).toBe(true);
    await graph.close();
  });

  it('is waited for by many requests without a word from Node', async () => {
    const disk = new MemoryDisk(new Uint8Array(SIZE).fill(7));
    using dir = tempDir();
    const warnings: string[] = [];
    const hear = (warning: Error): void => { warnings.push(warning.message); };
    process.on('warning', hear);
    const served = await serve(disk, {}, dir.file('s'));
    const graph = graphOf();
    const node = await graph.open(definition(dir.file('s'), { 'reconnect-delay': 60 }));
    await served.close();
    const reads = Array.from({ length: 30 }, async () => node.read(0, new Uint8Array(512), 0, 512));
    await new Promise(setImmediate);
    await using again = await serve(disk, {}, dir.file('s'));
    await Promise.all(reads);
    expect(again.server.connections.size).toBe(1);
    await graph.close();
    process.off('warning', hear);
    expect(warnings).toEqual([]);
  });

  it('fails its requests where none is to wait, and serves again when it is back', async () => {
    const disk = new MemoryDisk(new Uint8Array(SIZE));
    await using served = await serve(disk);
    const graph = graphOf();
    const node = await graph.open(definition(served.path));
    let open!: () => void;
    disk.gate = new Promise((resolve) => { open = resolve; });
    const read = node.read(0, new Uint8Array(512), 0, 512) as Promise<void>;
    for (const connection of served.server.connections) connection.cut();
    await expect(read).rejects.toMatchObject({ kind: 'io' });
    disk.gate = undefined;
    open();
    const again = async (): Promise<boolean> => {
      const done = node.read(0, new Uint8Array(512), 0, 512) as Promise<void>;
      return done.then(() => true, () => false);
    };
    await until(again);
    await graph.close();
  });

  it('that does not come back in time fails what waited', async () => {
    const time = new FakeTime();
    const served = await serve(new MemoryDisk(new Uint8Array(SIZE)));
    const graph = graphOf(time.host);
    const node = await graph.open(definition(served.path, { 'reconnect-delay': 10 }));
    await served.close();
    const read = (node.read(0, new Uint8Array(512), 0, 512) as Promise<void>).then(() => 'read', (error: BlockError) => error.message);
    await until(() => time.pending >= 2);
    time.advance(10_000);
    expect(await read).toBe('The connection to the server is lost');
    await graph.close();
  });

  it('to an export that is another one by now fails for good', async () => {
    using dir = tempDir();
    const first = await serve(new MemoryDisk(new Uint8Array(SIZE)), {}, dir.file('s'));
    const graph = graphOf();
    const node = await graph.open(definition(dir.file('s'), { 'reconnect-delay': 60 }));
    await first.close();
    await using second = await serve(new MemoryDisk(new Uint8Array(SIZE * 2)), {}, dir.file('s'));
    await expect(node.read(0, new Uint8Array(512), 0, 512)).rejects.toThrow(`The export has changed: ${SIZE * 2} bytes where there were ${SIZE}`);
    expect(second.server.connections.size).toBeLessThan(2);
    await graph.close();
  });

  it('is tried for as long as open-timeout says', async () => {
    const time = new FakeTime();
    const opening = graphOf(time.host).open(definition('/nonexistent/s', { 'open-timeout': 5 })).then(() => 'open', (error: BlockError) => error.message);
    for (let second = 0; second < 5; second++) {
      await until(() => time.pending === 1);
      time.advance(1000);
    }
    expect(await opening).toBe("Failed to connect to '/nonexistent/s': No such file or directory");
  });

  it('is one of several where the server allows it', async () => {
    await using served = await serve(new MemoryDisk(new Uint8Array(SIZE)));
    const graph = graphOf();
    const node = await graph.open(definition(served.path, { connections: 3 }));
    for (let i = 0; i < 3; i++) await node.read(0, new Uint8Array(512), 0, 512);
    expect(served.server.connections.size).toBe(3);
    await graph.close();
    await using alone = await serve(new MemoryDisk(new Uint8Array(SIZE)), { multiConn: false });
    const other = graphOf();
    const single = await other.open(definition(alone.path, { connections: 3 }));
    for (let i = 0; i < 3; i++) await single.read(0, new Uint8Array(512), 0, 512);
    expect(alone.server.connections.size).toBe(1);
    await other.close();
  });
});
