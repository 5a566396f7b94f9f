import { readFileSync, writeFileSync } from 'node:fs';
import { fioNbd, findTool, nbdcopy, nbdinfo, nbdUri, qemuImg, run, skipUnless, start, tempDir, waitForSocket } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { pattern, same, serveMemory, type TestServer } from './support.js';

const MiB = 1024 * 1024;
const tools = skipUnless('nbdinfo', 'nbdcopy', 'qemu-img', 'qemu-io', 'fio', 'nbdsh', 'nbdkit');

/** Data, a hole, data and allocated zeroes. */
async function serveSparse(): Promise<TestServer> {
  const test = await serveMemory(16 * MiB, { export: { description: 'sparse', allocationDepth: true } });
  test.source.bytes.set(pattern(2 * MiB));
  test.source.bytes.set(pattern(65536, 5), 9 * MiB);
  const run = (length: number, data: boolean, depth: number) => ({ length, data, zero: !data, allocated: data, depth });
  test.source.extentRuns = [
    run(2 * MiB, true, 0),
    run(7 * MiB, false, 1),
    run(65536, true, 1),
    { ...run(7 * MiB - 65536, false, 0), allocated: true },
  ];
  return test;
}

describe.skipIf(tools.skip)(tools.title('the reference clients'), () => {
  it('nbdinfo tells what we offer', async () => {
    await using test = await serveSparse();
    const uri = nbdUri(test.path);
    const info = await nbdinfo(uri);
    expect(info).toMatchObject({ protocol: 'newstyle-fixed', TLS: false, structured: true });
    expect(info.exports[0]).toMatchObject({
      'export-name': '',
      description: 'sparse',
      'export-size': 16 * MiB,
      is_read_only: false,
      can_cache: true,
      can_df: true,
      can_fast_zero: true,
      can_flush: true,
      can_fua: true,
      can_multi_conn: true,
      can_trim: true,
      can_zero: true,
      block_size_minimum: 1,
      block_size_preferred: 4096,
      block_size_maximum: 32 * MiB,
      contexts: ['base:allocation', 'qemu:allocation-depth'],
    });
    const size = await run(findTool('nbdinfo') ?? '', ['--size', uri]);
    expect(size.stdout).toBe(`${16 * MiB}\n`);
    const map = await run(findTool('nbdinfo') ?? '', ['--map', '--json', uri]);
    expect(JSON.parse(map.stdout)).toMatchObject([
      { offset: 0, length: 2 * MiB, type: 0 },
      { offset: 2 * MiB, length: 7 * MiB, type: 3 },
      { offset: 9 * MiB, length: 65536, type: 0 },
      { offset: 9 * MiB + 65536, length: 7 * MiB - 65536, type: 3 },
    ]);
    const depth = await run(findTool('nbdinfo') ?? '', ['--map=qemu:allocation-depth', '--json', uri]);
    expect((JSON.parse(depth.stdout) as { type: number }[]).map(({ type }) => type)).toEqual([1, 0, 2, 1]);
  });

  it('nbdcopy reads and writes with several connections', async () => {
    await using test = await serveSparse();
    using dir = tempDir();
    expect(await nbdcopy([nbdUri(test.path), dir.file('out')])).toMatchObject({ code: 0, stderr: '' });
    expect(same(readFileSync(dir.file('out')), test.source.bytes)).toBe(true);
    writeFileSync(dir.file('in'), pattern(16 * MiB, 77));
    expect(await nbdcopy(['--flush', dir.file('in'), nbdUri(test.path)])).toMatchObject({ code: 0, stderr: '' });
    expect(same(pattern(16 * MiB, 77), test.source.bytes)).toBe(true);
    expect(test.source.log).toContain('flush');
  });

  it('nbdsh sends every command', async () => {
    await using test = await serveMemory(4 * MiB);
    const script = `
assert h.pread(512, 0) == bytes(512)
h.pwrite(b"a" * 1000, 4096, nbd.CMD_FLAG_FUA)
h.pwrite(b"b" * 3000000, 100000)
assert h.pread(3000000, 100000) == b"b" * 3000000
assert h.pread_structured(65536, 0, lambda *_: 0, nbd.CMD_FLAG_DF)[4096:5096] == b"a" * 1000
h.zero(4096, 4096, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FAST_ZERO)
h.trim(4096, 0)
h.cache(65536, 0)
h.flush()
assert h.pread(8192, 0) == bytes(8192)
h.set_strict_mode(0)
for bad in (lambda: h.pread(512, 4 << 20), lambda: h.zero(1, 4 << 20), lambda: h.pwrite(b"x" * 512, 4 << 20)):
    try:
        bad()
    except nbd.Error as e:
        print(e.errno)
h.shutdown()
`;
    const { code, stdout, stderr } = await run(findTool('nbdsh') ?? '', ['-u', nbdUri(test.path), '-c', script], {
      // The binding belongs to the system's Python, whatever other one stands before it.
      env: { PATH: `/usr/bin:${process.env['PATH'] ?? ''}` },
    });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'EINVAL\nENOSPC\nENOSPC\n', stderr: '' });
  });

  it('qemu-img compares, maps and converts, and qemu-io writes', async () => {
    await using test = await serveSparse();
    using dir = tempDir();
    const uri = nbdUri(test.path);
    writeFileSync(dir.file('same'), test.source.bytes);
    expect(await qemuImg('compare', '-f', 'raw', '-F', 'raw', uri, dir.file('same'))).toMatchObject({ code: 0 });
    const map = await qemuImg('map', '--output=json', '-f', 'raw', uri);
    const runs = JSON.parse(map.stdout) as { start: number; length: number; zero: boolean; data: boolean }[];
    expect(runs.map(({ start: from, length, zero, data }) => [from, length, zero, data])).toEqual([
      [0, 2 * MiB, false, true],
      [2 * MiB, 7 * MiB, true, false],
      [9 * MiB, 65536, false, true],
      [9 * MiB + 65536, 7 * MiB - 65536, true, false],
    ]);
    expect(await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', uri, dir.file('q'))).toMatchObject({ code: 0 });
    expect(await qemuImg('compare', dir.file('same'), dir.file('q'))).toMatchObject({ code: 0 });
    const commands = ['write -P 7 1000 70000', 'read -P 7 1000 70000', 'write -z 0 4k', 'write -f -P 9 8k 4k', 'discard 1M 64k', 'flush'];
    const io = await run(findTool('qemu-io') ?? '', ['-f', 'raw', ...commands.flatMap((command) => ['-c', command]), uri]);
    expect(io.code).toBe(0);
    expect(io.stdout).not.toMatch(/fail|error/i);
    expect(same(test.source.bytes.subarray(8192, 12288), new Uint8Array(4096).fill(9))).toBe(true);
    expect(same(test.source.bytes.subarray(12288, 71000), new Uint8Array(71000 - 12288).fill(7))).toBe(true);
    expect(await qemuImg('convert', '-n', '-O', 'raw', dir.file('same'), uri)).toMatchObject({ code: 0 });
    expect(same(readFileSync(dir.file('same')), test.source.bytes)).toBe(true);
  });

  it.each([
    ['at once', false],
    ['with waiting', true],
  ])('fio finds what it wrote, from a source that completes %s', async (_how, wait) => {
    await using test = await serveMemory(16 * MiB);
    if (wait) test.source.gate = Promise.resolve();
    for (const bs of [4096, 300 * 1024]) {
      const result = await fioNbd({ uri: nbdUri(test.path), rw: 'randwrite', bs, iodepth: 32, size: 12 * MiB, verify: 'crc32c' });
      expect(result.errors).toBe(0);
    }
  });

  it('nbdkit passes us on', async () => {
    await using test = await serveSparse();
    using dir = tempDir();
    const proxy = await start(findTool('nbdkit') ?? '', ['-f', '-U', dir.file('p'), 'nbd', `socket=${test.path}`]);
    try {
      await waitForSocket(dir.file('p'), proxy);
      expect(await nbdcopy([nbdUri(dir.file('p')), dir.file('out')])).toMatchObject({ code: 0, stderr: '' });
      expect(same(readFileSync(dir.file('out')), test.source.bytes)).toBe(true);
    } finally {
      await proxy.stop();
    }
  });
});
