// Published clients drive snapshots, transactions, jobs and the human monitor; what they know of QMP is their own.
import { QMPClient } from 'node-qemu';
import { expect, test } from 'vitest';
import { findTool, run, skipUnless, tempDir } from '@blk/oracle';
import { dirname } from 'node:path';
import { testServer } from './support.js';

const MIB = 1 << 20;

test('node-qemu: a chain is made, streamed and described', async () => {
  using dir = tempDir();
  let printed = '';
  await using server = await testServer({ print: (text) => (printed += text) });
  await server.graph.create(dir.file('base.qcow2'), { format: 'qcow2', size: MIB });
  await server.listen({ path: dir.file('qmp') });
  await using client = new QMPClient({ socketPath: dir.file('qmp') });
  await client.connect();
  const execute = (command: string, args: object): Promise<unknown> => client.execute(command, args as Record<string, unknown>);
  await execute('blockdev-add', { options: { driver: 'qcow2', id: 'd', 'node-name': 'n', file: { driver: 'file', filename: dir.file('base.qcow2') } } });
  await execute('human-monitor-command', { 'command-line': 'qemu-io d "write -P 7 0 64k"' });
  await execute('blockdev-snapshot-sync', { device: 'd', 'snapshot-file': dir.file('s1.qcow2') });
  const snapshot = { type: 'blockdev-snapshot-sync', data: { device: 'd', 'snapshot-file': dir.file('s2.qcow2') } };
  await expect(execute('transaction', { actions: [snapshot, { type: 'abort', data: {} }] })).rejects.toThrow('Transaction aborted using Abort action');
  await execute('transaction', { actions: [snapshot] });
  const concluded = new Promise<unknown>((resolve) => client.on('BLOCK_JOB_COMPLETED', resolve));
  await execute('block-stream', { device: 'd' });
  expect(await concluded).toMatchObject({ type: 'stream', device: 'd', len: MIB, offset: MIB });
  expect(await execute('query-block', {})).toMatchObject([{ device: 'd', inserted: { file: dir.file('s2.qcow2'), backing_file_depth: 0 } }]);
  await execute('human-monitor-command', { 'command-line': 'qemu-io d "read -P 7 0 64k"' });
  expect(printed).toContain('read 65536/65536 bytes at offset 0');
  expect(printed).not.toContain('verification failed');
});

const ganeti = skipUnless('gnt-instance');

/** What Ganeti does to a disk of a running machine, by its own client, and a day of a backup program in short. */
const PYTHON = String.raw`
import json, sys, time
from ganeti.hypervisor.hv_kvm.monitor import QmpConnection
from ganeti import errors
path, folder = sys.argv[1:]
found = {}
with QmpConnection(path) as monitor:
    found["version"] = monitor.version
    # As HotAddDisk asks for it.
    monitor.Execute("blockdev-add", {"options": {"driver": "qcow2", "id": "d", "file": {"driver": "file", "filename": folder + "/base.qcow2"}}})
    found["has"] = [device["device"] for device in monitor._GetBlockDevices()]
    # These make a connection of their own, as Ganeti's daemons do.
    QmpConnection(path).StopGuestEmulation()
    found["stopped"] = monitor.Execute("query-status")
    QmpConnection(path).ContinueGuestEmulation()
    monitor.Execute("human-monitor-command", {"command-line": 'qemu-io d "write -P 7 0 64k"'})
    monitor.Execute("blockdev-snapshot-sync", {"device": "d", "snapshot-file": folder + "/s.qcow2", "format": "qcow2"})
    monitor.Execute("human-monitor-command", {"command-line": 'qemu-io d "write -P 8 64k 64k"'})
    for command, arguments in (
        ("block-commit", {"device": "d", "top": folder + "/s.qcow2", "base": folder + "/base.qcow2"}),
        ("drive-mirror", {"device": "d", "target": folder + "/mirror.qcow2", "format": "qcow2", "sync": "full"}),
        ("drive-backup", {"device": "d", "target": folder + "/backup.qcow2", "format": "qcow2", "sync": "full"}),
    ):
        monitor.Execute(command, arguments)
        asked = False
        for _ in range(2000):
            jobs = monitor.Execute("query-block-jobs")
            if not jobs:
                break
            if jobs[0]["ready"] and not asked:
                monitor.Execute("block-job-complete", {"device": "d"})
                asked = True
            time.sleep(0.005)
        found[command] = (len(jobs), asked)
    found["file"] = monitor.Execute("query-block")[0]["inserted"]["file"]
    try:
        monitor.Execute("eject", {"device": "nobody"})
    except errors.HypervisorError as error:
        found["error"] = str(error)
print(json.dumps(found))
`;

test.skipIf(ganeti.skip)(ganeti.title('Ganeti: its Python client adds a disk, stops and continues, and runs three jobs'), async () => {
  using dir = tempDir();
  await using server = await testServer({ print: () => undefined });
  await server.graph.create(dir.file('base.qcow2'), { format: 'qcow2', size: MIB });
  await server.listen({ path: dir.file('qmp') });
  // Debian's own Python, for which its packages are.
  const { code, stdout, stderr } = await run('/usr/bin/python3', ['-c', PYTHON, dir.file('qmp'), dir.path], {
    env: { PYTHONPATH: dirname(findTool('gnt-instance') ?? ''), PYTHONDONTWRITEBYTECODE: '1' },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    version: [2, 4, 0],
    has: ['d'],
    stopped: { running: false, singlestep: false, status: 'paused' },
    'block-commit': [0, true],
    'drive-mirror': [0, true],
    'drive-backup': [0, false],
    file: dir.file('mirror.qcow2'),
    error: expect.stringContaining("Device 'nobody' not found") as string,
  });
  for (const name of ['mirror', 'backup']) {
    const read = ['-f', 'qcow2', '-c', 'read -P 7 0 64k', '-c', 'read -P 8 64k 64k', '-c', 'read -P 0 128k 896k'];
    const { stdout: said } = await run(findTool('qemu-io') ?? 'qemu-io', [...read, dir.file(`${name}.qcow2`)]);
    expect(said).not.toMatch(/failed|error/i);
  }
});
