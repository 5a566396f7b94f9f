// Members of the contract that no other test of the server names, over a monitor.
import { describe, expect, test } from 'vitest';
import { BlockError } from '@blk/core-graph';
import { driverLoaders } from '@blk/drivers-all';
import { tempDir } from '@blk/oracle';
import { attach, testServer, type Message } from './support.js';

const MIB = 1 << 20;

describe('block_set_io_throttle', () => {
  test('every limit, burst and the group are in BlockDeviceInfo as they were given', async () => {
    const server = await testServer();
    const client = await attach(server).negotiate();
    await client.execute('blockdev-add', { options: { driver: 'null-co', id: 'd', size: MIB } });
    const limits = { bps: 0, bps_rd: 1000, bps_wr: 2000, iops: 0, iops_rd: 30, iops_wr: 40, bps_rd_max: 5000, bps_wr_max: 6000, iops_rd_max: 70, iops_wr_max: 80, iops_size: 512, group: 'g' };
    await client.execute('block_set_io_throttle', { device: 'd', ...limits });
    expect(await client.execute('query-block')).toMatchObject([{ inserted: limits }]);
    const together = { bps: 100, bps_rd: 0, bps_wr: 0, iops: 20, iops_rd: 0, iops_wr: 0, bps_max: 300, iops_max: 40 };
    await client.execute('block_set_io_throttle', { device: 'd', ...together });
    expect(await client.execute('query-block')).toMatchObject([{ inserted: { ...together, group: 'g' } }]);
    await server.close();
  });
});

describe('copies', () => {
  test('drive-mirror takes unmap, granularity, buf-size and both error policies; drive-backup and blockdev-backup take on-target-error', async () => {
    using dir = tempDir();
    const server = await testServer();
    const client = await attach(server).negotiate();
    await client.execute('blockdev-add', { options: { driver: 'null-co', 'read-zeroes': true, id: 'd', size: MIB } });
    const errors = { 'on-source-error': 'report', 'on-target-error': 'ignore' };
    const mirror = { device: 'd', target: dir.file('m'), format: 'qcow2', sync: 'full', mode: 'absolute-paths', unmap: false, granularity: 4096, 'buf-size': 65536, speed: 0, ...errors };
    await client.execute('drive-mirror', mirror);
    await client.event('BLOCK_JOB_READY');
    await client.execute('block-job-cancel', { device: 'd' });
    await client.event('BLOCK_JOB_COMPLETED');
    await client.execute('drive-backup', { device: 'd', target: dir.file('b'), format: 'qcow2', sync: 'full', mode: 'absolute-paths', speed: 0, ...errors });
    await client.event('BLOCK_JOB_COMPLETED');
    await server.graph.create(dir.file('t'), { format: 'qcow2', size: MIB });
    await client.execute('blockdev-add', { options: { driver: 'qcow2', id: 't', 'node-name': 'tn', file: { driver: 'file', filename: dir.file('t') } } });
    await client.execute('blockdev-backup', { device: 'd', target: 't', sync: 'full', speed: 0, ...errors });
    expect(await client.event('BLOCK_JOB_COMPLETED')).toMatchObject({ data: { type: 'backup', device: 'd', len: MIB, offset: MIB } });
    await server.close();
  });

  test('BLOCK_JOB_ERROR names device, operation and action', async () => {
    using dir = tempDir();
    const server = await testServer();
    const client = await attach(server).negotiate();
    await server.graph.create(dir.file('n'), { format: 'raw', size: MIB });
    await client.execute('blockdev-add', { options: { driver: 'raw', id: 'd', 'node-name': 'n', file: { driver: 'file', filename: dir.file('n') } } });
    await server.graph.backends.get('d')!.write(0, Buffer.alloc(65536, 1), 0, 65536);
    await client.execute('blockdev-snapshot-sync', { device: 'd', 'snapshot-file': dir.file('s'), mode: 'absolute-paths' });
    const bad = (): never => {
      throw new BlockError('io', 'a bad sector');
    };
    Object.assign(server.graph.node('n'), { read: bad, readv: bad });
    await client.execute('block-stream', { device: 'd', 'on-error': 'report' });
    expect(await client.event('BLOCK_JOB_ERROR')).toMatchObject({ data: { device: 'd', operation: 'read', action: 'report' } });
    expect(await client.event('BLOCK_JOB_COMPLETED')).toMatchObject({ data: { type: 'stream', device: 'd', error: expect.any(String) as string } });
    await server.close();
  });
});

describe('blockdev-add', () => {
  test('every option that the contract has for qcow2', async () => {
    using dir = tempDir();
    const server = await testServer();
    const client = await attach(server).negotiate();
    await server.graph.create(dir.file('x'), { format: 'qcow2', size: MIB });
    const checks = { template: 'none', 'main-header': true, 'active-l1': true, 'active-l2': false, 'refcount-table': true, 'refcount-block': true, 'snapshot-table': true, 'inactive-l1': true, 'inactive-l2': false };
    const options = {
      driver: 'qcow2', id: 'd', file: { driver: 'file', filename: dir.file('x'), aio: 'threads' },
      'lazy-refcounts': true, 'pass-discard-request': true, 'pass-discard-snapshot': false, 'pass-discard-other': true,
      'overlap-check': checks, 'l2-cache-size': MIB, 'refcount-cache-size': MIB,
      discard: 'unmap', 'detect-zeroes': 'unmap', 'read-only': false, cache: { writeback: true, direct: false, 'no-flush': true },
    };
    expect(await client.ask('blockdev-add', { options })).toEqual({ return: {} });
    const [info] = (await client.execute('query-block')) as { inserted: Message }[];
    expect(info.inserted).toMatchObject({ detect_zeroes: 'unmap', cache: { writeback: true, direct: false, 'no-flush': true } });
    await server.close();
  });

  test('takes every member of BlockdevOptionsVVFAT', async () => {
    using dir = tempDir();
    const server = await testServer({ drivers: [await driverLoaders.vvfat()] });
    const client = await attach(server).negotiate();
    const options = { driver: 'vvfat', id: 'd', dir: dir.path, 'fat-type': 12, floppy: true, label: 'DISK', rw: false, 'read-only': true };
    expect(await client.ask('blockdev-add', { options })).toEqual({ return: {} });
    const [info] = (await client.execute('query-block')) as { inserted: Message }[];
    expect(info.inserted).toMatchObject({ drv: 'vvfat', ro: true, image: { 'virtual-size': 1474560 } });
    // Free clusters are no file of the directory.
    const writable = { driver: 'vvfat', id: 'w', dir: dir.path, floppy: true, rw: true };
    expect(await client.ask('blockdev-add', { options: writable })).toEqual({ return: {} });
    expect(await client.execute('human-monitor-command', { 'command-line': 'qemu-io w "write -P 7 2M 512"' })).toBe('');
    expect(await client.ask('blockdev-add', { options: { ...writable, id: 'v', 'read-only': true } })).toMatchObject({ error: { desc: "Unable to set VVFAT to 'rw' when drive is read-only" } });
    await server.close();
  });

  test('a driver of the contract that is not there is refused by name', async () => {
    const server = await testServer();
    const client = await attach(server).negotiate();
    for (const driver of ['archipelago', 'tftp']) {
      const args = { archipelago: { volume: 'v' }, tftp: { filename: 'tftp://h/f' } }[driver];
      await expect(client.execute('blockdev-add', { options: { driver, id: 'd', ...args } })).rejects.toThrow(`GenericError: Unknown driver '${driver}'`);
    }
    await server.close();
  });
});

describe('blockdev-snapshot-delete-internal-sync', () => {
  test('gives every member of SnapshotInfo', async () => {
    using dir = tempDir();
    const server = await testServer();
    const client = await attach(server).negotiate();
    await server.graph.create(dir.file('x'), { format: 'qcow2', size: MIB });
    await client.execute('blockdev-add', { options: { driver: 'qcow2', id: 'd', file: { driver: 'file', filename: dir.file('x') } } });
    const before = Math.floor(Date.now() / 1000);
    await client.execute('blockdev-snapshot-internal-sync', { device: 'd', name: 's' });
    const info = (await client.execute('blockdev-snapshot-delete-internal-sync', { device: 'd', name: 's' })) as Record<string, number>;
    expect(info).toMatchObject({ id: '1', name: 's', 'vm-state-size': 0, 'vm-clock-sec': 0, 'vm-clock-nsec': 0 });
    expect(info['date-sec']).toBeGreaterThanOrEqual(before);
    expect(info['date-nsec']).toBeGreaterThanOrEqual(0);
    expect(info['date-nsec']).toBeLessThan(1e9);
    await server.close();
  });
});
