/** What a job works on, and what other images rest on, stays where it is and as large as it is. */
import { existsSync } from 'node:fs';
import { qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { createServer } from '../src/index.js';
import { drivers, TestClient } from './support.js';
import { duplexPair } from './duplex-pair.js';

const tools = skipUnless('qemu-img', 'qemu-io');
const SIZE = 16 * 1024 * 1024;
const JOB = "Node 'top' is busy: block device is in use by block job: stream";

describe.skipIf(tools.skip)(tools.title('in use'), () => {
  test('by a job, and by images above', async () => {
    using dir = tempDir();
    const [base, top, next] = ['base', 'top', 'next'].map((name) => dir.file(name));
    expect((await qemuImg('create', '-q', '-f', 'qcow2', base, String(SIZE))).code).toBe(0);
    expect((await qemuIo(base, ['write 0 16M'], { format: 'qcow2' })).code).toBe(0);
    expect((await qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', top)).code).toBe(0);
    await using server = await createServer({ drivers });
    const [ours, theirs] = duplexPair();
    server.addMonitor(theirs);
    const qmp = await new TestClient(ours).negotiate();
    const file = (filename: string): object => ({ driver: 'file', filename });
    await qmp.execute('blockdev-add', { driver: 'qcow2', 'node-name': 'base', 'read-only': true, file: file(base) });
    await qmp.execute('blockdev-add', { options: { driver: 'qcow2', id: 'disk', 'node-name': 'top', backing: 'base', file: file(top) } });
    // At a speed that keeps it at work until it is cancelled.
    await qmp.execute('block-stream', { device: 'disk', speed: 1 });
    const refused = async (command: string, args: object): Promise<string> => {
      const { error } = (await qmp.ask(command, args)) as { error?: { desc: string } };
      return error?.desc ?? '';
    };
    const snapshot = { 'snapshot-file': next, format: 'qcow2' };
    expect(await refused('blockdev-snapshot-sync', { device: 'disk', ...snapshot })).toBe(JOB);
    expect(await refused('transaction', { actions: [{ type: 'blockdev-snapshot-sync', data: { device: 'disk', ...snapshot } }] })).toBe(JOB);
    expect(await refused('blockdev-snapshot-internal-sync', { device: 'disk', name: 's' })).toBe(JOB);
    expect(await refused('blockdev-snapshot-delete-internal-sync', { device: 'disk', name: 's' })).toBe(JOB);
    expect(await refused('block_resize', { device: 'disk', size: 2 * SIZE })).toBe("Device 'disk' is in use");
    expect(await refused('change-backing-file', { device: 'disk', 'image-node-name': 'top', 'backing-file': 'x' })).toBe(JOB);
    expect(await refused('eject', { device: 'disk', force: true })).toBe(JOB);
    expect(await qmp.execute('human-monitor-command', { 'command-line': 'drive_del disk' })).toContain(JOB);
    await qmp.execute('block-job-cancel', { device: 'disk', force: true });
    await qmp.event('BLOCK_JOB_CANCELLED');

    expect(await refused('blockdev-snapshot-sync', { 'node-name': 'base', 'snapshot-node-name': 'n', ...snapshot })).toBe("Node 'base' is busy: node is used as backing hd of 'top'");
    expect(await refused('blockdev-del', { 'node-name': 'base' })).toBe("Node 'base' is busy: node is used as backing hd of 'top'");
    expect(await refused('block_resize', { 'node-name': 'base', size: 2 * SIZE })).toBe("Device 'base' is in use");
    expect(await refused('drive-backup', { device: 'disk', target: next, sync: 'full', speed: -1 })).toBe("Parameter 'speed' expects a non-negative value");
    expect(await refused('drive-mirror', { device: 'disk', target: next, sync: 'full', speed: -1 })).toBe("Parameter 'speed' expects a non-negative value");
    expect(existsSync(next)).toBe(false);
    // Nothing of all that left a file behind, or is in the way now.
    await qmp.execute('blockdev-snapshot-sync', { device: 'disk', ...snapshot });
  });
});
