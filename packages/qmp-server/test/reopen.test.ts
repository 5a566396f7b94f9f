// Nodes opened again by new definitions; exports in today's commands; what a quorum reports.
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BlockError, type Backend } from '@blk/core-graph';
import { tempDir, type TempDir } from '@blk/oracle';
import { attach, testServer, type Message, type TestClient } from './support.js';

const MIB = 1 << 20;

/** `t` (file `tf`) over `b`, another image `b2`, and a device over `t`. */
async function session(dir: TempDir, device = true): Promise<{ server: Awaited<ReturnType<typeof testServer>>; client: TestClient; reopen: (...options: object[]) => Promise<string>; t: object }> {
  const server = await testServer();
  const client = await attach(server).negotiate();
  for (const name of ['b', 'b2']) {
    await server.graph.create(dir.file(name), { format: 'qcow2', size: MIB });
    const writer = await server.addDevice('w', dir.file(name), { format: 'qcow2' });
    await writer.write(0, Buffer.alloc(4096, name === 'b' ? 1 : 2), 0, 4096);
    await writer.close();
    await client.execute('blockdev-add', { driver: 'qcow2', 'node-name': name, 'read-only': true, file: { driver: 'file', filename: dir.file(name) } });
  }
  await server.graph.create(dir.file('t'), { format: 'qcow2', size: MIB });
  await client.execute('blockdev-add', { driver: 'file', 'node-name': 'tf', filename: dir.file('t') });
  const t = { driver: 'qcow2', 'node-name': 't', file: 'tf', backing: 'b' };
  await client.execute('blockdev-add', device ? { options: { ...t, id: 'd' } } : t);
  const reopen = (...options: object[]): Promise<string> =>
    client.execute('blockdev-reopen', { options }).then(JSON.stringify, (error: Error) => error.message);
  return { server, client, reopen, t };
}

async function firstByte(device: Backend): Promise<number> {
  const buffer = new Uint8Array(1);
  await device.read(0, buffer, 0, 1);
  return buffer[0];
}

async function node(client: TestClient, name: string): Promise<Message> {
  return ((await client.execute('query-named-block-nodes', { flat: true })) as Message[]).find((each) => each['node-name'] === name)!;
}

describe('blockdev-reopen', () => {
  test('exchanges the backing image, or takes it away, while the guest goes on', async () => {
    using dir = tempDir();
    const { server, reopen, t } = await session(dir);
    const device = server.graph.backends.get('d')!;
    expect(await firstByte(device)).toBe(1);
    const write = async (offset: number): Promise<void> => {
      await device.write(offset, Buffer.alloc(512, 9), 0, 512);
    };
    const writes = Array.from({ length: 16 }, (_, index) => write(65536 + index * 512));
    expect(await reopen({ ...t, backing: 'b2' })).toBe('{}');
    await Promise.all(writes);
    expect(await firstByte(device)).toBe(2);
    expect(await reopen({ ...t, backing: null })).toBe('{}');
    expect(await firstByte(device)).toBe(0);
    expect(await reopen({ ...t, backing: 'b' })).toBe('{}');
    expect(await firstByte(device)).toBe(1);
    const buffer = new Uint8Array(8192);
    await device.read(65536, buffer, 0, 8192);
    expect(buffer.every((byte) => byte === 9)).toBe(true);
    expect(server.graph.node('b2').parents.size).toBe(0);
    await server.close();
  });

  test('changes what can be changed, and resets what is left out', async () => {
    using dir = tempDir();
    const { client, server, reopen, t } = await session(dir, false);
    expect(await reopen({ ...t, discard: 'unmap', 'detect-zeroes': 'unmap', cache: { 'no-flush': true }, 'lazy-refcounts': true })).toBe('{}');
    expect(await node(client, 't')).toMatchObject({ ro: false, detect_zeroes: 'unmap', cache: { 'no-flush': true } });
    expect(server.graph.node('t').discardEnabled).toBe(true);
    expect(await reopen({ ...t, 'read-only': true })).toBe('{}');
    expect(await node(client, 't')).toMatchObject({ ro: true, detect_zeroes: 'off', cache: { 'no-flush': false } });
    // A file that was opened for itself keeps what it was told.
    expect(await node(client, 'tf')).toMatchObject({ ro: false });
    expect(await reopen(t)).toBe('{}');
    expect(await node(client, 't')).toMatchObject({ ro: false });
    expect(await reopen({ ...t, file: { driver: 'file', filename: dir.file('t') } })).toBe('{}');
    await server.close();
  });

  test('refusals, by name, with nothing changed', async () => {
    using dir = tempDir();
    const { client, server, reopen, t } = await session(dir);
    const before = JSON.stringify(await client.execute('query-named-block-nodes'));
    expect(await reopen()).toBe('{}');
    expect(await reopen({ driver: 'qcow2', 'node-name': 'nope', file: 'x' })).toBe("GenericError: Failed to find node with node-name='nope'");
    expect(await reopen({ driver: 'qcow2', file: 'tf' })).toBe('GenericError: node-name not specified');
    expect(await reopen({ driver: 'raw', 'node-name': 't', file: 'tf' })).toBe("GenericError: Cannot change the option 'driver'");
    expect(await reopen({ driver: 'qcow2', 'node-name': 't' })).toBe("GenericError: Parameter 'options[0].file' is missing");
    expect(await reopen({ ...t, backing: undefined })).toBe("GenericError: backing is missing for 't'");
    expect(await reopen({ ...t, backing: 'nope' })).toBe("GenericError: Cannot find device='' nor node-name='nope'");
    expect(await reopen({ ...t, backing: 't' })).toBe("GenericError: Making 't' a backing child of 't' would create a cycle");
    expect(await reopen({ ...t, file: 'b' })).toBe("GenericError: Cannot change the option 'file'");
    expect(await reopen({ ...t, file: { driver: 'file', 'node-name': 'other', filename: dir.file('t') } })).toBe("GenericError: Cannot change the option 'node-name'");
    expect(await reopen({ ...t, bogus: true })).toBe("GenericError: Parameter 'options[0].bogus' is unexpected");
    expect(await reopen({ ...t, 'detect-zeroes': 'unmap' })).toBe('GenericError: setting detect-zeroes to unmap is not allowed without setting discard operation to unmap');
    expect(await reopen({ ...t, 'read-only': true })).toBe('GenericError: Cannot make block node read-only, there is a writer on it');
    expect(await reopen({ driver: 'file', 'node-name': 'tf', filename: dir.file('b') })).toBe("GenericError: Cannot change the option 'filename'");
    expect(await reopen(t, t)).toBe("GenericError: Node 't' is there twice");
    // The first could be opened, the second not: both are as they were.
    expect(await reopen({ ...t, 'detect-zeroes': 'on' }, { driver: 'qcow2', 'node-name': 'b', 'read-only': true, file: 'nope' })).toContain("Cannot change the option 'file'");
    expect(await reopen({ ...t, backing: 'b2', 'detect-zeroes': 'on' }, { driver: 'qcow2', 'node-name': 'b2', 'read-only': true, 'cache-size': 1, 'l2-cache-size': 1 << 20, file: { driver: 'file', filename: dir.file('b2') } })).toBe('GenericError: l2-cache-size may not exceed cache-size');
    expect(JSON.stringify(await client.execute('query-named-block-nodes'))).toBe(before);
    expect(await firstByte(server.graph.backends.get('d')!)).toBe(1);
    await server.close();
  });

  test('a filter\'s child can be exchanged', async () => {
    using dir = tempDir();
    for (const name of ['one', 'two']) writeFileSync(dir.file(name), Buffer.alloc(8192, name));
    const server = await testServer();
    const client = await attach(server).negotiate();
    for (const name of ['one', 'two']) await client.execute('blockdev-add', { driver: 'file', 'node-name': name, filename: dir.file(name) });
    await client.execute('blockdev-add', { options: { driver: 'raw', id: 'd', 'node-name': 'r', file: 'one' } });
    const device = server.graph.backends.get('d')!;
    await device.write(512, Buffer.alloc(512, 7), 0, 512);
    await client.execute('blockdev-reopen', { options: [{ driver: 'raw', 'node-name': 'r', file: 'two', offset: 4096 }] });
    expect(device.size).toBe(4096);
    await device.write(0, Buffer.alloc(512, 8), 0, 512);
    await server.close();
    expect([readFileSync(dir.file('one'))[512], readFileSync(dir.file('two'))[512], readFileSync(dir.file('two'))[4096]]).toEqual([7, 'two'.charCodeAt(512 % 3), 8]);
  });
});

describe('x-blockdev-change', () => {
  test('refuses nodes whose driver takes no children while they are open', async () => {
    using dir = tempDir();
    const { server, client } = await session(dir);
    const change = (args: object): Promise<string> => client.execute('x-blockdev-change', args).then(JSON.stringify, (error: Error) => error.message);
    expect(await change({ parent: 't', child: 'children.0' })).toBe("GenericError: Node 't' does not have child 'children.0'");
    expect(await change({ parent: 't', node: 'b2' })).toBe('GenericError: The node t does not support adding a child');
    expect(await change({ parent: 't', child: 'file' })).toBe('GenericError: The node t does not support removing a child');
    expect(await change({ parent: 'nope', node: 'b2' })).toBe("GenericError: Cannot find device='nope' nor node-name='nope'");
    expect(await change({ parent: 't' })).toBe('GenericError: Either child or node must be specified');
    expect(await change({ parent: 't', node: 'nope' })).toBe("GenericError: Node 'nope' not found");
    expect(await change({ parent: 't', child: 'x', node: 'b2' })).toBe('GenericError: The parameters child and node are in conflict');
    await server.close();
  });
});

describe('block-export-add, block-export-del, query-block-exports', () => {
  test('exports come and go by their ids, and each end is told', async () => {
    using dir = tempDir();
    const { server, client } = await session(dir);
    const add = (args: object): Promise<string> => client.execute('block-export-add', { type: 'nbd', ...args }).then(JSON.stringify, (error: Error) => error.message);
    expect(await add({ id: 'e0', 'node-name': 't' })).toBe('GenericError: NBD server not running');
    await client.execute('nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } });
    expect(await add({ id: 'e0', 'node-name': 't', name: 'x' })).toBe('{}');
    expect(await add({ id: 'e0', 'node-name': 't' })).toBe("GenericError: Block export id 'e0' is already in use");
    expect(await add({ id: 'e1', 'node-name': 't', name: 'x' })).toBe("GenericError: NBD server already has export named 'x'");
    expect(await add({ id: 'e1', 'node-name': 'nope' })).toBe("GenericError: Cannot find device='' nor node-name='nope'");
    expect(await add({ id: '0e', 'node-name': 't' })).toBe('GenericError: Invalid block export id');
    expect(await add({ id: 'e2', 'node-name': 'b2', writable: true })).toBe('GenericError: Cannot export read-only node as writable');
    expect(await add({ id: 'e3', 'node-name': 'b2', description: 'words', 'allocation-depth': true, writethrough: true })).toBe('{}');
    expect(await add({ id: 'e4', 'node-name': 'd', name: 'by-device', type: 'bogus' })).toContain("does not accept value 'bogus'");
    expect(await client.execute('query-block-exports')).toEqual([
      { id: 'e3', type: 'nbd', 'node-name': 'b2', 'shutting-down': false },
      { id: 'e0', type: 'nbd', 'node-name': 't', 'shutting-down': false },
    ]);
    await expect(client.execute('block-export-del', { id: 'nope' })).rejects.toThrow("GenericError: Export 'nope' is not found");
    await client.execute('block-export-del', { id: 'e0' });
    await client.execute('nbd-server-stop');
    expect(await client.execute('query-block-exports')).toEqual([]);
    expect(client.messages.splice(0).map(({ event, data }) => [event, data])).toEqual([['BLOCK_EXPORT_DELETED', { id: 'e0' }], ['BLOCK_EXPORT_DELETED', { id: 'e3' }]]);
    await server.close();
  });
});

describe('QUORUM_FAILURE and QUORUM_REPORT_BAD', () => {
  test('what a driver reports is told in sectors, once a second for each quorum and child', async () => {
    const server = await testServer();
    const client = await attach(server).negotiate();
    await server.addDevice('d', { driver: 'null-co', 'node-name': 'n' });
    const quorum = server.graph.node('n');
    server.graph.emit({ type: 'quorum', node: quorum, report: { what: 'failure', offset: 1024, length: 513 } });
    server.graph.emit({ type: 'quorum', node: quorum, report: { what: 'failure', offset: 0, length: 512 } });
    server.graph.emit({ type: 'quorum', node: quorum, report: { what: 'bad', operation: 'read', child: 'c0', offset: 100, length: 100 } });
    server.graph.emit({ type: 'quorum', node: quorum, report: { what: 'bad', operation: 'write', child: 'c1', error: new BlockError('no-space', 'x'), offset: 0, length: 1024 } });
    await client.execute('query-version');
    expect(client.messages.splice(0).map(({ event, data }) => [event, data])).toEqual([
      ['QUORUM_FAILURE', { reference: 'd', 'sector-num': 2, 'sectors-count': 2 }],
      ['QUORUM_REPORT_BAD', { type: 'read', 'node-name': 'c0', 'sector-num': 0, 'sectors-count': 1 }],
      ['QUORUM_REPORT_BAD', { type: 'write', error: 'No space left on device', 'node-name': 'c1', 'sector-num': 0, 'sectors-count': 2 }],
    ]);
    await server.close();
  });
});
