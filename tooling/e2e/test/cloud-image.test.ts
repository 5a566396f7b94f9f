// One whole path on real input: opened through QMP, exported, read by real clients, written with verification, converted.
import { statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fioNbd, nbdcopy, nbdinfo, nbdUri, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { blk, cloudImage, startDaemon } from '../src/index.js';

const needs = skipUnless('qemu-img', 'qemu-io', 'nbdcopy', 'nbdinfo', 'fio', 'mkfs.ext4', 'sfdisk');

describe.skipIf(needs.skip)(needs.title('a cloud image'), () => {
  test('is served, agreed on by real clients, written with verification, and clean afterwards', async () => {
    using dir = tempDir();
    const image = await cloudImage(dir.path, 3 * 1024 ** 3);
    const socket = dir.file('nbd.sock');
    await using daemon = await startDaemon({ monitor: dir.file('qmp.sock') });
    const qmp = daemon.qmp!;
    await qmp.execute('blockdev-add', { options: { driver: 'qcow2', id: 'drive0', file: { driver: 'file', filename: image.overlay } } });
    const devices = (await qmp.execute('query-block')) as { device: string; inserted: { image: Record<string, unknown>; backing_file_depth: number } }[];
    expect(devices[0]).toMatchObject({ device: 'drive0', inserted: { drv: 'qcow2', backing_file_depth: 1, image: { 'virtual-size': image.size } } });
    await qmp.execute('nbd-server-start', { addr: { type: 'unix', data: { path: socket } } });
    await qmp.execute('nbd-server-add', { device: 'drive0', writable: true });

    const uri = nbdUri(socket, 'drive0');
    const compared = await qemuImg('compare', '-f', 'raw', '-F', 'raw', image.raw, uri);
    expect(compared).toMatchObject({ code: 0, stdout: 'Images are identical.\n' });
    const info = await nbdinfo(uri);
    expect(info.exports[0]).toMatchObject({ 'export-size': image.size });
    const copy = dir.file('copy.raw');
    expect(await nbdcopy([uri, copy], { timeout: 120_000 })).toMatchObject({ code: 0 });
    expect((await qemuImg('compare', '-f', 'raw', '-F', 'raw', image.raw, copy)).code).toBe(0);

    await fioNbd({ uri, rw: 'randwrite', bs: 4096, iodepth: 16, size: 48 * 1024 * 1024, verify: 'crc32c' });
    await qmp.execute('quit');
    expect(await daemon.exited).toBe(0);
    expect(await qemuImg('check', image.overlay)).toMatchObject({ code: 0, stdout: expect.stringContaining('No errors were found') as string });
  });

  test('goes to raw and back by blk convert with the same content', async () => {
    using dir = tempDir();
    const image = await cloudImage(dir.path, 3 * 1024 ** 3);
    const raw = dir.file('ours.raw');
    const back = dir.file('ours.qcow2');
    expect(await blk(['convert', '-f', 'qcow2', '-O', 'raw', image.overlay, raw])).toMatchObject({ code: 0, stderr: '' });
    expect((await qemuImg('compare', '-f', 'raw', '-F', 'raw', image.raw, raw)).code).toBe(0);
    // As sparse as what it came from.
    expect(statSync(raw).blocks * 512).toBeLessThan(400 * 1024 * 1024);
    expect(await blk(['convert', '-f', 'raw', '-O', 'qcow2', '-c', raw, back])).toMatchObject({ code: 0, stderr: '' });
    expect((await qemuImg('compare', '-f', 'raw', '-F', 'qcow2', image.raw, back)).code).toBe(0);
    expect((await qemuImg('check', back)).code).toBe(0);
    expect(await blk(['compare', '-f', 'qcow2', '-F', 'qcow2', image.overlay, back])).toMatchObject({ code: 0, stdout: 'Images are identical.\n' });
  });
});
