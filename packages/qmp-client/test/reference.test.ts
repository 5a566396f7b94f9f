/** The client on a server of QEMU's: QMP as it is spoken today. */
import { createServer } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage, qemuImg, skipUnless, start, tempDir, waitForSocket } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { QmpClient } from '../src/index.js';
import { backUp } from './readme-example.js';

const tools = skipUnless('qemu-storage-daemon', 'qemu-img');

test('the example stands in the README as it runs here', () => {
  const read = (path: string): string => readFileSync(join(import.meta.dirname, path), 'utf8');
  expect(read('../README.md')).toContain(`\`\`\`ts\n${read('readme-example.ts')}\`\`\``);
});

describe.skipIf(tools.skip)(tools.title('with qemu-storage-daemon'), () => {
  test('queries, nodes, a job with its events, errors, the end', async () => {
    using dir = tempDir();
    const [disk, copy, path] = [dir.file('disk'), dir.file('copy'), dir.file('qmp')];
    for (const file of [disk, copy]) await createImage(file, 'qcow2', 2 ** 20);
    await using daemon = await start('qemu-storage-daemon', ['--chardev', `socket,id=qmp,path=${path},server=on,wait=off`, '--monitor', 'chardev=qmp']);
    daemon.process.stdout.resume();
    await waitForSocket(path, daemon);
    const client = await QmpClient.connect({ path }, { oob: true });
    expect(client.greeting.capabilities).toContain('oob');
    expect(client.greeting.version.qemu.major).toBeGreaterThanOrEqual(5);
    const names = (await client.execute('query-commands')).map(({ name }) => name);
    expect(names).toContain('blockdev-backup');
    for (const [name, filename] of [['disk0', disk], ['target', copy]] as const) {
      await client.call('blockdev-add', { driver: 'qcow2', 'node-name': name, file: { driver: 'file', filename } });
    }
    await expect(client.execute('block-job-pause', { device: 'x' })).rejects.toMatchObject({ class: 'DeviceNotActive' });
    const all = client.events();
    // The monitor takes one client at a time.
    await client.close();
    await backUp(path, 'target');
    expect(await all.next()).toEqual({ done: true, value: undefined });
    const again = await QmpClient.connect({ path });
    await again.execute('quit');
    expect((await again.closed).failure).toBe('gone');
    expect(await daemon.exited).toBe(0);
    expect((await qemuImg('compare', disk, copy)).code).toBe(0);
  });
});

test('a port that speaks something else', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-OpenSSH\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await expect(QmpClient.connect({ host: '127.0.0.1', port })).rejects.toMatchObject({ failure: 'protocol' });
  server.close();
});
