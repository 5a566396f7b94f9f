// Servers that let everybody in and then do as they like; and what failures leave behind.
import { getEventListeners, once } from 'node:events';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { SFTPWrapper } from 'ssh2';
import { BlockGraph, type BlockNode, type Definition } from '@blk/core-graph';
import { afterEach, describe, expect, it } from 'vitest';
import { addressOf } from '../src/address.js';
import { Connection } from '../src/connection.js';
import { sshDriver } from '../src/index.js';
import { Surroundings } from '../src/surroundings.js';
import { polite as politeOf, startLiar, type Liar } from './liar.js';

const SIZE = 100_000;
const own = { home: '/nowhere', agent: false, systemKnownHosts: '/nowhere' } as const;

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

async function start(...how: Parameters<typeof startLiar>): Promise<Liar> {
  const liar = await startLiar(...how);
  cleanup.push(async () => liar[Symbol.asyncDispose]());
  return liar;
}
const polite = (sftp: SFTPWrapper): SFTPWrapper => politeOf(sftp, SIZE);

async function open({ port }: Liar, more: Definition = {}): Promise<BlockNode> {
  const graph = new BlockGraph({ drivers: [sshDriver(own)] });
  cleanup.push(() => graph.close());
  return graph.open({ driver: 'ssh', server: { host: '127.0.0.1', port: String(port) }, user: 'x', path: '/disk', 'host-key-check': { mode: 'none' }, ...more });
}

const addressTo = (port: number): ReturnType<typeof addressOf> => addressOf({ server: { host: '127.0.0.1', port: String(port) }, user: 'x', path: '/x', 'host-key-check': { mode: 'none' } });

describe('a server that', () => {
  it('lets us in and then says nothing is given up', async () => {
    const { port } = await start();
    await expect(Connection.open(addressTo(port), new Surroundings(own), undefined, { timeout: 1000 })).rejects.toThrow(`Failed to connect to '127.0.0.1:${port}'`);
  });

  it('dies of a write every time is asked five times', async () => {
    const liar = await start((sftp, peer) => {
      polite(sftp).on('WRITE', () => { peer.end(); });
    });
    const node = await open(liar, { 'reconnect-delay': 3600 });
    await expect(node.write(0, new Uint8Array(512), 0, 512, 0)).rejects.toMatchObject({ kind: 'io', message: expect.stringContaining('was lost') as string });
    expect(liar.count).toBe(5);
  });

  it.each<readonly [string, (sftp: SFTPWrapper, id: number, length: number) => void]>([
    ['says that all is well instead of sending bytes', (sftp, id) => { sftp.status(id, 0); }],
    ['sends nothing', (sftp, id) => { sftp.data(id, Buffer.alloc(0)); }],
    ['says that the file ends', (sftp, id) => { sftp.status(id, 1); }],
    ['sends a handle', (sftp, id) => { sftp.handle(id, Buffer.alloc(4)); }],
    ['sends attributes', (sftp, id) => { sftp.attrs(id, { size: 5, mode: 0, uid: 0, gid: 0, atime: 0, mtime: 0 }); }],
  ])('%s gives no bytes', async (_name, answer) => {
    const node = await open(await start((sftp) => {
      polite(sftp).on('READ', (id, _handle, _offset, length) => { answer(sftp, id, length); });
    }));
    const buffer = new Uint8Array(1000);
    await expect(node.read(0, buffer, 0, 1000)).rejects.toMatchObject({ kind: 'io', message: "Remote file '/disk' ends at 0: it became shorter" });
  });

  it('sends more than it was asked for gives no more', async () => {
    const node = await open(await start((sftp) => {
      polite(sftp).on('READ', (id, _handle, _offset, length) => { sftp.data(id, Buffer.alloc(length + 100, 7)); });
    }));
    const buffer = new Uint8Array(1000);
    await node.read(0, buffer, 300, 200);
    expect(buffer.indexOf(7)).toBe(300);
    expect(buffer.lastIndexOf(7)).toBe(499);
  });

  it('stores a part of a write, and refuses another, is not believed to have stored it', async () => {
    const node = await open(await start((sftp) => {
      polite(sftp).on('WRITE', (id, _handle, offset) => {
        if (offset < 40_000) sftp.status(id, 0);
        else sftp.status(id, 4, 'No space \u001b[31mleft');
      });
    }));
    await expect(node.write(0, new Uint8Array(90_000), 0, 90_000, 0)).rejects.toThrow("failed to write to remote file '/disk': SFTP server: No space ?[31mleft (sftp error code: 4)");
  });

  it('does not do what it says when the length is changed is found out', async () => {
    const node = await open(await start((sftp) => {
      polite(sftp).on('FSETSTAT', (id) => { sftp.status(id, 0); });
    }));
    await expect(node.truncate(SIZE * 2, { preallocation: 'off' })).rejects.toThrow("The server did not resize remote file '/disk'");
    expect(node.size).toBe(SIZE);
  });
});

const hasIPv6 = Object.values(networkInterfaces()).flat().some((address) => address?.address === '::1');
it.skipIf(!hasIPv6)('a server may have an address of IPv6', async () => {
  const { port } = await start((sftp) => { polite(sftp); }, '::1');
  const graph = new BlockGraph({ drivers: [sshDriver(own)] });
  cleanup.push(() => graph.close());
  const definition = { driver: 'ssh', server: { host: '::1', port: String(port) }, user: 'x', path: '/disk', 'read-only': true };
  const node = await graph.open({ ...definition, host_key_check: 'no' });
  expect([node.size, node.filename]).toEqual([SIZE, `ssh://x@[::1]:${port}/disk?host_key_check=no`]);
  await expect(graph.open(definition)).rejects.toThrow('no host key was found in known_hosts');
});

describe('attempts that fail', () => {
  it('leave nothing at the signal that would end them', async () => {
    const server = createTcpServer();
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const { signal } = new AbortController();
    for (let attempt = 0; attempt < 3; attempt++) await expect(Connection.open(addressTo(port), new Surroundings(own), signal)).rejects.toThrow('Connection refused');
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('do not begin once they are called off', async () => {
    const { port } = await start();
    const abort = new AbortController();
    const opening = Connection.open(addressTo(port), new Surroundings(own), abort.signal);
    abort.abort(new Error('enough'));
    await expect(opening).rejects.toThrow('enough');
  });
});
