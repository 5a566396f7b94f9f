/** Mirror, backup and active commit: what they answer and tell, alone and beside the reference. */
import { createImage, findTool, imageInfo, qemuImg, qemuIo, run, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { attach, testServer, type Message, type TestClient } from './support.js';
import { bothWithEvents, withoutDrains, type Move } from './with-events.js';

const MiB = 2 ** 20;
const tools = skipUnless('qemu-storage-daemon', 'qemu-img', 'qemu-io');

async function images(dir: TempDir): Promise<void> {
  await createImage(dir.file('base.qcow2'), 'qcow2', '4M');
  await qemuIo(dir.file('base.qcow2'), ['write -P 1 0 1M'], { format: 'qcow2' });
  await createImage(dir.file('o.qcow2'), 'qcow2', '4M', '-b', dir.file('base.qcow2'), '-F', 'qcow2');
  await qemuIo(dir.file('o.qcow2'), ['write -P 2 1M 64k'], { format: 'qcow2' });
  await createImage(dir.file('t.qcow2'), 'qcow2', '4M');
  await createImage(dir.file('large.qcow2'), 'qcow2', '8M');
  await createImage(dir.file('small.qcow2'), 'qcow2', '1M');
  await createImage(dir.file('over.qcow2'), 'qcow2', '4M', '-b', dir.file('base.qcow2'), '-F', 'qcow2');
}

const node = (dir: TempDir, name: string, more: object = {}): Move => [
  'blockdev-add', { driver: 'qcow2', 'node-name': name, file: { driver: 'file', filename: dir.file(`${name}.qcow2`) }, ...more },
];

describe.skipIf(tools.skip)(tools.title('beside the reference'), () => {
  const same = async (script: (dir: TempDir) => readonly Move[]): Promise<void> => {
    const { ours, theirs } = await bothWithEvents(images, script);
    expect(ours.replies).toEqual(theirs.replies);
    expect(withoutDrains(ours.events)).toEqual(withoutDrains(theirs.events));
  };
  const end = { wait: 'null' };
  const ready = { wait: 'BLOCK_JOB_READY' };

  it('mirrors: completed, cancelled when ready, by force, with every sync', () =>
    same((dir) => {
      const mirror = (target: string, sync: string, more: object = {}): Move => ['drive-mirror', { device: 'o', 'job-id': 'j', target: dir.file(target), sync, ...more }];
      return [
        node(dir, 'o'), node(dir, 't'),
        mirror('m1.qcow2', 'full'), ready, ['query-block-jobs'], ['query-jobs'], ['block-job-cancel', { device: 'j' }], end,
        mirror('m2.qcow2', 'top'), ready, ['query-block-jobs'], ['block-job-cancel', { device: 'j', force: true }], end,
        mirror('m3.qcow2', 'none'), ready, ['query-block-jobs'], ['block-job-complete', { device: 'j' }], end,
        mirror('over.qcow2', 'top', { mode: 'existing' }), ready, ['block-job-complete', { device: 'j' }], end,
        mirror('m4.raw', 'full', { format: 'raw', 'node-name': 'new' }), ready, ['block-job-complete', { device: 'j' }], end,
        ['blockdev-mirror', { device: 'o', target: 't', 'job-id': 'j', sync: 'full', 'copy-mode': 'write-blocking', granularity: 4096 }], ready,
        ['query-block-jobs'], ['job-complete', { id: 'j' }], end, ['query-jobs'],
      ];
    }));

  it('mirrors: what is refused', () =>
    same((dir) => {
      const mirror = (more: object): Move => ['drive-mirror', { device: 'o', 'job-id': 'j', target: dir.file('m.qcow2'), sync: 'full', ...more }];
      const blockdev = (more: object): Move => ['blockdev-mirror', { device: 'o', target: 't', 'job-id': 'j', sync: 'full', ...more }];
      return [
        node(dir, 'o'), node(dir, 't'), node(dir, 'large'),
        mirror({ format: 'nope' }), mirror({ mode: 'existing' }), mirror({ target: '/nonexistent/x' }), mirror({ sync: 'incremental' }),
        mirror({ replaces: 'o' }), mirror({ replaces: 'gone', 'node-name': 'x' }), mirror({ 'node-name': 'o' }),
        mirror({ target: dir.file('small.qcow2'), mode: 'existing' }), end,
        blockdev({ device: 'o', target: 'large' }), end,
        blockdev({ target: 'gone' }), blockdev({ target: 'o' }), blockdev({ sync: 'bitmap' }), blockdev({ granularity: 1000 }), blockdev({ granularity: 256 }),
        blockdev({ granularity: 2 ** 27 }), blockdev({ 'buf-size': -1 }), blockdev({ 'job-id': '1' }),
        blockdev({ 'auto-finalize': false }), ready,
        ['blockdev-backup', { device: 'o', target: 't', 'job-id': 'k', sync: 'full' }],
        ['job-finalize', { id: 'j' }], ['block-job-complete', { device: 'gone' }], ['block-job-complete', { device: 'j' }], { wait: 'BLOCK_JOB_PENDING' },
        ['job-finalize', { id: 'j' }], end,
      ];
    }));

  it('backups: every sync, and the bitmap afterwards', () =>
    same((dir) => {
      const backup = (target: string, sync: string, more: object = {}): Move => ['drive-backup', { device: 'o', 'job-id': 'j', target: dir.file(target), sync, ...more }];
      const blockdev = (sync: string, more: object = {}): Move => ['blockdev-backup', { device: 'o', target: 't', 'job-id': 'j', sync, ...more }];
      return [
        node(dir, 'o'), node(dir, 't'), node(dir, 'large'),
        backup('b1.qcow2', 'full'), end, backup('b2.qcow2', 'top'), end, backup('b3.raw', 'full', { format: 'raw' }), end,
        backup('b4.qcow2', 'none'), ['query-block-jobs'], ['block-job-complete', { device: 'j' }], ['block-job-cancel', { device: 'j' }], end,
        ['block-dirty-bitmap-add', { node: 'o', name: 'm' }],
        backup('b5.qcow2', 'incremental', { bitmap: 'm' }), end, blockdev('full'), end, blockdev('top', { bitmap: 'm', 'bitmap-mode': 'always' }), end,
        blockdev('bitmap', { bitmap: 'm', 'bitmap-mode': 'never', 'auto-finalize': false, 'auto-dismiss': false }), { wait: 'BLOCK_JOB_PENDING' },
        ['block-dirty-bitmap-clear', { node: 'o', name: 'm' }], ['job-finalize', { id: 'j' }], ['job-dismiss', { id: 'j' }], end,
        backup('small.qcow2', 'full', { mode: 'existing' }), blockdev('full', { target: 'large' }), blockdev('full', { target: 'o' }), blockdev('full', { target: 'gone' }),
        blockdev('incremental'), blockdev('bitmap'), blockdev('incremental', { bitmap: 'gone' }), blockdev('full', { bitmap: 'gone' }), blockdev('full', { bitmap: 'm' }),
        blockdev('bitmap', { bitmap: 'm' }), blockdev('incremental', { bitmap: 'm', 'bitmap-mode': 'never' }), blockdev('none', { bitmap: 'm', 'bitmap-mode': 'never' }),
        backup('b6.raw', 'full', { format: 'raw', compress: true }), blockdev('full', { compress: true, target: 'large' }),
      ];
    }));

  it('an active commit: cancelled, then completed', () =>
    same((dir) => [
      node(dir, 'o'),
      ['block-commit', { device: 'o', 'job-id': 'c' }], ready, ['query-block-jobs'], ['block-job-cancel', { device: 'c' }], end,
      ['block-commit', { device: 'o', 'job-id': 'c', 'backing-file': 'x' }],
      ['block-commit', { device: 'o', 'job-id': 'c' }], ready, ['block-job-complete', { device: 'c' }], end, ['query-block-jobs'],
    ]));

  it('backups in a transaction: aborted, one by one, grouped', () =>
    same((dir) => {
      const backup = (device: string, more: object): object => ({ type: 'drive-backup', data: { device, sync: 'full', ...more } });
      return [
        node(dir, 'o'), node(dir, 't'), ['block-dirty-bitmap-add', { node: 'o', name: 'm' }],
        ['transaction', { actions: [backup('o', { 'job-id': 'a', target: dir.file('a.qcow2') }), { type: 'abort', data: {} }] }], end,
        ['transaction', { actions: [backup('o', { 'job-id': 'a', target: dir.file('a.qcow2'), sync: 'incremental', bitmap: 'm' }), { type: 'block-dirty-bitmap-clear', data: { node: 'o', name: 'm' } }] }], end,
        ['transaction', { actions: [{ type: 'block-dirty-bitmap-clear', data: { node: 'o', name: 'm' } }, backup('o', { 'job-id': 'a', target: dir.file('a.qcow2'), sync: 'incremental', bitmap: 'm' })] }], end,
      ];
    }));
});

async function server(dir: TempDir): Promise<{ client: TestClient; close: () => Promise<void>; all: Awaited<ReturnType<typeof testServer>> }> {
  const all = await testServer();
  const client = await attach(all).negotiate();
  await client.execute('blockdev-add', { options: { driver: 'qcow2', id: 'd', file: { driver: 'file', filename: dir.file('o.qcow2') } } });
  return { client, all, close: () => all.close() };
}

const over = (status = 'null') => (message: Message): boolean => message.event === 'JOB_STATUS_CHANGE' && (message.data as { status: string }).status === status;

describe.skipIf(tools.skip)(tools.title('with a device of 2.4'), () => {
  it('a mirror is known by its device, and completed takes its place', async () => {
    using dir = tempDir();
    await images(dir);
    const { client, all, close } = await server(dir);
    const backend = all.graph.backends.get('d')!;
    expect(await client.ask('drive-mirror', { device: 'x', target: dir.file('m.qcow2'), sync: 'full' })).toEqual({
      error: { class: 'DeviceNotFound', desc: "Device 'x' not found" },
    });
    expect(await client.ask('drive-mirror', { device: 'd', target: dir.file('m.qcow2'), sync: 'full', 'on-source-error': 'stop' })).toEqual({
      error: { class: 'GenericError', desc: "Invalid parameter 'on-source-error'" },
    });
    // The reference tells of a job that comes and goes; here there has been none.
    expect(await client.ask('drive-mirror', { device: 'd', target: dir.file('m.qcow2'), sync: 'full', speed: -1 })).toEqual({
      error: { class: 'GenericError', desc: "Parameter 'speed' expects a non-negative value" },
    });
    expect(client.text).not.toContain('JOB_STATUS_CHANGE');
    await client.execute('drive-mirror', { device: 'd', target: dir.file('m.qcow2'), sync: 'top', 'node-name': 'new' });
    expect((await client.event('BLOCK_JOB_READY')).data).toEqual({ type: 'mirror', device: 'd', len: 65536, offset: 65536, speed: 0 });
    expect(await client.execute('query-block')).toMatchObject([{ device: 'd', 'dirty-bitmaps': [{ granularity: 65536, count: 0, status: 'active' }] }]);
    await backend.write(2 * MiB, new Uint8Array(MiB).fill(7), 0, MiB);
    await client.execute('block-job-complete', { device: 'd' });
    expect((await client.event('BLOCK_JOB_COMPLETED')).data).toMatchObject({ type: 'mirror', device: 'd' });
    await client.next(over());
    expect(await client.execute('query-block')).toMatchObject([{ device: 'd', inserted: { 'node-name': 'new', backing_file: dir.file('base.qcow2') } }]);
    await backend.write(3 * MiB, new Uint8Array(4096).fill(9), 0, 4096);
    await close();
    expect(await qemuImg('check', dir.file('m.qcow2'))).toMatchObject({ code: 0 });
    expect(await imageInfo(dir.file('m.qcow2'))).toMatchObject({ 'backing-filename-format': 'qcow2' });
    const reads = ['read -P 1 0 1M', 'read -P 2 1M 64k', 'read -P 7 2M 1M', 'read -P 9 3M 4k'];
    expect(await qemuIo(dir.file('m.qcow2'), reads, { format: 'qcow2' })).toMatchObject({ code: 0 });
  });

  it('a mirror of what is written from now on is completed over the old image', async () => {
    using dir = tempDir();
    await images(dir);
    const { client, all, close } = await server(dir);
    const backend = all.graph.backends.get('d')!;
    await client.execute('drive-mirror', { device: 'd', target: dir.file('m.qcow2'), sync: 'none', granularity: 512 });
    await client.event('BLOCK_JOB_READY');
    await backend.write(MiB + 512, new Uint8Array(512).fill(7), 0, 512);
    await client.execute('block-job-complete', { device: 'd' });
    await client.next(over());
    await backend.write(MiB + 1024, new Uint8Array(512).fill(8), 0, 512);
    await close();
    const reads = ['read -P 1 0 1M', 'read -P 2 1M 512', 'read -P 7 1049088 512', 'read -P 8 1049600 512', 'read -P 2 1050112 1k'];
    expect(await qemuIo(dir.file('m.qcow2'), reads, { format: 'qcow2' })).toMatchObject({ code: 0, stderr: '' });
    // What came after the switch is not in the old one.
    expect(await qemuIo(dir.file('o.qcow2'), ['read -P 2 1049600 512'], { format: 'qcow2' })).toMatchObject({ code: 0 });
  });

  it('a backup of what is overwritten shows the disk as it was, over NBD as well', async () => {
    using dir = tempDir();
    await images(dir);
    const { client, all, close } = await server(dir);
    const backend = all.graph.backends.get('d')!;
    await client.execute('drive-backup', { device: 'd', target: dir.file('b.qcow2'), sync: 'none' });
    await backend.write(MiB, new Uint8Array(4096).fill(7), 0, 4096);
    await backend.write(0, new Uint8Array(4096).fill(7), 0, 4096);
    const target = [...all.graph.nodes].find(({ filename, driverName }) => filename === dir.file('b.qcow2') && driverName === 'qcow2')!;
    await client.execute('nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } });
    all.exports.add({ id: 'e', name: 'then', source: { node: target.name } });
    const url = `nbd+unix:///then?socket=${dir.file('nbd')}`;
    const seen = await run(findTool('qemu-io')!, ['-r', '-f', 'raw', '-c', 'read -P 1 0 1M', '-c', 'read -P 2 1M 64k', '-c', 'read -P 0 2M 2M', url]);
    expect([seen.code, seen.stdout.includes('failed')]).toEqual([0, false]);
    await client.execute('nbd-server-stop');
    await client.execute('block-job-cancel', { device: 'd' });
    expect((await client.event('BLOCK_JOB_CANCELLED')).data).toEqual({ type: 'backup', device: 'd', len: 4 * MiB, offset: 131072, speed: 0 });
    await client.next(over());
    await close();
    expect(await imageInfo(dir.file('b.qcow2'))).toMatchObject({ 'backing-filename-format': 'qcow2' });
  });

  it.each([false, true])('backups of two devices that end together (one is cancelled: %s)', async (cancelled) => {
    using dir = tempDir();
    await images(dir);
    const { client, all, close } = await server(dir);
    await client.execute('blockdev-add', { options: { driver: 'qcow2', id: 'e', file: { driver: 'file', filename: dir.file('t.qcow2') } } });
    await client.execute('block-dirty-bitmap-add', { node: 'e', name: 'm' });
    await all.graph.backends.get('e')!.write(MiB, new Uint8Array(4096).fill(5), 0, 4096);
    const backup = (device: string, more: object): object => ({ type: 'drive-backup', data: { device, target: dir.file(`${device}-copy.qcow2`), ...more } });
    await client.execute('transaction', {
      actions: [backup('d', { sync: cancelled ? 'none' : 'full' }), backup('e', { sync: 'incremental', bitmap: 'm' })],
      properties: { 'completion-mode': 'grouped' },
    });
    if (cancelled) {
      await client.next((message) => over('waiting')(message) && (message.data as { id: string }).id === 'e');
      await client.execute('block-job-cancel', { device: 'd' });
    }
    for (let ended = 0; ended < 2; ended++) await client.event(cancelled ? 'BLOCK_JOB_CANCELLED' : 'BLOCK_JOB_COMPLETED');
    for (let ended = 0; ended < 2; ended++) await client.next(over());
    const [, { 'dirty-bitmaps': bitmaps }] = (await client.execute('query-block')) as { 'dirty-bitmaps'?: object[] }[];
    expect(bitmaps).toMatchObject([{ name: 'm', status: 'active', count: cancelled ? 65536 : 0 }]);
    await close();
  });

  it('a full backup and its increments restore each point in time', async () => {
    using dir = tempDir();
    await images(dir);
    const { client, all, close } = await server(dir);
    const backend = all.graph.backends.get('d')!;
    const finish = async (): Promise<void> => {
      expect((await client.event('BLOCK_JOB_COMPLETED')).data).not.toHaveProperty('error');
      await client.next(over());
    };
    await client.execute('transaction', {
      actions: [
        { type: 'block-dirty-bitmap-add', data: { node: 'd', name: 'm' } },
        { type: 'drive-backup', data: { device: 'd', target: dir.file('p0.qcow2'), sync: 'full', format: 'qcow2' } },
      ],
    });
    await finish();
    for (let point = 1; point < 4; point++) {
      await backend.write(point * 65536, new Uint8Array(65536).fill(10 + point), 0, 65536);
      await createImage(dir.file(`p${point}.qcow2`), 'qcow2', '4M', '-b', dir.file(`p${point - 1}.qcow2`), '-F', 'qcow2');
      await client.execute('drive-backup', { device: 'd', target: dir.file(`p${point}.qcow2`), sync: 'incremental', bitmap: 'm', mode: 'existing' });
      await finish();
    }
    await close();
    for (let point = 0; point < 4; point++) {
      const file = dir.file(`p${point}.qcow2`);
      const reads = [1, 2, 3].map((at) => `read -P ${at <= point ? 10 + at : 1} ${at * 64}k 64k`);
      const seen = await qemuIo(file, [...reads, 'read -P 2 1M 64k'], { format: 'qcow2' });
      expect([seen.code, seen.stdout.includes('failed')]).toEqual([0, false]);
      expect(await qemuImg('check', file)).toMatchObject({ code: 0 });
    }
  });
});
