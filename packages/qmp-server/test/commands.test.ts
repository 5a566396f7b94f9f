// The commands of the block layer, on real nodes, over a monitor.
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { commandNames, eventNames, validateCommandReturn } from '@blk/qapi-types';
import { BlockError } from '@blk/core-graph';
import { tempDir } from '@blk/oracle';
import { attach, testServer, type TestClient } from './support.js';

const NULL = { driver: 'null-co', size: 1 << 20 };

async function session(): Promise<{ server: Awaited<ReturnType<typeof testServer>>; client: TestClient }> {
  const server = await testServer();
  return { server, client: await attach(server).negotiate() };
}

describe('what the server is', () => {
  test('lists its commands and events, all of them in the schema, and describes exactly those', async () => {
    const { server, client } = await session();
    const commands = ((await client.execute('query-commands')) as { name: string }[]).map(({ name }) => name);
    const events = ((await client.execute('query-events')) as { name: string }[]).map(({ name }) => name);
    expect(commandNames()).toEqual(expect.arrayContaining(commands));
    expect(eventNames()).toEqual(expect.arrayContaining(events));
    const schema = (await client.execute('query-qmp-schema')) as { name: string; 'meta-type': string }[];
    const described = (kind: string): string[] => schema.filter((entry) => entry['meta-type'] === kind).map(({ name }) => name).sort();
    expect(described('command')).toEqual([...commands].sort());
    expect(described('event')).toEqual([...events].sort());
    await server.close();
  });

  test('every answer is as the schema says', async () => {
    const { server, client } = await session();
    await client.execute('blockdev-add', { options: { ...NULL, id: 'd', 'node-name': 'n' } });
    for (const name of ['query-block', 'query-blockstats', 'query-named-block-nodes', 'query-version', 'query-commands', 'query-events', 'query-qmp-schema'] as const) {
      const result = await client.execute(name);
      expect(validateCommandReturn(name, result), name).toEqual(result);
    }
    await server.close();
  });

  test('arguments are checked against the schema', async () => {
    const { server, client } = await session();
    await expect(client.execute('query-version', { x: 1 })).rejects.toThrow("GenericError: Parameter 'x' is unexpected");
    await expect(client.execute('block_resize', { device: 1 })).rejects.toThrow("Invalid parameter type for 'device', expected: string");
    await expect(client.execute('block_resize', { device: 'x' })).rejects.toThrow("Parameter 'size' is missing");
    await server.close();
  });
});

describe('blockdev-add', () => {
  test('2.4: with an id a device, with a node name a node, wrapped in options', async () => {
    const { server, client } = await session();
    expect(await client.ask('blockdev-add', { options: { ...NULL, id: 'drive0', rerror: 'ignore', werror: 'enospc', cache: { writeback: false } } })).toEqual({ return: {} });
    await client.execute('blockdev-add', { options: { ...NULL, 'node-name': 'n0' } });
    expect(await client.execute('query-block')).toEqual([
      {
        device: 'drive0',
        type: 'unknown',
        removable: true,
        locked: false,
        tray_open: false,
        'io-status': 'ok',
        inserted: {
          file: 'null-co://',
          'node-name': expect.stringMatching(/^#block/) as string,
          ro: false,
          drv: 'null-co',
          backing_file_depth: 0,
          encrypted: false,
          encryption_key_missing: false,
          detect_zeroes: 'off',
          bps: 0,
          bps_rd: 0,
          bps_wr: 0,
          iops: 0,
          iops_rd: 0,
          iops_wr: 0,
          image: { filename: 'null-co://', format: 'null-co', 'virtual-size': 1 << 20, 'actual-size': 0, 'dirty-flag': false },
          cache: { writeback: false, direct: false, 'no-flush': false },
          write_threshold: 0,
        },
      },
    ]);
    expect(((await client.execute('query-named-block-nodes')) as object[]).length).toBe(2);
    await server.close();
  });

  test.each([
    [{}, "Parameter 'options' is missing"],
    [{ options: NULL }, "'id' and/or 'node-name' need to be specified for the root node"],
    [NULL, "'node-name' must be specified for the root node"],
    [{ options: { ...NULL, id: '0x' } }, "Parameter 'id' expects an identifier"],
    [{ options: { ...NULL, id: 'd', rerror: 'enospc' } }, "'enospc' invalid read error action"],
    [{ options: { ...NULL, id: 'taken' } }, "Device with id 'taken' already exists"],
    [{ options: { ...NULL, id: 'node' } }, "Device name 'node' conflicts with an existing node name"],
    [{ options: { ...NULL, 'node-name': 'taken' } }, 'node-name=taken is conflicting with a device id'],
    [{ ...NULL, 'node-name': 'node' }, "Duplicate nodes with node-name='node'"],
    [{ ...NULL, 'node-name': '0x' }, "Invalid node-name: '0x'"],
    [{ ...NULL, 'node-name': 'x', werror: 'stop' }, "Parameter 'werror' belongs to a device and needs an 'id'"],
    [{ driver: 'nope', 'node-name': 'x' }, "Parameter 'driver' does not accept value 'nope'"],
    [{ driver: 'archipelago', 'node-name': 'x', volume: 'v' }, "Unknown driver 'archipelago'"],
    [{ driver: 'file', 'node-name': 'x', filename: '/nonexistent' }, "Could not open '/nonexistent': No such file or directory"],
    [{ driver: 'raw', 'node-name': 'x', file: 'gone' }, "nor node-name='gone'"],
    [{ driver: 'raw', 'node-name': 'x', file: { driver: 'null-co', id: 'y' } }, "support the option 'id'"],
  ])('%j is refused: %s', async (args, text) => {
    const { server, client } = await session();
    await client.execute('blockdev-add', { options: { ...NULL, id: 'taken', 'node-name': 'takens-node' } });
    await client.execute('blockdev-add', { ...NULL, 'node-name': 'node' });
    await expect(client.execute('blockdev-add', args)).rejects.toThrow(text);
    expect([...server.graph.nodes].map(({ name }) => name)).toEqual(['takens-node', 'node']);
    expect(server.lines).toEqual([]);
    await server.close();
  });

  test('today: blockdev-del takes a node away again, unless it is used', async () => {
    const { server, client } = await session();
    await client.execute('blockdev-add', { ...NULL, 'node-name': 'disk' });
    await client.execute('blockdev-add', { driver: 'raw', 'node-name': 'top', file: 'disk' });
    await expect(client.execute('blockdev-del', { 'node-name': 'disk' })).rejects.toThrow('Block device disk is in use');
    await client.execute('nbd-server-start', { addr: { type: 'inet', data: { host: '127.0.0.1', port: '0' } } });
    await client.execute('block-export-add', { type: 'nbd', id: 'e', 'node-name': 'top' });
    await expect(client.execute('blockdev-del', { 'node-name': 'top' })).rejects.toThrow('Node top is in use');
    await client.execute('block-export-del', { id: 'e' });
    await client.event('BLOCK_EXPORT_DELETED');
    await client.execute('blockdev-del', { 'node-name': 'top' });
    await client.execute('blockdev-del', { 'node-name': 'disk' });
    await expect(client.execute('blockdev-del', { 'node-name': 'disk' })).rejects.toThrow("Failed to find node with node-name='disk'");
    expect(await client.execute('query-named-block-nodes')).toEqual([]);
    await server.close();
  });
});

describe('block_resize', () => {
  test('resizes by device or node name, and refuses what is neither', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('x'), Buffer.alloc(1 << 20));
    const { server, client } = await session();
    await client.execute('blockdev-add', { options: { driver: 'raw', id: 'd', 'node-name': 'n', file: { driver: 'file', filename: dir.file('x') } } });
    await client.execute('blockdev-add', { ...NULL, 'node-name': 'fixed' });
    expect(await client.ask('block_resize', { device: 'd', size: 3 << 20 })).toEqual({ return: {} });
    expect(readFileSync(dir.file('x')).length).toBe(3 << 20);
    await client.execute('block_resize', { 'node-name': 'n', size: 2 << 20 });
    expect(readFileSync(dir.file('x')).length).toBe(2 << 20);
    const refused = async (args: object): Promise<string> => client.execute('block_resize', args).then(String, (error: Error) => error.message);
    expect(await refused({ size: 1 })).toBe("GenericError: Cannot find device='' nor node-name=''");
    expect(await refused({ device: 'd', 'node-name': 'n', size: 1 })).toBe("GenericError: Only one of 'device' and 'node-name' may be given");
    expect(await refused({ device: 'x', size: 1 })).toBe("DeviceNotFound: Device 'x' not found");
    expect(await refused({ 'node-name': 'x', size: 1 })).toBe("GenericError: Cannot find device='' nor node-name='x'");
    expect(await refused({ device: 'd', size: -1 })).toBe("GenericError: Parameter 'size' expects a >0 size");
    expect(await refused({ 'node-name': 'fixed', size: 1 })).toBe('GenericError: Image format driver does not support resize');
    client.send('{"execute": "block_resize", "arguments": {"device": "d", "size": 9223372036854775807}}');
    expect((await client.reply()).error).toMatchObject({ desc: expect.stringContaining('9007199254740991') as string });
    expect(readFileSync(dir.file('x')).length).toBe(2 << 20);
    await server.close();
  });
});

describe('statistics and events', () => {
  test('query-blockstats counts what a device did; nodes show their highest write', async () => {
    const { server, client } = await session();
    const device = await server.addDevice('d', { driver: 'raw', 'node-name': 'n', file: { ...NULL, 'node-name': 'f' } });
    const buffer = new Uint8Array(4096);
    await device.write(8192, buffer, 0, 4096);
    await device.read(0, buffer, 0, 512);
    await device.flush();
    const [stats] = (await client.execute('query-blockstats')) as { stats: object }[];
    const counted = { rd_bytes: 512, wr_bytes: 4096, rd_operations: 1, wr_operations: 1, flush_operations: 1, wr_highest_offset: 12_288, rd_merged: 0, wr_merged: 0 };
    expect(stats).toMatchObject({ device: 'd', 'node-name': 'n', stats: counted, parent: { 'node-name': 'f', stats: { wr_highest_offset: 12_288 } } });
    expect(Object.keys(stats.stats).sort()).toEqual(
      [...Object.keys(counted), 'flush_total_time_ns', 'rd_total_time_ns', 'wr_total_time_ns'].sort(),
    );
    const nodes = (await client.execute('query-blockstats', { 'query-nodes': true })) as { 'node-name': string; device?: string; stats: object }[];
    expect(nodes.map((node) => node['node-name']).sort()).toEqual(['f', 'n']);
    expect(nodes.find((node) => node['node-name'] === 'n')).toMatchObject({ stats: counted });
    expect(nodes.some((node) => 'device' in node)).toBe(false);
    await server.close();
  });

  test('BLOCK_WRITE_THRESHOLD comes once, to every client', async () => {
    const { server, client } = await session();
    const other = await attach(server).negotiate();
    const device = await server.addDevice('d', { ...NULL, 'node-name': 'n' });
    await expect(client.execute('block-set-write-threshold', { 'node-name': 'x', 'write-threshold': 1 })).rejects.toThrow("DeviceNotFound: Device 'x' not found");
    await client.execute('block-set-write-threshold', { 'node-name': 'n', 'write-threshold': 4096 });
    expect(await client.execute('query-named-block-nodes')).toMatchObject([{ write_threshold: 4096 }]);
    const buffer = new Uint8Array(8192);
    await device.write(0, buffer, 0, 4096);
    await device.write(1024, buffer, 0, 8192);
    await device.write(1024, buffer, 0, 8192);
    const data = { 'node-name': 'n', 'amount-exceeded': 5120, 'write-threshold': 4096 };
    for (const each of [client, other]) expect((await each.event('BLOCK_WRITE_THRESHOLD')).data).toEqual(data);
    expect(await client.execute('query-named-block-nodes')).toMatchObject([{ write_threshold: 0 }]);
    expect([...client.messages, ...other.messages]).toEqual([]);
    await server.close();
  });

  test('BLOCK_IO_ERROR and BLOCK_IMAGE_CORRUPTED tell what the graph tells', async () => {
    const { server, client } = await session();
    const backend = await server.addDevice('d', { ...NULL, 'node-name': 'n' }, { werror: 'stop' });
    server.graph.emit({ type: 'io-error', backend, operation: 'flush', action: 'stop', error: new BlockError('no-space', 'full') });
    expect((await client.event('BLOCK_IO_ERROR')).data).toEqual({ device: 'd', operation: 'write', action: 'stop', nospace: true, reason: 'No space left on device' });
    server.graph.emit({ type: 'io-error', backend, operation: 'read', action: 'report', error: new BlockError('io', 'bad') });
    expect((await client.event('BLOCK_IO_ERROR')).data).toEqual({ device: 'd', operation: 'read', action: 'report', nospace: false, reason: 'Input/output error' });
    server.graph.emit({ type: 'corrupted', node: backend.root, report: { message: 'bad', fatal: true, offset: 512, size: 8 } });
    expect((await client.event('BLOCK_IMAGE_CORRUPTED')).data).toEqual({ device: 'd', 'node-name': 'n', msg: 'bad', offset: 512, size: 8, fatal: true });
    await server.close();
  });
});

describe('the end', () => {
  test('quit is answered, then SHUTDOWN comes, then the connection closes', async () => {
    const { server, client } = await session();
    const other = await attach(server).negotiate();
    expect(await client.ask('quit')).toEqual({ return: {} });
    expect(await other.event('SHUTDOWN')).toMatchObject({ data: { guest: false } });
    await client.end();
    expect(client.messages.map(({ event }) => event)).toEqual(['SHUTDOWN']);
    await server.closed;
    expect(server.monitors.size).toBe(0);
  });

  test('what cannot be flushed is told, and the rest is closed all the same', async () => {
    const { server } = await session();
    await server.addDevice('d', { ...NULL, 'node-name': 'n' });
    const node = server.graph.node('n');
    node.flush = () => {
      throw new BlockError('io', 'the disk is gone');
    };
    await expect(server.close()).rejects.toThrow('the disk is gone');
    expect(server.lines.join('\n')).toContain('cannot flush: the disk is gone');
    expect([...server.graph.nodes]).toEqual([]);
  });

  test('a device that was stopped by an error keeps nobody from the end', async () => {
    const { server, client } = await session();
    const device = await server.addDevice('d', { ...NULL, 'node-name': 'n' }, { werror: 'stop' });
    await server.addDevice('other', { ...NULL, 'node-name': 'o' });
    let flushed = false;
    server.graph.node('o').flush = () => {
      flushed = true;
    };
    server.graph.node('n').write = () => {
      throw new BlockError('io', 'bad sector');
    };
    const write = device.write(0, new Uint8Array(512), 0, 512);
    await client.event('BLOCK_IO_ERROR');
    expect(await server.execute('query-block')).toMatchObject([{ device: 'd', 'io-status': 'failed' }, { device: 'other' }]);
    const [outcome] = await Promise.allSettled([write, server.close({ timeout: 10 })]);
    expect(outcome).toMatchObject({ status: 'rejected', reason: { kind: 'no-medium' } });
    expect(flushed).toBe(true);
  });

  test('a graph of the caller is flushed and left open', async () => {
    const own = await testServer();
    await own.addDevice('d', NULL);
    const server = await testServer({ graph: own.graph });
    expect(await server.execute('query-block')).toHaveLength(1);
    await server.close();
    expect(own.graph.backends.get('d')?.size).toBe(1 << 20);
    await own.close();
  });
});
