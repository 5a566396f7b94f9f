import { existsSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  createImage, findTool, fioNbd, imageInfo, nbdcopy, nbdinfo, nbdUri, prng, qemuImg, qemuIo, QmpError, run, skipUnless,
  start, startQemuNbd, startStorageDaemon, tempDir,
} from '../src/index.js';

const MiB = 1024 * 1024;

describe('run', () => {
  it('gives exit code and both outputs', async () => {
    const result = await run(process.execPath, ['-e', 'console.log(1); console.error(2); process.exit(3)']);
    expect(result).toEqual({ code: 3, stdout: '1\n', stderr: '2\n' });
  });
  it('kills what runs too long, and says so', async () => {
    await expect(run(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { timeout: 200 })).rejects.toThrow('longer than 200 ms');
  });
  it('names a program that is not there', async () => {
    await expect(run('/nonexistent/tool', [])).rejects.toThrow('/nonexistent/tool: cannot be started');
  });
});

describe('start', () => {
  it('ends the process when disposed of', async () => {
    let pid: number;
    {
      await using child = await start(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      pid = child.pid;
      expect(process.kill(pid, 0)).toBe(true);
    }
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

describe('tempDir', () => {
  it('is gone after its block', () => {
    let path: string;
    {
      using dir = tempDir();
      path = dir.path;
      writeFileSync(dir.file('a'), 'a');
      expect(existsSync(path)).toBe(true);
    }
    expect(existsSync(path)).toBe(false);
  });
});

describe('prng', () => {
  it('repeats itself for a seed, and differs for another', () => {
    const list = (seed: number): number[] => { const r = prng(seed); return Array.from({ length: 8 }, () => r.next()); };
    expect(list(7)).toEqual(list(7));
    expect(list(7)).not.toEqual(list(8));
    expect(list(7)).not.toEqual(list(7 + 2 ** 32));
  });
  it('stays below its limit, small or large', () => {
    const r = prng(1);
    for (const limit of [1, 2, 10, 2 ** 32, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      for (let i = 0; i < 200; i++) {
        const n = r.below(limit);
        expect(n >= 0 && n < limit && Number.isSafeInteger(n)).toBe(true);
      }
    }
    expect(() => r.below(0)).toThrow(RangeError);
  });
  it('fills odd lengths', () => {
    expect(prng(3).bytes(7)).toHaveLength(7);
    expect(prng(3).bytes(4096).some((b) => b !== 0)).toBe(true);
  });
});

describe('skipUnless', () => {
  it('is content with nothing missing, and loud where all tools are required', () => {
    expect(skipUnless()).toMatchObject({ skip: false, reason: '' });
    const missing = 'no-such-tool' as 'fio';
    const before = process.env['BLK_REQUIRE_ORACLES'];
    try {
      delete process.env['BLK_REQUIRE_ORACLES'];
      expect(skipUnless(missing)).toMatchObject({ skip: true, reason: 'no-such-tool not installed' });
      expect(skipUnless(missing).title('x')).toBe('x (skipped: no-such-tool not installed)');
      process.env['BLK_REQUIRE_ORACLES'] = '1';
      expect(() => skipUnless(missing)).toThrow('BLK_REQUIRE_ORACLES');
    } finally {
      if (before === undefined) delete process.env['BLK_REQUIRE_ORACLES'];
      else process.env['BLK_REQUIRE_ORACLES'] = before;
    }
    expect(findTool(missing)).toBeUndefined();
  });
});

const image = skipUnless('qemu-img', 'qemu-io');
describe.skipIf(image.skip)(image.title('qemu-img and qemu-io'), () => {
  it('make, fill and describe an image', async () => {
    using dir = tempDir();
    const file = dir.file('a.qcow2');
    await createImage(file, 'qcow2', 4 * MiB, '-o', 'cluster_size=4096');
    expect(await imageInfo(file)).toMatchObject({ format: 'qcow2', 'virtual-size': 4 * MiB, 'cluster-size': 4096 });
    expect((await qemuIo(file, ['write -P 7 4k 4k', 'read -P 7 4k 4k'], { format: 'qcow2' })).code).toBe(0);
    expect((await qemuIo(file, ['read -P 8 4k 4k'], { format: 'qcow2' })).stdout).toContain('Pattern verification failed');
    expect((await qemuImg('info', dir.file('none'))).code).toBe(1);
    await expect(createImage(dir.file('b'), 'nothing', 1)).rejects.toThrow('Unknown file format');
  });
});

const nbd = skipUnless('qemu-img', 'qemu-nbd', 'nbdinfo', 'nbdcopy', 'fio');
describe.skipIf(nbd.skip)(nbd.title('NBD tools'), () => {
  it('serve, describe, load with verification, copy', async () => {
    using dir = tempDir();
    const file = dir.file('a.raw');
    await createImage(file, 'raw', 4 * MiB);
    await using server = await startQemuNbd({ file, socket: dir.file('s'), exportName: 'disk 1' });
    expect((await nbdinfo(server.uri)).exports[0]).toMatchObject({ 'export-name': 'disk 1', 'export-size': 4 * MiB });
    const result = await fioNbd({ uri: server.uri, rw: 'randwrite', bs: 4096, iodepth: 8, verify: 'crc32c' });
    expect(result.writtenBytes).toBe(4 * MiB);
    expect((await nbdcopy([server.uri, dir.file('b.raw')])).code).toBe(0);
    expect((await qemuImg('compare', '-f', 'raw', '-F', 'raw', file, dir.file('b.raw'))).code).toBe(0);
  });
  it('tell of a server that does not start', async () => {
    using dir = tempDir();
    await expect(startQemuNbd({ file: dir.file('none'), socket: dir.file('s') })).rejects.toThrow('No such file');
  });
});

const daemon = skipUnless('qemu-storage-daemon', 'nbdinfo');
describe.skipIf(daemon.skip)(daemon.title('storage daemon'), () => {
  it('answers commands, exports, and tells errors apart', async () => {
    using dir = tempDir();
    const socket = dir.file('s');
    await using qsd = await startStorageDaemon({
      blockdevs: [{ driver: 'null-co', 'node-name': 'n', size: MiB, 'read-zeroes': true }],
      nbdSocket: socket,
      exports: ['type=nbd,id=e,node-name=n'],
    });
    expect(qsd.qmp.greeting).toHaveProperty('version');
    const nodes = (await qsd.qmp.execute('query-named-block-nodes')) as { 'node-name': string }[];
    expect(nodes.map((n) => n['node-name'])).toEqual(['n']);
    expect((await nbdinfo(nbdUri(socket, 'n'))).exports[0]['export-size']).toBe(MiB);
    const error = await qsd.qmp.execute('blockdev-del', { 'node-name': 'x' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(QmpError);
    expect(error).toMatchObject({ errorClass: 'GenericError' });
    const deleted = qsd.qmp.event('BLOCK_EXPORT_DELETED');
    await qsd.qmp.execute('block-export-del', { id: 'e' });
    expect((await deleted).data).toEqual({ id: 'e' });
  });
  it('tells of a daemon that does not start', async () => {
    await expect(startStorageDaemon({ args: ['--no-such-option'] })).rejects.toThrow('did not start');
  });
});
