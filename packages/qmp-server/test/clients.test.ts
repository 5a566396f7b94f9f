// A published client drives snapshots, a transaction, a job and the human monitor; what it knows of QMP is its own.
import { QMPClient } from 'node-qemu';
import { expect, test } from 'vitest';
import { tempDir } from '@blk/oracle';
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
