// The human monitor: what QEMU prints, in its words; `qemu-io` on devices in use.
import { describe, expect, test } from 'vitest';
import { BlockError } from '@blk/core-graph';
import { tempDir, type TempDir } from '@blk/oracle';
import { attach, testServer, type TestClient } from './support.js';

interface Session {
  readonly server: Awaited<ReturnType<typeof testServer>>;
  readonly client: TestClient;
  /** What the server printed so far. */
  readonly printed: () => string;
  /** Runs a line, and gives its lines. */
  readonly say: (line: string) => Promise<string>;
}

/** Devices `d0` (node `nn`, over a backing file) and `d2` (raw), a node `n0`, and a drive without a disc. */
async function session(dir: TempDir): Promise<Session> {
  let printed = '';
  const server = await testServer({ print: (text) => (printed += text) });
  const client = await attach(server).negotiate();
  const say = async (line: string): Promise<string> => {
    const text = (await client.execute('human-monitor-command', { 'command-line': line })) as string;
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    return text.replaceAll('\r\n', '\n');
  };
  await server.graph.create(dir.file('base.qcow2'), { format: 'qcow2', size: 64 << 20 });
  await server.graph.create(dir.file('top.qcow2'), { format: 'qcow2', size: 64 << 20, options: { backing_file: 'base.qcow2', backing_fmt: 'qcow2' } });
  await server.graph.create(dir.file('r.raw'), { format: 'raw', size: 1 << 20 });
  await client.execute('blockdev-add', { options: { driver: 'qcow2', id: 'd0', 'node-name': 'nn', file: { driver: 'file', filename: dir.file('top.qcow2') } } });
  await client.execute('blockdev-add', { options: { driver: 'raw', id: 'd2', 'node-name': 'r', file: { driver: 'file', filename: dir.file('r.raw') } } });
  await client.execute('blockdev-add', { driver: 'null-co', 'node-name': 'n0', size: 1 << 20 });
  await say('drive_add 0 if=none,id=empty');
  return { server, client, say, printed: () => printed.replace(/\d\d\.\d\d sec \(.*\)/g, 'TIME').replaceAll(dir.path, 'DIR') };
}

const D0 = 'd0 (nn): DIR/top.qcow2 (qcow2)\n    Removable device: not locked, tray closed\n    Cache mode:       writeback\n    Backing file:     DIR/base.qcow2 (chain depth: 1)\n';
const D2 = 'd2 (r): DIR/r.raw (raw)\n    Removable device: not locked, tray closed\n    Cache mode:       writeback\n';
const EMPTY = 'empty: [not inserted]\n    Removable device: not locked, tray closed\n';

describe('info', () => {
  test('block describes devices, nodes, and their images', async () => {
    using dir = tempDir();
    const { server, say } = await session(dir);
    const info = async (rest: string): Promise<string> => (await say(`info ${rest}`)).replaceAll(dir.path, 'DIR');
    expect(await info('block')).toBe(`${D0}\n${D2}\n${EMPTY}`);
    expect(await info('block d0')).toBe(D0);
    expect(await info('block nope')).toBe('');
    const images = (await info('block -v d0')).replace(/disk size: .*/g, 'disk size: X');
    const specific = 'Format specific information:\n    compat: 1.1\n    compression type: zlib\n    lazy refcounts: false\n    refcount bits: 16\n    corrupt: false\n    extended l2: false\n';
    const image = (name: string, backing: string): string =>
      `image: DIR/${name}\nfile format: qcow2\nvirtual size: 64 MiB (67108864 bytes)\ndisk size: X\ncluster_size: 65536\n${backing}${specific}`;
    expect(images).toBe(
      `${D0}\nImages:\n${image('top.qcow2', 'backing file: base.qcow2 (actual path: DIR/base.qcow2)\nbacking file format: qcow2\n')}${image('base.qcow2', '')}`,
    );
    expect(await info('block -n nn')).toBe('nn: DIR/top.qcow2 (qcow2)\n    Cache mode:       writeback\n    Backing file:     DIR/base.qcow2 (chain depth: 1)\n');
    expect(await info('block -n')).toContain('DIR/base.qcow2 (qcow2, read-only)\n    Cache mode:       writeback\n\n');
    expect(await info('block n0')).toContain('n0: ');
    await server.close();
  });

  test('blockstats, block-jobs, status, version; all topics; unknown ones', async () => {
    using dir = tempDir();
    const { server, say } = await session(dir);
    const none = 'rd_bytes=0 wr_bytes=0 rd_operations=0 wr_operations=0 flush_operations=0 wr_total_time_ns=0 rd_total_time_ns=0 flush_total_time_ns=0 rd_merged=0 wr_merged=0\n';
    expect(await say('info blockstats')).toBe(['d0', 'd2', 'empty'].map((name) => `${name}: ${none}`).join(''));
    expect(await say('info block-jobs')).toBe('No active jobs\n');
    expect(await say('info status')).toBe('VM status: running\n');
    expect(await say('stop')).toBe('');
    expect(await say('info status')).toBe('VM status: paused\n');
    for (const line of ['c', 'cont']) expect(await say(line)).toBe('');
    expect(await say('info version')).toMatch(/^2\.4\.0 \(blk .*\)\n$/);
    expect(await say('info')).toContain('info block [-n] [-v] [device] -- show info of one block device or all block devices (-n: show named nodes; -v: show details)\n');
    expect(await say('info bogus')).toBe("unknown command: 'info bogus'\n");
    await server.close();
  });
});

describe('command lines', () => {
  test.each([
    ['bogus', "unknown command: 'bogus'\n"],
    ['', ''],
    ['# nothing', ''],
    ['qemu-io', 'qemu-io: block device name expected\nTry "help qemu-io" for more information\n'],
    ['qemu-io d0', 'qemu-io: string expected\nTry "help qemu-io" for more information\n'],
    ['drive_add', 'drive_add: string expected\nTry "help drive_add" for more information\n'],
    ['commit d0 extra', 'commit: extraneous characters at the end of line\nTry "help commit" for more information\n'],
    ['block_resize d0', 'invalid size\nTry "help block_resize" for more information\n'],
    ['block_resize d0 x', 'invalid size\nTry "help block_resize" for more information\n'],
    ['block_resize nope 65M', "Error: Device 'nope' not found\n"],
    ['eject -z d0', 'eject: unsupported option -z\nTry "help eject" for more information\n'],
    ['eject nope', "Error: Device 'nope' not found\n"],
    ['change nope x', "Error: Device 'nope' not found\n"],
    ['change d2 x raw sideways', "Error: Parameter 'read-only-mode' does not accept value 'sideways'\n"],
    ['drive_del nope', "Device 'nope' not found\n"],
    ['drive_add 0 if=none,id=d0,file=null-co://,format=raw', "Duplicate ID 'd0' for drive\n"],
    ['drive_add 0 file=/nonexistent,format=raw', "Could not open '/nonexistent': No such file or directory\n"],
    ['commit nope', "Device 'nope' not found\n"],
    ['commit d2', "'commit' error for 'd2': Operation not supported\n"],
    ['snapshot_blkdev d0', "Error: Parameter 'snapshot-file' is missing\n"],
    ['snapshot_blkdev nope x', "Error: Device 'nope' not found\n"],
    ['snapshot_delete_blkdev_internal d0 s1 2', "Error: Snapshot with id '2' and name 's1' does not exist on device 'd0'\n"],
    ['help qemu-io', 'qemu-io [-d] [device] "[command]" -- run a qemu-io command on a block device\n\t\t\t-d: [device] is a device ID rather than a drive ID or node name\n'],
    ['qemu-io d0 "read', 'unterminated string\nTry "help qemu-io" for more information\n'],
    ['qemu-io nope "read 0 512"', "Error: Cannot find device='' nor node-name='nope'\n"],
  ])('%s', async (line, text) => {
    using dir = tempDir();
    const { server, say } = await session(dir);
    expect(await say(line)).toBe(text);
    await server.close();
  });

  test('a processor cannot be named', async () => {
    const server = await testServer();
    await expect(server.execute('human-monitor-command', { 'command-line': 'info block', 'cpu-index': 0 })).rejects.toThrow("Parameter 'cpu-index' expects a CPU number");
    await server.close();
  });
});

describe('qemu-io', () => {
  test('works on devices and nodes, and prints to the server\'s output, not to the client', async () => {
    using dir = tempDir();
    const { server, say, printed } = await session(dir);
    for (const line of ['d0 "write -P 7 0 64k"', 'nn "read -P 7 0 64k"', 'n0 "length"', 'd0 "read 0 512M"', 'd0 bogus', 'd0 quit', 'empty "read 0 512"']) {
      expect(await say(`qemu-io ${line}`)).toBe('');
    }
    expect(printed()).toBe(
      'wrote 65536/65536 bytes at offset 0\n64 KiB, 1 ops; TIME\nread 65536/65536 bytes at offset 0\n64 KiB, 1 ops; TIME\n1 MiB\n' +
        'read failed: Input/output error\ncommand "bogus" not found\ncommand "quit" not found\nread failed: No medium found\n',
    );
    await server.close();
  });

  test('a request that is only started tells its end later, and the node can go then', async () => {
    using dir = tempDir();
    const { server, client, say, printed } = await session(dir);
    expect(await say('qemu-io n0 "aio_write 0 4k"')).toBe('');
    await say('qemu-io n0 aio_flush');
    expect(printed()).toContain('wrote 4096/4096 bytes at offset 0');
    await new Promise((resolve) => setImmediate(resolve));
    expect(await client.ask('blockdev-del', { 'node-name': 'n0' })).toEqual({ return: {} });
    await server.close();
  });

  test('is not stopped by the policy of a device, nor by its being stopped', async () => {
    using dir = tempDir();
    const { server, say, printed } = await session(dir);
    const device = await server.addDevice('s', { driver: 'null-co', 'node-name': 'sn', size: 4096 }, { werror: 'stop' });
    const node = server.graph.node('sn');
    let broken = true;
    const write = node.write.bind(node);
    node.write = (...args) => {
      if (broken) throw new BlockError('io', 'bad');
      return write(...args);
    };
    const waiting = device.write(0, new Uint8Array(512), 0, 512);
    await say('qemu-io s "write 0 512"');
    expect(printed()).toBe('write failed: Input/output error\n');
    expect(await say('info status')).toBe('VM status: paused (io-error)\n');
    expect(await say('info block s')).toContain('    I/O status:       failed\n');
    broken = false;
    await say('cont');
    await waiting;
    await server.close();
  });
});

describe('devices', () => {
  test('drive_add and drive_del, eject and change', async () => {
    using dir = tempDir();
    const { server, client, say } = await session(dir);
    expect(await say('drive_add 0 if=none,id=x,file=null-co://,format=raw')).toBe('OK\n');
    expect(await say('drive_add dummy if=none')).toBe('OK\n');
    expect(await say('drive_add -n 0 driver=null-co,node-name=hn')).toBe('');
    expect(((await client.execute('query-block')) as { device: string }[]).map(({ device }) => device)).toEqual(['d0', 'd2', 'empty', 'x', 'none2']);
    for (const name of ['x', 'hn', 'none2']) expect(await say(`drive_del ${name}`)).toBe('');
    expect(await say('drive_del x')).toBe("Device 'x' not found\n");
    expect(server.graph.findNode('hn')).toBeUndefined();
    expect(await say('eject d2')).toBe('');
    expect(await say('info block d2')).toBe('d2: [not inserted]\n    Removable device: not locked, tray open\n');
    expect(await say(`change d2 ${dir.file('gone')} raw`)).toBe(`Error: Could not open '${dir.file('gone')}': No such file or directory\n`);
    expect(await say(`change d2 "${dir.file('r.raw')}" raw read-only`)).toBe('');
    expect(await say('info block d2')).toMatch(/\(raw, read-only\)\n {4}Removable device: not locked, tray closed\n/);
    await server.close();
  });

  test('snapshot_blkdev, internal snapshots, block_resize', async () => {
    using dir = tempDir();
    const { server, say } = await session(dir);
    expect(await say(`snapshot_blkdev d0 ${dir.file('s.qcow2')}`)).toBe('');
    expect(await say('block_resize d0 65M')).toBe('');
    expect(server.graph.backends.get('d0')!.size).toBe(65 << 20);
    expect(server.graph.backends.get('d0')!.root.backing?.node.name).toBe('nn');
    expect(await say('snapshot_blkdev_internal d0 s1')).toBe('');
    expect(await say('snapshot_delete_blkdev_internal d0 s1')).toBe('');
    await server.close();
  });

  test('commit moves what the overlay holds, and empties it; all means every device that has a backing file', async () => {
    using dir = tempDir();
    const { server, say, printed } = await session(dir);
    await say('qemu-io d0 "write -P 5 1M 128k"');
    await say('qemu-io d0 "write -z 3M 64k"');
    await say('block_resize d0 65M');
    await say('qemu-io d0 "write -P 6 64M 64k"');
    const top = server.graph.node('nn');
    const base = top.backing!.node;
    expect(await say('commit d0')).toBe('');
    expect([base.size, base.readOnly]).toEqual([65 << 20, true]);
    expect((await top.extent(0, 65 << 20)).allocated).toBe(false);
    for (const [at, byte] of [[1 << 20, 5], [3 << 20, 0], [64 << 20, 6]]) {
      const buffer = new Uint8Array(512);
      await base.read(at, buffer, 0, 512);
      expect(buffer.every((value) => value === byte)).toBe(true);
    }
    await say('qemu-io d0 "write -P 8 0 64k"');
    expect(await say('commit all')).toBe('');
    await say('qemu-io d0 "read -P 8 0 64k"');
    expect(printed()).not.toContain('failed');
    await server.close();
  });
});
