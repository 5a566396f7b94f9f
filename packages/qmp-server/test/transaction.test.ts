// Several changes at once: all of them, or none; and guests see them at one point in time.
import { describe, expect, test } from 'vitest';
import type { Backend } from '@blk/core-graph';
import { tempDir, type TempDir } from '@blk/oracle';
import { attach, testServer, type TestClient } from './support.js';

const MIB = 1 << 20;

interface Session {
  readonly server: Awaited<ReturnType<typeof testServer>>;
  readonly client: TestClient;
  readonly devices: readonly Backend[];
}

/** Two devices, `a` and `b`, over new qcow2 images of 1 MiB. */
async function session(dir: TempDir): Promise<Session> {
  const server = await testServer();
  const client = await attach(server).negotiate();
  for (const id of ['a', 'b']) {
    await server.graph.create(dir.file(`${id}.qcow2`), { format: 'qcow2', size: MIB });
    const file = { driver: 'file', filename: dir.file(`${id}.qcow2`) };
    await client.execute('blockdev-add', { options: { driver: 'qcow2', id, 'node-name': `n${id}`, file } });
  }
  return { server, client, devices: [...server.graph.backends.values()] };
}

const snapshot = (dir: TempDir, device: string, more: object = {}): object => ({ type: 'blockdev-snapshot-sync', data: { device, 'snapshot-file': dir.file(`${device}-snap.qcow2`), ...more } });
const ABORT = { type: 'abort', data: {} };

/** Everything that a client can see of the devices. */
async function state(client: TestClient): Promise<unknown> {
  const devices = (await client.execute('query-block')) as { inserted: { image: object } }[];
  const nodes = (await client.execute('query-named-block-nodes', { flat: true })) as { 'node-name': string; ro: boolean }[];
  const images = JSON.stringify(devices, (name, value: unknown) => (name === 'actual-size' ? 0 : value));
  return [images, nodes.map((node) => [node['node-name'], node.ro])];
}

async function refused(client: TestClient, ...actions: object[]): Promise<string> {
  return client.execute('transaction', { actions }).then(JSON.stringify, (error: Error) => error.message);
}

describe('transaction', () => {
  test('nothing, and what is no transaction', async () => {
    using dir = tempDir();
    const { server, client } = await session(dir);
    expect(await client.ask('transaction', { actions: [] })).toEqual({ return: {} });
    expect(await client.ask('transaction', { actions: [], properties: {} })).toEqual({ return: {} });
    const asked = async (args: object): Promise<string> => client.execute('transaction', args).then(JSON.stringify, (error: Error) => error.message);
    expect(await asked({})).toBe("GenericError: Parameter 'actions' is missing");
    expect(await asked({ actions: [{ type: 'bogus', data: {} }] })).toContain("does not accept value 'bogus'");
    expect(await asked({ actions: [{ type: 'blockdev-snapshot-internal-sync', data: { device: 'a' } }] })).toBe("GenericError: Parameter 'actions[0].data.name' is missing");
    expect(await asked({ actions: [{ type: 'abort' }] })).toBe("GenericError: Parameter 'actions[0].data' is missing");
    expect(await asked({ actions: [], properties: { 'completion-mode': 'x' } })).toContain("does not accept value 'x'");
    expect(await asked({ actions: [ABORT] })).toBe('GenericError: Transaction aborted using Abort action');
    expect(await asked({ actions: [snapshot(dir, 'a')], properties: { 'completion-mode': 'grouped' } })).toBe(
      "GenericError: Action 'blockdev-snapshot-sync' does not support Transaction property completion-mode = grouped",
    );
    await server.close();
  });

  test('two devices get their snapshots together, a node that an earlier part made can be named, and individual is the default', async () => {
    using dir = tempDir();
    const { server, client } = await session(dir);
    const actions = [
      snapshot(dir, 'a', { 'snapshot-node-name': 'sa' }),
      snapshot(dir, 'b', { 'snapshot-node-name': 'sb' }),
      { type: 'block-dirty-bitmap-add', data: { node: 'sa', name: 'bm' } },
      { type: 'blockdev-snapshot-internal-sync', data: { device: 'b', name: 'inside' } },
    ];
    expect(await client.ask('transaction', { actions, properties: { 'completion-mode': 'individual' } })).toEqual({ return: {} });
    expect(await client.execute('query-block')).toMatchObject([
      { device: 'a', inserted: { 'node-name': 'sa', backing_file: dir.file('a.qcow2') }, 'dirty-bitmaps': [{ name: 'bm' }] },
      { device: 'b', inserted: { 'node-name': 'sb', image: { snapshots: [{ name: 'inside' }] } } },
    ]);
    await server.close();
  });

  test.each([
    ['a snapshot', (dir: TempDir) => [snapshot(dir, 'a'), snapshot(dir, 'b', { 'snapshot-node-name': 'sb' })]],
    ['an internal snapshot', () => [{ type: 'blockdev-snapshot-internal-sync', data: { device: 'a', name: 'x' } }]],
    ['bitmaps', () => [
      { type: 'block-dirty-bitmap-add', data: { node: 'na', name: 'new' } },
      { type: 'block-dirty-bitmap-clear', data: { node: 'a', name: 'old' } },
      { type: 'block-dirty-bitmap-disable', data: { node: 'a', name: 'old' } },
      { type: 'block-dirty-bitmap-enable', data: { node: 'a', name: 'off' } },
      { type: 'block-dirty-bitmap-merge', data: { node: 'a', target: 'off', bitmaps: ['old'] } },
      { type: 'block-dirty-bitmap-remove', data: { node: 'a', name: 'old' } },
    ]],
    ['a node on top', () => [{ type: 'blockdev-snapshot', data: { node: 'a', overlay: 'spare' } }]],
    ['several on the same device', (dir: TempDir) => [
      { type: 'blockdev-snapshot', data: { node: 'a', overlay: 'spare' } },
      snapshot(dir, 'a', { 'snapshot-node-name': 'top' }),
      { type: 'block-dirty-bitmap-add', data: { node: 'top', name: 'new' } },
    ]],
  ])('%s is taken back where a later part fails, and can be made afterwards', async (_what, parts) => {
    using dir = tempDir();
    const { server, client, devices } = await session(dir);
    await server.graph.create(dir.file('spare.qcow2'), { format: 'qcow2', size: MIB });
    await client.execute('blockdev-add', { driver: 'qcow2', 'node-name': 'spare', backing: null, file: { driver: 'file', filename: dir.file('spare.qcow2') } });
    await client.execute('block-dirty-bitmap-add', { node: 'a', name: 'old' });
    await client.execute('block-dirty-bitmap-add', { node: 'a', name: 'off', disabled: true });
    await devices[0].write(0, Buffer.alloc(4096, 1), 0, 4096);
    const before = await state(client);
    expect(await refused(client, ...parts(dir), ABORT)).toBe('GenericError: Transaction aborted using Abort action');
    expect(await state(client)).toEqual(before);
    expect(await refused(client, ...parts(dir), { type: 'blockdev-snapshot-internal-sync', data: { device: 'nope', name: 'x' } })).toBe("DeviceNotFound: Device 'nope' not found");
    expect(await state(client)).toEqual(before);
    // The guest goes on where it was.
    await devices[0].write(8192, Buffer.alloc(512, 2), 0, 512);
    expect(await refused(client, ...parts(dir))).toBe('{}');
    expect(await state(client)).not.toEqual(before);
    const buffer = new Uint8Array(512);
    await devices[0].read(8192, buffer, 0, 512);
    expect(buffer[0]).toBe(2);
    await server.close();
  });

  test('both disks are frozen at one point in time: what a guest wrote second is in no snapshot without what it wrote first', async () => {
    using dir = tempDir();
    const { server, client, devices } = await session(dir);
    const [a, b] = devices;
    let stop = false;
    let count = 0;
    // First to a, then to b, the same number; b may lag by one, and never leads.
    const guest = (async (): Promise<void> => {
      while (!stop) {
        const bytes = Buffer.alloc(512);
        bytes.writeUInt32LE(++count);
        await a.write(0, bytes, 0, 512);
        await b.write(0, bytes, 0, 512);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const numbers: [number, number][] = [];
    for (let round = 0; round < 5; round++) {
      const at = count;
      while (count < at + 5) await new Promise((resolve) => setImmediate(resolve));
      const parts = ['a', 'b'].map((device) => ({ type: 'blockdev-snapshot-sync', data: { device, 'snapshot-file': dir.file(`${device}${round}.qcow2`), 'snapshot-node-name': `${device}${round}` } }));
      await client.execute('transaction', { actions: parts });
      const frozen = await Promise.all(['a', 'b'].map(async (device) => {
        const buffer = Buffer.alloc(512);
        await server.graph.node(`${device}${round}`).backing!.node.read(0, buffer, 0, 512);
        return buffer.readUInt32LE();
      }));
      numbers.push([frozen[0], frozen[1]]);
    }
    stop = true;
    await guest;
    for (const [first, second] of numbers) expect([first, first - 1]).toContain(second);
    expect(new Set(numbers.map(([first]) => first)).size).toBe(5);
    await server.close();
  });
});
