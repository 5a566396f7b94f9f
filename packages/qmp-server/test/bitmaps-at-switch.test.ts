/** What becomes of bitmaps when a mirror or a commit switches a disk: they are the node's, and stay with it; whoever wants them in the new one makes them there. */
import { createImage, qemuImg, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { attach, testServer, type Message } from './support.js';
import { bothWithEvents, type Move } from './with-events.js';

const tools = skipUnless('qemu-storage-daemon', 'qemu-img', 'qemu-io');
const MiB = 1 << 20;

async function images(dir: TempDir): Promise<void> {
  await createImage(dir.file('base.qcow2'), 'qcow2', '4M');
  await createImage(dir.file('o.qcow2'), 'qcow2', '4M', '-b', dir.file('base.qcow2'), '-F', 'qcow2');
  await qemuIo(dir.file('o.qcow2'), ['write -P 2 0 1M'], { format: 'qcow2' });
  await createImage(dir.file('t.qcow2'), 'qcow2', '4M');
  await qemuImg('bitmap', '--add', dir.file('o.qcow2'), 'stored');
}

const add = (dir: TempDir, name: string, more: object = {}): Move => [
  'blockdev-add', { driver: 'qcow2', 'node-name': name, file: { driver: 'file', filename: dir.file(`${name}.qcow2`) }, ...more },
];
const bitmap = (what: string, node: string, name: string, more: object = {}): Move => [`block-dirty-bitmap-${what}`, { node, name, ...more }];

interface Node {
  readonly 'node-name': string;
  readonly 'dirty-bitmaps'?: readonly Record<string, unknown>[];
}

/** The bitmaps of each named node, in every reply that lists nodes; without `status`, which today's server has no more. */
function bitmaps(replies: Message[]): unknown[] {
  return replies.map((reply) =>
    Array.isArray(reply.return)
      ? (reply.return as Node[]).filter(({ 'node-name': name }) => ['o', 't', 'base'].includes(name)).map((node) => [node['node-name'], (node['dirty-bitmaps'] ?? []).map((shown) => ({ ...shown, status: undefined }))])
      : reply,
  );
}

describe.skipIf(tools.skip)(tools.title('bitmaps when a job switches a disk'), () => {
  const look: Move = ['query-named-block-nodes', { flat: true }];
  const end: Move = { wait: 'null' };

  it('beside the reference: they stay with their node, and one of the same name can be made in the target', async () => {
    const { ours, theirs } = await bothWithEvents(images, (dir) => [
      add(dir, 'base', { 'read-only': true }), add(dir, 'o', { backing: 'base' }), add(dir, 't'),
      ['nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } }],
      ['block-export-add', { type: 'nbd', id: 'e', 'node-name': 'o', writable: true }],
      bitmap('add', 'o', 'mem', { granularity: 4096 }), bitmap('add', 'o', 'kept', { persistent: true }), look,
      ['blockdev-mirror', { 'job-id': 'j', device: 'o', target: 't', sync: 'full' }], { wait: 'BLOCK_JOB_READY' },
      bitmap('add', 't', 'mem', { granularity: 4096 }), ['block-dirty-bitmap-merge', { node: 't', target: 'mem', bitmaps: [{ node: 'o', name: 'mem' }] }],
      bitmap('remove', 'o', 'kept'),
      ['block-job-complete', { device: 'j' }], end, look,
      ['block-job-cancel', { device: 'j' }], ['query-block-exports'],
      bitmap('remove', 'o', 'mem'), bitmap('remove', 't', 'mem'), look,
    ]);
    expect(bitmaps(ours.replies)).toEqual(bitmaps(theirs.replies));
    expect(bitmaps(ours.replies)[13]).toMatchObject([['t', [{ name: 'mem', recording: true }]], ['o', [{ name: 'mem' }, { name: 'stored', persistent: true }]], ['base', []]]);
  });

  it('a bitmap made in the target and merged before the switch records what the guest writes after it', async () => {
    using dir = tempDir();
    await images(dir);
    const server = await testServer();
    const client = await attach(server).negotiate();
    await client.execute('blockdev-add', { options: { driver: 'qcow2', id: 'd', 'node-name': 'o', file: { driver: 'file', filename: dir.file('o.qcow2') } } });
    await client.execute(...(add(dir, 't') as [string, object]));
    await client.execute('block-dirty-bitmap-add', { node: 'd', name: 'mem' });
    const device = server.graph.backends.get('d')!;
    const write = (at: number): void | Promise<void> => device.write(at * MiB, new Uint8Array(4096).fill(at), 0, 4096);
    await write(1);
    await client.execute('blockdev-mirror', { device: 'd', target: 't', sync: 'full', 'filter-node-name': 'F' });
    await client.event('BLOCK_JOB_READY');
    await client.execute('transaction', {
      actions: [
        { type: 'block-dirty-bitmap-add', data: { node: 't', name: 'mem' } },
        { type: 'block-dirty-bitmap-merge', data: { node: 't', target: 'mem', bitmaps: [{ node: 'o', name: 'mem' }] } },
      ],
    });
    await write(2);
    await client.execute('block-job-complete', { device: 'd' });
    await client.next(({ event, data }) => event === 'JOB_STATUS_CHANGE' && (data as { status: string }).status === 'null');
    await write(3);
    const target = server.graph.node('t');
    expect(device.root).toBe(target);
    // The old node has gone with its bitmap, except for what the image keeps.
    expect(server.graph.findNode('o')).toBeUndefined();
    const [mem] = [...target.bitmaps];
    expect([...Array(4).keys()].filter((at) => mem.next(at * MiB, true) === at * MiB)).toEqual([1, 2, 3]);
    await server.close();
    expect((await qemuImg('info', dir.file('o.qcow2'))).stdout).toContain('name: stored');
  });
});
