/** What is opened, and what is refused in which words. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync, readdirSync, statSync } from 'node:fs';
import { run, skipUnless, tempDir } from '@blk/oracle';
import { BlockGraph, openImage } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { fileDrivers } from '../src/index.js';
import { MODES, graphOf, openDescriptors, titled, withoutLoop } from './support.js';

const tools = skipUnless('qemu-img');

describe.each(MODES)('opening $mode', ({ drivers }) => {
  const both = drivers();
  const messageOf = async (definition: Record<string, unknown>): Promise<string> => {
    const error = await graphOf(both).open(definition, { readOnly: true }).then(() => new Error('was opened'), (thrown: unknown) => thrown as Error);
    return error.message;
  };

  it.skipIf(tools.skip)(tools.title('refuses what the reference refuses, in its words'), async () => {
    using dir = tempDir();
    writeFileSync(dir.file('regular'), 'x'.repeat(512));
    mkdirSync(dir.file('folder'));
    symlinkSync('nowhere', dir.file('dangling'));
    symlinkSync('loop', dir.file('loop'));
    execFileSync('mkfifo', [dir.file('pipe')]);
    const cases: [string, string, Record<string, string>?][] = [
      ['file', dir.file('folder')],
      ['file', dir.file('missing')],
      ['file', dir.file('dangling')],
      ['file', dir.file('loop')],
      ['file', dir.file('regular/below')],
      ['file', dir.file('n'.repeat(300))],
      ['file', '/dev/null'],
      ['file', ''],
      ['file', dir.file('regular'), { aio: 'native' }],
      ['host_device', dir.file('regular')],
      ['host_device', dir.file('folder')],
      ['host_device', dir.file('missing')],
    ];
    for (const [driver, filename, more] of cases) {
      const text = Object.entries({ driver, filename, ...more }).map(([key, value]) => `${key}=${value}`).join(',');
      const { stderr } = await run('qemu-img', ['info', '--image-opts', text]);
      const wanted = stderr.trim().replace(`qemu-img: Could not open '${text}': `, '');
      expect(await messageOf({ driver, filename, ...more }), text).toBe(wanted);
    }
    // The reference would wait for somebody to write into it.
    expect(await messageOf({ driver: 'file', filename: dir.file('pipe') })).toBe(`'file' driver requires '${dir.file('pipe')}' to be a regular file`);
  });

  it('refuses options in clear words', async () => {
    expect(await messageOf({ driver: 'file' })).toBe(`The 'file' block driver requires a file name`);
    expect(await messageOf({ driver: 'file', filename: 'a\0b' })).toMatch(/contains a NUL character/);
    expect(await messageOf({ driver: 'file', filename: 'a', locking: 'perhaps' })).toBe(`Parameter 'locking' does not accept value 'perhaps'`);
  });

  it.skipIf(process.getuid?.() !== 0)('says where permission is missing', async () => {
    using dir = tempDir();
    chmodSync(dir.path, 0o755);
    writeFileSync(dir.file('secret'), 'x', { mode: 0o600 });
    writeFileSync(dir.file('readable'), 'x', { mode: 0o644 });
    process.seteuid?.(65534);
    try {
      expect(await messageOf({ driver: 'file', filename: dir.file('secret') })).toBe(`Could not open '${dir.file('secret')}': Permission denied`);
      await expect(graphOf(both).open({ driver: 'file', filename: dir.file('readable') })).rejects.toMatchObject({ kind: 'permission' });
    } finally {
      process.seteuid?.(0);
    }
  });

  it('takes names with its prefix, and plain ones', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('disk'), 'content');
    const graph = graphOf(both);
    for (const name of [`file:${dir.file('disk')}`, dir.file('disk')]) {
      const node = await graph.open(name, { format: 'file', readOnly: true });
      expect([node.size, node.filename]).toEqual([7, dir.file('disk')]);
      await graph.release(node);
    }
  });

  it('leaves no descriptor open, whatever happens, and can be closed twice', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('disk'), 'content');
    const before = openDescriptors(dir.path);
    const graph = graphOf(both);
    const node = await graph.open({ driver: 'file', filename: dir.file('disk') });
    expect(openDescriptors(dir.path)).toBe(before + 1);
    await graph.release(node);
    await node.driver.close();
    for (const filename of [dir.path, dir.file('none'), dir.file('disk')]) {
      await graph.open({ driver: 'file', filename, aio: 'native' }).catch(() => undefined);
    }
    expect(openDescriptors(dir.path)).toBe(before);
  });

  it('tells what a sparse file takes', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('disk'), Buffer.alloc(8192, 1));
    truncateSync(dir.file('disk'), 2 ** 30);
    const graph = graphOf(both);
    const node = await graph.open({ driver: 'file', filename: dir.file('disk') });
    expect(await node.allocatedSize()).toBe(statSync(dir.file('disk')).blocks * 512);
    await graph.release(node);
  });

  it('reads zeroes where somebody else cut the file', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('disk'), Buffer.alloc(65536, 7));
    const graph = graphOf(both);
    const node = await graph.open({ driver: 'file', filename: dir.file('disk'), locking: 'off' });
    truncateSync(dir.file('disk'), 5000);
    for (let round = 0; round < 20; round++) {
      const into = new Uint8Array(8192).fill(9);
      await node.read(0, into, 0, 8192);
      expect(into.findIndex((byte) => byte !== 7)).toBe(5000);
      expect(into.subarray(5000).every((byte) => byte === 0)).toBe(true);
      await node.readv(4096, [into.subarray(0, 100), into.subarray(100, 2000)]);
      expect(into.subarray(0, 2000).findIndex((byte) => byte !== 7)).toBe(904);
    }
    await graph.release(node);
  });
});

describe.each(MODES)('past the page cache $mode', ({ drivers }) => {
  const loop = withoutLoop();

  it.skipIf(loop !== '' || tools.skip)(titled('says which file system can not', loop), async () => {
    using dir = tempDir();
    const folder = dir.file('ram');
    mkdirSync(folder);
    execFileSync('mount', ['-t', 'ramfs', 'none', folder]);
    try {
      writeFileSync(`${folder}/disk`, Buffer.alloc(4096));
      const { stderr } = await run('qemu-img', ['info', '--image-opts', `driver=file,filename=${folder}/disk,cache.direct=on`]);
      const error = await graphOf(drivers()).open({ driver: 'file', filename: `${folder}/disk`, cache: { direct: true } }).catch((thrown: unknown) => thrown as Error);
      expect(stderr.trim().endsWith((error as Error).message)).toBe(true);
      expect(readdirSync(folder)).toEqual(['disk']);
    } finally {
      execFileSync('umount', [folder]);
    }
  });

  it.each(['threads', 'native', 'io_uring'])('moves many requests at once, aio=%s', async (aio) => {
    using dir = tempDir();
    writeFileSync(dir.file('disk'), Buffer.alloc(1 << 20, 1));
    await using image = await openImage({ driver: 'file', filename: dir.file('disk'), cache: { direct: true }, aio }, { drivers: [drivers().file], writable: true });
    const blocks = Array.from({ length: 200 }, (_, i) => Buffer.alloc(4096, i + 1));
    await Promise.all(blocks.map((block, i) => image.write(i * 5000, block)));
    const found = await Promise.all(blocks.map((_, i) => image.read(i * 5000, 4096)));
    expect(found.every((bytes, i) => Buffer.compare(bytes, blocks[i] ?? bytes) === 0)).toBe(true);
    await image.flush();
  });
});

it.each(MODES)('past the page cache, part of a short file is written: $mode', async ({ drivers }) => {
  using dir = tempDir();
  const content = Buffer.from(Array.from({ length: 1536 + 100 }, (_, at) => at % 251));
  for (const [size, offset, length] of [[1536, 700, 100], [1636, 1600, 36], [1636, 0, 1600], [100, 0, 100]] as const) {
    const expected = Buffer.from(content.subarray(0, size));
    writeFileSync(dir.file('disk'), expected);
    expected.fill(255, offset, offset + length);
    await using image = await openImage({ driver: 'file', filename: dir.file('disk'), cache: { direct: true } }, { drivers: [drivers().file], writable: true });
    await image.write(offset, Buffer.alloc(length, 255));
    expect(Buffer.compare(await image.read(0, size), expected)).toBe(0);
  }
});

describe.each(MODES)('past the page cache, $mode', ({ drivers }) => {
  it.skipIf(tools.skip)(tools.title('a short file is as long afterwards as with the reference'), async () => {
    using dir = tempDir();
    const write = (filename: string): Promise<unknown> => run('qemu-img', ['bench', '-q', '-w', '-t', 'none', '-f', 'raw', '-c', '1', '-s', '512', filename]);
    for (const size of [512, 1024, 2560]) {
      for (const name of ['ours', 'theirs']) writeFileSync(dir.file(name), Buffer.alloc(size));
      await write(dir.file('theirs'));
      await using image = await openImage({ driver: 'file', filename: dir.file('ours'), cache: { direct: true } }, { drivers: [drivers().file], writable: true });
      await image.write(0, Buffer.alloc(512, 3));
      expect(statSync(dir.file('ours')).size).toBe(statSync(dir.file('theirs')).size);
    }
  });
});

it('chooses the driver by what the path is', async () => {
  using dir = tempDir();
  writeFileSync(dir.file('disk'), '');
  const { file, hostDevice } = MODES[1]?.drivers() ?? fileDrivers();
  const scores = async (path: string): Promise<unknown[]> => [await file.probePath?.(path), await hostDevice.probePath?.(path)];
  expect(await scores(dir.file('disk'))).toEqual([50, 0]);
  expect(await scores(dir.file('missing'))).toEqual([50, 0]);
  expect(await scores('/dev/null')).toEqual([50, 90]);
  expect(new BlockGraph({ drivers: [file, hostDevice] }).drivers.size).toBe(2);
});
