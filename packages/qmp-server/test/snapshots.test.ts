// External and internal snapshots of devices that are in use, and what is kept in images about their backing files.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Backend } from '@blk/core-graph';
import { tempDir, type TempDir } from '@blk/oracle';
import { attach, testServer, type TestClient } from './support.js';

type Server = Awaited<ReturnType<typeof testServer>>;

const MIB = 1 << 20;

/** A server with a device `d` over a new qcow2 image of 4 MiB, the node of which is called `n`. */
async function session(dir: TempDir, options: object = {}): Promise<{ server: Server; client: TestClient; device: Backend }> {
  const server = await testServer();
  await server.graph.create(dir.file('base.qcow2'), { format: 'qcow2', size: 4 * MIB });
  const client = await attach(server).negotiate();
  const file = { driver: 'file', filename: dir.file('base.qcow2') };
  await client.execute('blockdev-add', { options: { driver: 'qcow2', id: 'd', 'node-name': 'n', file, ...options } });
  return { server, client, device: server.graph.backends.get('d')! };
}

async function fill(device: Backend, offset: number, length: number, byte: number): Promise<void> {
  await device.write(offset, Buffer.alloc(length, byte), 0, length);
}

async function firstByte(device: Backend, offset: number): Promise<number> {
  const buffer = new Uint8Array(1);
  await device.read(offset, buffer, 0, 1);
  return buffer[0];
}

interface Inserted {
  readonly file: string;
  readonly 'node-name': string;
  readonly ro: boolean;
  readonly backing_file?: string;
  readonly backing_file_depth: number;
  readonly 'dirty-bitmaps'?: object[];
  readonly image: Record<string, unknown>;
}

async function inserted(client: TestClient): Promise<Inserted> {
  return ((await client.execute('query-block')) as { inserted: Inserted }[])[0].inserted;
}

describe('blockdev-snapshot-sync', () => {
  test('a new image with the base\'s absolute path goes on top, takes the writes, and the base becomes read-only', async () => {
    using dir = tempDir();
    const { server, client, device } = await session(dir);
    await fill(device, 0, 4096, 1);
    expect(await client.ask('blockdev-snapshot-sync', { device: 'd', 'snapshot-file': dir.file('s.qcow2'), 'snapshot-node-name': 's' })).toEqual({ return: {} });
    await fill(device, MIB, 4096, 2);
    expect(await inserted(client)).toMatchObject({
      file: dir.file('s.qcow2'), 'node-name': 's', ro: false, backing_file: dir.file('base.qcow2'), backing_file_depth: 1,
      image: { 'backing-filename': dir.file('base.qcow2'), 'full-backing-filename': dir.file('base.qcow2'), 'backing-filename-format': 'qcow2' },
    });
    const nodes = (await client.execute('query-named-block-nodes', { flat: true })) as Inserted[];
    expect(Object.fromEntries(nodes.map((node) => [node['node-name'], node.ro]))).toMatchObject({ s: false, n: true });
    expect(await firstByte(device, 0)).toBe(1);
    expect(await firstByte(device, MIB)).toBe(2);
    await server.close();
    const again = await testServer();
    const base = await again.addDevice('b', dir.file('base.qcow2'), { format: 'qcow2', readOnly: true });
    expect(await firstByte(base, MIB)).toBe(0);
    await again.close();
  });

  test('under load every write is where it was acknowledged, over a chain of snapshots of several formats and names', async () => {
    using dir = tempDir();
    const { server, client, device } = await session(dir);
    const model = new Uint8Array(4 * MIB);
    let seed = 12345;
    const random = (below: number): number => ((seed = (seed * 1103515245 + 12345) % 2147483648) >>> 8) % below;
    let stop = false;
    const guest = async (): Promise<void> => {
      while (!stop) {
        const offset = random(4 * MIB - 8192);
        const length = 1 + random(8192);
        const bytes = Buffer.alloc(length, 1 + random(255));
        await device.write(offset, bytes, 0, length);
        model.set(bytes, offset);
        if (random(8) === 0) await device.flush();
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    // One at a time: a model can't tell which of two overlapping writes came last.
    const load = guest();
    for (let index = 0; index < 6; index++) {
      await client.execute('blockdev-snapshot-sync', { device: 'd', 'snapshot-file': dir.file(`s${index}.qcow2`), ...(index % 2 === 0 ? { 'snapshot-node-name': `s${index}` } : {}) });
    }
    stop = true;
    await load;
    expect((await inserted(client)).backing_file_depth).toBe(6);
    const content = new Uint8Array(4 * MIB);
    await device.read(0, content, 0, content.length);
    expect(Buffer.compare(content, model)).toBe(0);
    await server.close();
    const again = await testServer();
    const image = await again.addDevice('b', dir.file('s5.qcow2'), { format: 'qcow2', readOnly: true });
    await image.read(0, content, 0, content.length);
    expect(Buffer.compare(content, model)).toBe(0);
    await again.close();
  });

  test('mode existing takes an image as it is, by node name where that is given, and the bitmaps of the device go on', async () => {
    using dir = tempDir();
    const { server, client, device } = await session(dir);
    await server.graph.create(dir.file('s.qcow2'), { format: 'qcow2', size: 4 * MIB });
    const { addBitmap } = await import('@blk/core-graph');
    await addBitmap(server.graph.node('n'), { name: 'b0' });
    await fill(device, 0, 512, 7);
    await client.execute('blockdev-snapshot-sync', { 'node-name': 'n', 'snapshot-file': dir.file('s.qcow2'), 'snapshot-node-name': 's', mode: 'existing' });
    await fill(device, MIB, 512, 8);
    expect(await inserted(client)).toMatchObject({ 'node-name': 's', backing_file: dir.file('base.qcow2') });
    // Nothing is recorded in an image that was there: its creator has to.
    expect((await inserted(client)).image).not.toHaveProperty('backing-filename');
    expect(((await client.execute('query-block')) as object[])[0]).toMatchObject({ 'dirty-bitmaps': [{ name: 'b0', count: 2 * 65536, status: 'active' }] });
    await server.close();
  });

  test('a node below another gets no snapshot: the one above says by name what lies below it', async () => {
    using dir = tempDir();
    const { server, client } = await session(dir);
    await client.execute('blockdev-snapshot-sync', { device: 'd', 'snapshot-file': dir.file('top.qcow2'), 'snapshot-node-name': 'top' });
    const again = client.execute('blockdev-snapshot-sync', { 'node-name': 'n', 'snapshot-file': dir.file('mid.qcow2'), 'snapshot-node-name': 'mid' });
    await expect(again).rejects.toThrow("GenericError: Node 'n' is busy: node is used as backing hd of 'top'");
    expect(existsSync(dir.file('mid.qcow2'))).toBe(false);
    expect(server.graph.node('top').backing?.node.name).toBe('n');
    await server.close();
  });

  test('refusals, each with nothing changed and nothing made', async () => {
    using dir = tempDir();
    const { server, client } = await session(dir);
    writeFileSync(dir.file('dir-is-not'), 'x');
    const refused = async (args: object): Promise<string> => client.execute('blockdev-snapshot-sync', args).then(String, (error: Error) => error.message);
    const file = dir.file('s.qcow2');
    expect(await refused({ device: 'x', 'snapshot-file': file })).toBe("DeviceNotFound: Device 'x' not found");
    expect(await refused({ 'snapshot-file': file })).toBe("GenericError: Cannot find device='' nor node-name=''");
    expect(await refused({ device: 'd', 'node-name': 'n', 'snapshot-file': file })).toBe("GenericError: Only one of 'device' and 'node-name' may be given");
    expect(await refused({ 'node-name': 'x', 'snapshot-file': file })).toBe("GenericError: Cannot find device='' nor node-name='x'");
    expect(await refused({ 'node-name': 'n', 'snapshot-file': file })).toBe('GenericError: New overlay node-name missing');
    expect(await refused({ device: 'd', 'snapshot-file': file, 'snapshot-node-name': 'n' })).toBe('GenericError: New overlay node-name already in use');
    expect(await refused({ device: 'd', 'snapshot-file': file, 'snapshot-node-name': 'd' })).toBe('GenericError: New overlay node-name already in use');
    expect(await refused({ device: 'd', 'snapshot-file': file, 'snapshot-node-name': '0x' })).toBe("GenericError: Invalid node-name: '0x'");
    expect(await refused({ device: 'd', 'snapshot-file': file, format: 'nope' })).toBe("GenericError: Unknown file format 'nope'");
    expect(await refused({ device: 'd', 'snapshot-file': file, format: 'raw' })).toBe("GenericError: Backing file not supported for file format 'raw'");
    expect(await refused({ device: 'd', 'snapshot-file': dir.file('base.qcow2') })).toContain('Failed to get');
    expect(await refused({ device: 'd', 'snapshot-file': dir.file('gone.qcow2'), mode: 'existing' })).toBe(`GenericError: Could not open '${dir.file('gone.qcow2')}': No such file or directory`);
    expect(await refused({ device: 'd', 'snapshot-file': dir.file('no/s.qcow2') })).toBe(`GenericError: Could not create '${dir.file('no/s.qcow2')}': No such file or directory`);
    expect(await refused({ device: 'd', 'snapshot-file': file, mode: 'bogus' })).toBe("GenericError: Parameter 'mode' does not accept value 'bogus'");
    expect(existsSync(dir.file('gone.qcow2'))).toBe(false);
    expect([...server.graph.nodes].filter((node) => !node.settings.anonymous).map(({ name }) => name)).toEqual(['n']);
    expect(server.graph.node('n').readOnly).toBe(false);
    await server.close();
    expect(readFileSync(dir.file('base.qcow2')).subarray(0, 3).toString()).toBe('QFI');
  });
});

describe('blockdev-snapshot', () => {
  test('puts a node that is there on top, and refuses one that will not do', async () => {
    using dir = tempDir();
    const { server, client, device } = await session(dir);
    await server.graph.create(dir.file('o.qcow2'), { format: 'qcow2', size: 4 * MIB });
    await client.execute('blockdev-add', { driver: 'qcow2', 'node-name': 'o', backing: null, file: { driver: 'file', filename: dir.file('o.qcow2') } });
    await client.execute('blockdev-add', { driver: 'null-co', 'node-name': 'null' });
    const refused = async (node: string, overlay: string): Promise<string> => client.execute('blockdev-snapshot', { node, overlay }).then(String, (error: Error) => error.message);
    expect(await refused('x', 'o')).toBe("GenericError: Cannot find device='x' nor node-name='x'");
    expect(await refused('d', 'x')).toBe("GenericError: Cannot find device='x' nor node-name='x'");
    expect(await refused('d', 'd')).toBe('GenericError: The overlay is already in use');
    expect(await refused('d', 'null')).toBe('GenericError: The overlay does not support backing images');
    await fill(device, 0, 512, 5);
    expect(await client.ask('blockdev-snapshot', { node: 'd', overlay: 'o' })).toEqual({ return: {} });
    await fill(device, MIB, 512, 6);
    expect(await inserted(client)).toMatchObject({ 'node-name': 'o', backing_file_depth: 1 });
    expect([await firstByte(device, 0), await firstByte(device, MIB)]).toEqual([5, 6]);
    expect(await refused('null', 'o')).toBe('GenericError: The overlay is already in use');
    await server.close();
  });
});

describe('snapshots inside the image', () => {
  test('are taken, listed and deleted, by device and by node', async () => {
    using dir = tempDir();
    const { server, client } = await session(dir);
    const take = async (device: string, name: string): Promise<string> =>
      client.execute('blockdev-snapshot-internal-sync', { device, name }).then(JSON.stringify, (error: Error) => error.message);
    expect(await take('d', 'one')).toBe('{}');
    expect(await take('n', 'two')).toBe('{}');
    expect(await take('d', 'one')).toBe("GenericError: Snapshot with name 'one' already exists on device 'd'");
    expect(await take('d', '')).toBe('GenericError: Name is empty');
    expect(await take('x', 'y')).toBe("DeviceNotFound: Device 'x' not found");
    await client.execute('blockdev-add', { driver: 'null-co', 'node-name': 'null' });
    await client.execute('blockdev-add', { driver: 'null-co', 'node-name': 'ro', 'read-only': true });
    expect(await take('null', 'y')).toBe("GenericError: Block format 'null-co' used by device 'null' does not support internal snapshots");
    expect(await take('ro', 'y')).toBe("GenericError: Device 'ro' is read only");
    expect((await inserted(client)).image.snapshots).toMatchObject([{ id: '1', name: 'one', 'vm-state-size': 0 }, { id: '2', name: 'two' }]);
    const drop = async (args: object): Promise<unknown> =>
      client.execute('blockdev-snapshot-delete-internal-sync', args).catch((error: Error) => error.message);
    expect(await drop({ device: 'd' })).toBe('GenericError: Name or id must be provided');
    expect(await drop({ device: 'x', id: '1' })).toBe("DeviceNotFound: Device 'x' not found");
    expect(await drop({ device: 'null', id: '1' })).toBe('GenericError: Failed to get a snapshot list: Operation not supported');
    expect(await drop({ device: 'd', id: '7' })).toBe("GenericError: Snapshot with id '7' and name 'null' does not exist on device 'd'");
    expect(await drop({ device: 'd', id: '1', name: 'two' })).toBe("GenericError: Snapshot with id '1' and name 'two' does not exist on device 'd'");
    expect(await drop({ device: 'd', name: 'one' })).toMatchObject({ id: '1', name: 'one', 'vm-clock-sec': 0 });
    expect((await inserted(client)).image.snapshots).toMatchObject([{ id: '2', name: 'two' }]);
    await client.execute('blockdev-snapshot-sync', { device: 'd', 'snapshot-file': dir.file('over.qcow2') });
    expect(await take('n', 'three')).toBe('GenericError: Need a root block node');
    expect(await drop({ device: 'n', name: 'two' })).toBe('GenericError: Need a root block node');
    await server.close();
  });
});

describe('change-backing-file', () => {
  test('writes the name into an image of the chain, read-only ones too, and refuses what is not in it', async () => {
    using dir = tempDir();
    const { server, client, device } = await session(dir);
    for (const name of ['mid', 'top']) await client.execute('blockdev-snapshot-sync', { device: 'd', 'snapshot-file': dir.file(`${name}.qcow2`), 'snapshot-node-name': name });
    const change = async (args: object): Promise<string> => client.execute('change-backing-file', args).then(JSON.stringify, (error: Error) => error.message);
    await fill(device, 0, 512, 9);
    expect(await change({ device: 'd', 'image-node-name': 'mid', 'backing-file': 'other-name' })).toBe('{}');
    expect(server.graph.node('mid').readOnly).toBe(true);
    expect(await change({ device: 'd', 'image-node-name': 'top', 'backing-file': './mid.qcow2' })).toBe('{}');
    expect((await inserted(client)).image).toMatchObject({ 'backing-filename': './mid.qcow2', 'backing-image': { 'backing-filename': 'other-name', 'backing-filename-format': 'qcow2' } });
    expect(await change({ device: 'x', 'image-node-name': 'top', 'backing-file': 'x' })).toBe("DeviceNotFound: Device 'x' not found");
    expect(await change({ device: 'd', 'image-node-name': 'x', 'backing-file': 'x' })).toBe("GenericError: Cannot find device='' nor node-name='x'");
    expect(await change({ device: 'd', 'image-node-name': 'n', 'backing-file': 'x' })).toBe('GenericError: not allowing backing file change on an image without a backing file');
    await client.execute('blockdev-add', { options: { driver: 'null-co', id: 'other' } });
    expect(await change({ device: 'other', 'image-node-name': 'top', 'backing-file': 'x' })).toBe("GenericError: 'other' and image file are not in the same chain");
    expect(await change({ device: 'd', 'image-node-name': 'top', 'backing-file': 'x'.repeat(2000) })).toContain('Could not change backing file');
    expect((await inserted(client)).image).toMatchObject({ 'backing-filename': './mid.qcow2' });
    expect(await firstByte(device, 0)).toBe(9);
    await server.close();
  });
});
