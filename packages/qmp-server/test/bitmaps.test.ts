/** The commands of dirty bitmaps, what queries show of them, and bitmaps given out over NBD. */
import { createImage, nbdUri, qemuIo, qemuImg, run, findTool, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { both, type Step } from './both.js';
import { attach, testServer, type TestClient } from './support.js';

const needs = skipUnless('qemu-storage-daemon', 'qemu-img', 'qemu-io', 'nbdinfo');
const MB = 1 << 20;

interface Shown {
  readonly name: string;
  readonly count: number;
  readonly status?: string;
}

const nullNode = (name: string, size = MB): Step => ['blockdev-add', { driver: 'null-co', 'node-name': name, size }];

async function shown(client: TestClient, node = 'n'): Promise<Shown[]> {
  const nodes = (await client.execute('query-named-block-nodes', { flat: true })) as { 'node-name': string; 'dirty-bitmaps'?: Shown[] }[];
  return nodes.find((candidate) => candidate['node-name'] === node)?.['dirty-bitmaps'] ?? [];
}

describe('bitmap commands', () => {
  test('a device is a place for bitmaps as a node is, and query-block shows them', async () => {
    await using server = await testServer();
    const client = await attach(server).negotiate();
    await client.execute('blockdev-add', { options: { driver: 'null-co', id: 'drive0', size: MB } });
    await client.execute('block-dirty-bitmap-add', { node: 'drive0', name: 'a', granularity: 4096 });
    const backend = server.graph.backends.get('drive0')!;
    await backend.write(10_000, new Uint8Array(5000), 0, 5000);
    const bitmap = { name: 'a', count: 8192, granularity: 4096, status: 'active', recording: true, busy: false, persistent: false };
    expect(await client.execute('query-block')).toMatchObject([{ device: 'drive0', 'dirty-bitmaps': [bitmap] }]);
    await client.execute('block-dirty-bitmap-disable', { node: 'drive0', name: 'a' });
    await backend.write(0, new Uint8Array(1), 0, 1);
    expect(await client.execute('query-block')).toMatchObject([{ 'dirty-bitmaps': [{ ...bitmap, status: 'disabled', recording: false }] }]);
    await client.execute('block-dirty-bitmap-clear', { node: 'drive0', name: 'a' });
    expect(await client.execute('query-block')).toMatchObject([{ 'dirty-bitmaps': [{ count: 0 }] }]);
    await client.execute('block-dirty-bitmap-remove', { node: 'drive0', name: 'a' });
    expect((await client.execute('query-block') as object[])[0]).not.toHaveProperty('dirty-bitmaps');
  });

  test.each(['block-dirty-bitmap-add', 'block-dirty-bitmap-remove', 'block-dirty-bitmap-clear'])('%s: no such device is a class of its own', async (command) => {
    await using server = await testServer();
    const client = await attach(server).negotiate();
    expect(await client.ask(command, { node: 'x', name: 'a' })).toEqual({ error: { class: 'DeviceNotFound', desc: "Device 'x' not found" } });
  });

  test('merging is all or nothing, and takes bitmaps of other nodes and granularities', async () => {
    await using server = await testServer();
    const client = await attach(server).negotiate();
    for (const step of [nullNode('n'), nullNode('m'), nullNode('small', 4096)]) await client.execute(...step);
    await client.execute('block-dirty-bitmap-add', { node: 'n', name: 'a', granularity: 65536 });
    await client.execute('block-dirty-bitmap-add', { node: 'm', name: 'b', granularity: 512 });
    await client.execute('block-dirty-bitmap-add', { node: 'small', name: 'c' });
    await server.graph.node('m').write(70_000, new Uint8Array(1), 0, 1);
    const external = (node: string, name: string): object => ({ node, name });
    const merge = (...bitmaps: (object | string)[]): Promise<unknown> => client.execute('block-dirty-bitmap-merge', { node: 'n', target: 'a', bitmaps });
    await expect(merge(external('m', 'b'), external('small', 'c'))).rejects.toThrow('Bitmaps are of different sizes');
    await expect(merge(external('m', 'b'), 'gone')).rejects.toThrow("Dirty bitmap 'gone' not found");
    expect(await shown(client)).toMatchObject([{ name: 'a', count: 0 }]);
    // Itself, and none: nothing to do.
    await merge('a');
    await merge();
    await merge(external('m', 'b'));
    expect(await shown(client)).toMatchObject([{ name: 'a', count: 65536 }]);
  });

  test('a resized image keeps its bitmaps: what is new is clean, what is gone does not count', async () => {
    using dir = tempDir();
    await using server = await testServer();
    const client = await attach(server).negotiate();
    await server.graph.create(dir.file('a.qcow2'), { format: 'qcow2', size: 4 * MB });
    await client.execute('blockdev-add', { driver: 'qcow2', 'node-name': 'n', file: { driver: 'file', filename: dir.file('a.qcow2') } });
    await client.execute('block-dirty-bitmap-add', { node: 'n', name: 'a' });
    const node = server.graph.node('n');
    await node.write(4 * MB - 1, new Uint8Array(1), 0, 1);
    await client.execute('block_resize', { 'node-name': 'n', size: 8 * MB });
    expect(await shown(client)).toMatchObject([{ count: 65536 }]);
    await node.write(8 * MB - 1, new Uint8Array(1), 0, 1);
    expect(await shown(client)).toMatchObject([{ count: 131072 }]);
    await client.execute('block_resize', { 'node-name': 'n', size: 4 * MB });
    expect(await shown(client)).toMatchObject([{ count: 65536 }]);
  });
});

describe.skipIf(needs.skip)(needs.title('bitmaps beside the reference'), () => {
  const images = async (dir: TempDir): Promise<void> => {
    for (const name of ['b', 'ro']) await createImage(dir.file(`${name}.qcow2`), 'qcow2', '4M');
  };
  const qcow2 = (dir: TempDir, name: string, more: object = {}): Step => ['blockdev-add', {
    driver: 'qcow2', 'node-name': name, file: { driver: 'file', filename: dir.file(`${name}.qcow2`) }, ...more,
  }];

  test('replies and what is shown are the same', async () => {
    const add = (args: object): Step => ['block-dirty-bitmap-add', { node: 'b', ...args }];
    const { ours, theirs } = await both(images, (dir) => [
      qcow2(dir, 'b'), qcow2(dir, 'ro', { 'read-only': true }),
      ['blockdev-add', { driver: 'raw', 'node-name': 'r', file: { driver: 'null-co', size: 4 * MB } }],
      add({ name: '' }), add({ name: 'x' }), add({ name: 'x' }), add({ name: 'y', granularity: 1000 }), add({ name: 'y', granularity: 256 }),
      add({ name: 'y', granularity: 0 }), add({ name: 'y', granularity: 2 ** 31 }), add({ name: 'z', granularity: 2 ** 32 }),
      add({ name: 'p', persistent: true }), add({ name: 'k', persistent: true, granularity: 512, disabled: true }), add({ name: 'd', disabled: true }),
      add({ name: 'n'.repeat(1024) }),
      ['block-dirty-bitmap-add', { node: 'r', name: 'p', persistent: true }], ['block-dirty-bitmap-add', { node: 'r', name: 'rr' }],
      ['block-dirty-bitmap-add', { node: 'ro', name: 'q' }],
      ...['remove', 'clear', 'enable', 'disable'].map((verb): Step => [`block-dirty-bitmap-${verb}`, { node: 'b', name: 'gone' }]),
      ['block-dirty-bitmap-disable', { node: 'b', name: 'x' }], ['block-dirty-bitmap-disable', { node: 'b', name: 'x' }],
      ['block-dirty-bitmap-enable', { node: 'b', name: 'x' }], ['block-dirty-bitmap-clear', { node: 'b', name: 'x' }],
      ['block-dirty-bitmap-merge', { node: 'b', target: 'x', bitmaps: ['p', 'd'] }],
      ['block-dirty-bitmap-merge', { node: 'b', target: 'x', bitmaps: ['p', 'gone'] }],
      ['block-dirty-bitmap-merge', { node: 'b', target: 'x', bitmaps: [{ node: 'r', name: 'rr' }] }],
      ['query-named-block-nodes', { flat: true }],
      ['block_resize', { 'node-name': 'b', size: 8 * MB }],
      ['block-dirty-bitmap-merge', { node: 'b', target: 'x', bitmaps: [{ node: 'r', name: 'rr' }] }],
      ['nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } }],
      ['nbd-server-add', { device: 'b', bitmap: 'gone' }],
      ['nbd-server-add', { device: 'b', bitmap: 'x' }],
      ['nbd-server-add', { device: 'b', bitmap: 'd', name: 'n2' }],
      ['nbd-server-add', { device: 'b', bitmap: 'd', name: 'n3' }],
      ['nbd-server-add', { device: 'b', bitmap: 'x', name: 'n4', writable: true }],
      ['nbd-server-add', { device: 'ro', bitmap: 'q', name: 'n5' }],
      ['query-named-block-nodes', { flat: true }],
      ...['remove', 'clear', 'enable', 'disable'].map((verb): Step => [`block-dirty-bitmap-${verb}`, { node: 'b', name: 'd' }]),
      ['block-dirty-bitmap-merge', { node: 'b', target: 'd', bitmaps: ['p'] }],
      ['block-dirty-bitmap-merge', { node: 'b', target: 'p', bitmaps: ['d'] }],
      ['nbd-server-remove', { name: 'n2' }],
      ['block-dirty-bitmap-enable', { node: 'b', name: 'd' }],
      ['block-dirty-bitmap-remove', { node: 'b', name: 'p' }],
      ['query-named-block-nodes', { flat: true }],
    ]);
    const bitmapsOf = (reply: unknown): unknown =>
      Object.fromEntries(((reply as { return: { 'node-name': string; 'dirty-bitmaps'?: object[] }[] }).return)
        .filter((node) => node['dirty-bitmaps'] !== undefined)
        // 2.4's member, which today's QEMU has dropped.
        .map((node) => [node['node-name'], node['dirty-bitmaps']!.map((bitmap) => ({ ...bitmap, status: undefined }))]));
    ours.forEach((reply, index) => {
      const isQuery = Array.isArray(reply.return);
      expect(isQuery ? bitmapsOf(reply) : reply).toEqual(isQuery ? bitmapsOf(theirs[index]) : theirs[index]);
    });
    expect(ours.filter((reply) => Array.isArray(reply.return))).toHaveLength(3);
  });

  test('a persistent bitmap is in the image afterwards, and a removed one is not', async () => {
    using dir = tempDir();
    await images(dir);
    {
      await using server = await testServer();
      const client = await attach(server).negotiate();
      await client.execute(...qcow2(dir, 'b'));
      await client.execute('block-dirty-bitmap-add', { node: 'b', name: 'p', persistent: true });
      await client.execute('block-dirty-bitmap-add', { node: 'b', name: 'gone', persistent: true });
      await client.execute('block-dirty-bitmap-remove', { node: 'b', name: 'gone' });
    }
    const info = JSON.parse((await qemuImg('info', '--output=json', dir.file('b.qcow2'))).stdout) as { 'format-specific': { data: object } };
    expect(info['format-specific'].data).toMatchObject({ bitmaps: [{ name: 'p', flags: ['auto'], granularity: 65536 }] });
  });

  test('nbdinfo reads a bitmap of the image behind the one that is given out', async () => {
    using dir = tempDir();
    await images(dir);
    await createImage(dir.file('top.qcow2'), 'qcow2', '4M', '-b', dir.file('b.qcow2'), '-F', 'qcow2');
    await qemuImg('bitmap', '--add', dir.file('b.qcow2'), 'p');
    await qemuIo(dir.file('b.qcow2'), ['write -P 3 1M 64k', 'write -P 3 4032k 64k'], { format: 'qcow2' });
    await using server = await testServer();
    const client = await attach(server).negotiate();
    await client.execute(...qcow2(dir, 'top', { 'read-only': true }));
    await client.execute('nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } });
    await client.execute('nbd-server-add', { device: 'top', bitmap: 'p' });
    const map = await run(findTool('nbdinfo')!, ['--map=qemu:dirty-bitmap:p', nbdUri(dir.file('nbd'), 'top')]);
    expect(map.stdout.trim().split('\n').map((line) => line.trim().split(/\s+/).slice(0, 3).map(Number))).toEqual([
      [0, MB, 0], [MB, 65536, 1], [MB + 65536, 3 * MB - 131072, 0], [4 * MB - 65536, 65536, 1],
    ]);
  });
});
