/** Whatever is asked, and however wrongly: each request has its answer, no answer is a defect of ours, and at the end nothing is left open. */
import { mkdirSync } from 'node:fs';
import { createImage, prng, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { stringify } from '@blk/qapi-types/json';
import type { SchemaInfo } from '@blk/qapi-types';
import { describe, expect, test } from 'vitest';
import { RandomCommands } from './random-commands.js';
import { attach, testServer, type Message, type TestClient } from './support.js';

const tools = skipUnless('qemu-img', 'qemu-io');
const SEEDS = Number(process.env['BLK_QMP_SEEDS'] ?? 3);
const STEPS = 400;
const CLASSES = ['GenericError', 'CommandNotFound', 'DeviceNotActive', 'DeviceNotFound', 'DeviceEncrypted', 'KVMMissingCap'];
/** `quit` ends the server; the others listen on the network. */
const SKIPPED = new Set(['quit', 'nbd-server-start', 'nbd-server-stop', 'qmp_capabilities']);

async function images(dir: TempDir): Promise<void> {
  await createImage(dir.file('a.qcow2'), 'qcow2', '1M');
  await qemuIo(dir.file('a.qcow2'), ['write 0 1M'], { format: 'qcow2' });
  await createImage(dir.file('b.qcow2'), 'qcow2', '1M', '-b', dir.file('a.qcow2'), '-F', 'qcow2');
  await createImage(dir.file('c.qcow2'), 'qcow2', '1M');
  mkdirSync(dir.file('folder'));
}

async function setUp(client: TestClient, dir: TempDir): Promise<void> {
  const file = (name: string): object => ({ driver: 'file', filename: dir.file(name) });
  await client.execute('blockdev-add', { driver: 'qcow2', 'node-name': 'n0', 'read-only': true, file: file('a.qcow2') });
  await client.execute('blockdev-add', { options: { driver: 'qcow2', id: 'd0', 'node-name': 'n1', file: file('b.qcow2'), backing: 'n0' } });
  await client.execute('blockdev-add', { driver: 'qcow2', 'node-name': 'n2', file: file('c.qcow2') });
  await client.execute('blockdev-add', { driver: 'null-co', 'node-name': 'n3', size: 1 << 20 });
  await client.execute('nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } });
}

describe.skipIf(tools.skip)(tools.title('commands at random'), () => {
  test.each(Array.from({ length: SEEDS }, (_, index) => index + 1))('seed %i', async (seed) => {
    using dir = tempDir();
    await images(dir);
    const random = prng(seed * 7919);
    const server = await testServer();
    const clients = [await attach(server).negotiate(), await attach(server).negotiate()];
    await setUp(clients[0], dir);
    const places = {
      members: {
        device: ['d0', 'd0', 'n1', 'n2', 'n3'], id: ['d0', 'job', 'x', 'y'], 'job-id': ['job', 'job2'], 'node-name': ['n1', 'n2', 'n3', 'x', 'y'], node: ['n1', 'n2', 'd0'],
        overlay: ['n2', 'x'], target: ['n2', 'n3', 'x'], name: ['bm', 'bm2', 'd0'], bitmap: ['bm'], bitmaps: ['bm', 'bm2'], file: ['n1', 'n2', 'n3', 'x'], backing: ['n0', 'n1', 'x'],
        'image-node-name': ['n0', 'n1'], 'base-node': ['n0'], 'top-node': ['n1', 'n0'], base: [dir.file('a.qcow2')], top: [dir.file('b.qcow2')], format: ['qcow2', 'raw'],
        'snapshot-node-name': ['x', 'y'], 'filter-node-name': ['x', 'y'], 'command-line': ['info block', 'info block-jobs', 'qemu-io d0 "write 0 64k"', 'commit d0', 'drive_del d0', 'qemu-io n1 "read 0 1M"'],
        group: ['g', 'h'], parent: ['n1', 'd0'],
      },
      names: ['n0', 'n1', 'n2', 'n3', 'd0', 'd1', 'x', 'y', 'bm', 'job', 'nope', 'qcow2', 'raw', '#block000', 'file', '0', 'a'],
      files: ['a.qcow2', 'b.qcow2', 'c.qcow2', 'new', 'new2', 'no/such', 'folder'].map((name) => dir.file(name)),
      drivers: [...server.graph.drivers.keys()],
    };
    const commands = new RandomCommands((await clients[0].execute('query-qmp-schema')) as SchemaInfo[], places, random, SKIPPED);
    const sent: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      const asked = clients.slice(0, 1 + random.below(2)).map((client) => ({ client, request: stringify({ ...commands.next(), id: step }) }));
      for (const { client, request } of asked) {
        sent.push(request);
        client.send(request);
      }
      for (const { client, request } of asked) check(await client.reply(), step, request);
    }
    expect(server.lines.filter((line) => line.includes('unexpectedly')), sent.slice(-5).join('\n')).toEqual([]);
    await server.close();
    expect([...server.graph.nodes].map(({ name }) => name)).toEqual([]);
  });
});

function check(reply: Message, id: number, request: string): void {
  const error = reply.error as { class: string; desc: string } | undefined;
  // What is no JSON, such as half of a surrogate pair, has no id either.
  if (error?.desc.startsWith('JSON parse error') !== true) expect(reply.id, request).toBe(id);
  if (error === undefined) return;
  expect(CLASSES).toContain(error.class);
  expect(error.desc, request).not.toMatch(/Internal error|undefined|\[object|is not a function|Cannot read prop/);
}
