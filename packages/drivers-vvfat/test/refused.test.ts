// Directories and options that make no disk, links, and files that change while they are shown.
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, linkSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { BlockGraph, openImage, TRUSTED } from '@blk/core-graph';
import { run, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { vvfat, vvfatDriver } from '../src/index.js';
import { openDirectory, putFiles } from './support.js';

describe('refused at open', () => {
  test.each([
    [{ 'fat-type': 15 }, 'Valid FAT types are only 12, 16 and 32'],
    [{ label: '123456789012' }, 'vvfat label cannot be longer than 11 bytes'],
    [{ label: 'a\u0000b' }, `The label 'a\u0000b' holds characters that no volume label can hold`],
    [{ label: '  ' }, `The label '  ' holds characters that no volume label can hold`],
    [{ floppy: true, 'fat-type': 32 }, 'A floppy disk is too small for FAT32'],
  ])('%o', async (options, message) => {
    using dir = tempDir();
    await expect(openDirectory(dir.path, options)).rejects.toThrow(message);
  });

  test('no directory, as in the reference', async () => {
    using dir = tempDir();
    putFiles(dir.path, { file: 'x' });
    for (const name of ['nothing', 'file']) {
      await expect(openDirectory(dir.file(name))).rejects.toThrow(`Could not read directory ${dir.file(name)}`);
    }
    await expect(openImage({ driver: 'vvfat' }, { drivers: [vvfat] })).rejects.toThrow(`vvfat block driver requires a 'dir' option`);
    await expect(openImage(`fat:rw:${dir.path}`, { drivers: [vvfat], format: 'vvfat' })).rejects.toThrow(`Unable to set VVFAT to 'rw' when drive is read-only`);
  });

  test.each([
    ['colon:name', `FAT cannot hold the name of 'colon:name': it holds :`],
    ['new\nline', `FAT cannot hold the name of 'new\nline': it holds a control character`],
    ['dot.', `FAT cannot hold the name of 'dot.': it ends with a dot`],
    ['space ', `FAT cannot hold the name of 'space ': it ends with a space`],
    ['sub/what?', `FAT cannot hold the name of 'sub/what?': it holds ?`],
  ])('a file called %j', async (name, message) => {
    using dir = tempDir();
    putFiles(dir.path, { [name]: 'x' });
    await expect(openDirectory(dir.path)).rejects.toThrow(message);
  });

  test('names that differ in case only, and names that are no Unicode', async () => {
    using dir = tempDir();
    putFiles(dir.path, { 'a/straße': '1', 'a/STRASSE': '2', 'b/Été': '1', 'b/éTÉ': '2' });
    await expect(openDirectory(dir.path)).rejects.toThrow(`FAT cannot hold both 'b/Été' and 'b/éTÉ': they differ in case only`);
    rmSync(dir.file('b'), { recursive: true });
    writeFileSync(Buffer.concat([Buffer.from(`${dir.path}/`), Buffer.of(0x61, 0xff)]), 'x');
    await expect(openDirectory(dir.path)).rejects.toThrow(/FAT cannot hold the name of 'a\ufffd': it is no valid Unicode/);
    // Also beside one that reads the same, and is.
    putFiles(dir.path, { 'a\ufffd': 'y' });
    await expect(openDirectory(dir.path)).rejects.toThrow(/FAT cannot hold the name of 'a\ufffd': it is no valid Unicode/);
  });

  test('more than fits, with the capacity in the words of the reference', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('big'), '');
    truncateSync(dir.file('big'), 600 << 20);
    await expect(openDirectory(dir.path)).rejects.toThrow('Directory does not fit in FAT16 (capacity 516.06 MB); fat-type=32 makes a disk that is large enough');
    await expect(openDirectory(dir.path, { floppy: true })).rejects.toThrow('Directory does not fit in FAT12 (capacity 2.88 MB)');
    await expect(openDirectory(dir.path, { floppy: true, 'fat-type': 12 })).rejects.toThrow('Directory does not fit in FAT12 (capacity 1.44 MB)');
    await using disk = await openDirectory(dir.path, { 'fat-type': 32 });
    expect(disk.size).toBe(2 * 528482304);
    truncateSync(dir.file('big'), 2 ** 32);
    await expect(openDirectory(dir.path, { 'fat-type': 32 })).rejects.toThrow(`The file 'big' is larger than the 4294967295 bytes that FAT can hold`);
  });

  test('more files than memory was granted for', async () => {
    using dir = tempDir();
    for (let index = 0; index < 50; index++) writeFileSync(dir.file(`file ${index}`), '');
    const small = vvfatDriver({ maxMetadataBytes: 10_000 });
    await expect(openImage({ driver: 'vvfat', dir: dir.path }, { drivers: [small] })).rejects.toThrow('Directory holds more files than fit into the 10000 bytes of memory that a disk of this kind may take');
  });

  test('a directory of more entries than FAT can hold, the root or another one', async () => {
    using dir = tempDir();
    // Names of 251 letters take 21 entries each.
    const names = Array.from({ length: 3200 }, (_, index) => `${'x'.repeat(247)}${1000 + index}`);
    const put = (folder: string, from: number, to: number): void => {
      for (const name of names.slice(from, to)) writeFileSync(dir.file(`${folder}${name}`), '');
    };
    put('', 0, 3000);
    await (await openDirectory(dir.path)).close();
    // With the label one more than the root of FAT16 can have; that of FAT32 is a folder like others.
    put('', 3000, 3120);
    await expect(openDirectory(dir.path)).rejects.toThrow('The directory itself has more entries than a directory of FAT can hold');
    await (await openDirectory(dir.path, { 'fat-type': 32 })).close();
    put('', 3120, 3200);
    for (const type of [16, 32]) await expect(openDirectory(dir.path, { 'fat-type': type })).rejects.toThrow('The directory itself has more entries than a directory of FAT can hold');
    for (const name of names) rmSync(dir.file(name));
    mkdirSync(dir.file('sub'));
    put('sub/', 0, 3200);
    await expect(openDirectory(dir.path)).rejects.toThrow(`The directory 'sub' has more entries than a directory of FAT can hold`);
  });

  test('folders deeper than a bound', async () => {
    using dir = tempDir();
    mkdirSync(dir.file(Array.from({ length: 70 }, () => 'd').join('/')), { recursive: true });
    await expect(openDirectory(dir.path)).rejects.toThrow(/lies too deep/);
  });
});

test('links and what is no file are never followed; they are left out and told', async () => {
  using dir = tempDir();
  putFiles(dir.file('d'), { 'file': 'x' });
  putFiles(dir.file('secret'), { 'passwords': 'hidden' });
  symlinkSync(dir.file('secret'), dir.file('d/folder link'));
  symlinkSync(dir.file('secret/passwords'), dir.file('d/link'));
  symlinkSync('nowhere', dir.file('d/broken'));
  await run('mkfifo', [dir.file('d/pipe')]);
  const warnings: string[] = [];
  const graph = new BlockGraph({ drivers: [vvfat], policy: TRUSTED, host: { warn: (message) => warnings.push(message) } });
  const backend = await graph.openBackend({ driver: 'vvfat', dir: dir.file('d'), floppy: true }, { readOnly: true });
  expect(warnings).toEqual([`The disk does not show 'broken' (a symbolic link), 'folder link' (a symbolic link), 'link' (a symbolic link), 'pipe' (no file and no directory)`]);
  const bytes = new Uint8Array(backend.size);
  await backend.read(0, bytes, 0, bytes.length);
  expect(Buffer.from(bytes).includes('hidden')).toBe(false);
  await backend.close();
});

// Short files are read on the event loop, long ones in the thread pool.
describe.each([['short', ''], ['long', 'x'.repeat(600_000)]])('a %s file that changes while it is shown fails the reading, and names itself', (_kind, rest) => {
  const changes: Record<string, [(dir: TempDir) => void, RegExp]> = {
    'grows': [(dir) => { appendFileSync(dir.file('d/s/file'), 'more'); }, /The file 's\/file' changed since/],
    'shrinks': [(dir) => { truncateSync(dir.file('d/s/file'), 3); }, /The file 's\/file' (became shorter|changed) since/],
    'has other bytes of the same length': [(dir) => { writeFileSync(dir.file('d/s/file'), `olleh${rest}`); }, /The file 's\/file' changed since/],
    'has other bytes and its old time': [(dir) => { writeFileSync(dir.file('d/s/file'), `olleh${rest}`); utimesSync(dir.file('d/s/file'), 1e9, 1e9); }, /The file 's\/file' changed since/],
    'vanishes': [(dir) => { rmSync(dir.file('d/s/file')); }, /The file 's\/file' vanished since/],
    'is another file': [(dir) => { writeFileSync(dir.file('d/other'), `hello${rest}`); renameSync(dir.file('d/other'), dir.file('d/s/file')); }, /The file 's\/file' changed since/],
    'becomes a link': [(dir) => { linkSync(dir.file('d/s/file'), dir.file('same')); rmSync(dir.file('d/s/file')); symlinkSync(dir.file('same'), dir.file('d/s/file')); }, /The file 's\/file' was replaced by a symbolic link/],
    'becomes a pipe': [(dir) => { rmSync(dir.file('d/s/file')); execFileSync('mkfifo', [dir.file('d/s/file')]); }, /The file 's\/file' was replaced by something that is no file since/],
    'becomes a socket': [(dir) => { rmSync(dir.file('d/s/file')); putSocket(dir.file('d/s/file')); }, /The file 's\/file' was replaced by something that is no file since/],
    'becomes a folder': [(dir) => { rmSync(dir.file('d/s/file')); mkdirSync(dir.file('d/s/file')); }, /The file 's\/file' was replaced by something that is no file since/],
    'is in a folder that became a link': [(dir) => { renameSync(dir.file('d/s'), dir.file('s')); symlinkSync(dir.file('s'), dir.file('d/s')); }, /The file 's\/file' vanished/],
    'is in a folder that is another one': [(dir) => { renameSync(dir.file('d/s'), dir.file('s')); putFiles(dir.file('d'), { 's/file': `hello${rest}` }); }, /The file 's' was replaced/],
  };
  test.each(Object.keys(changes))('%s', async (name) => {
    const [change, message] = changes[name];
    using dir = tempDir();
    putFiles(dir.file('d'), { 's/file': `hello${rest}`, 'unchanged': 'as it was' });
    utimesSync(dir.file('d/s/file'), 1e9, 1e9);
    const before = await theDisk(dir);
    const at = before.indexOf('hello');
    expect(at).toBeGreaterThan(0);
    await using disk = await openDirectory(dir.file('d'), { floppy: true });
    change(dir);
    await expect(disk.read(at, 512)).rejects.toThrow(message);
    expect(Buffer.from(await disk.read(before.indexOf('as it was'), 9)).toString()).toBe('as it was');
  });

  test('also where it was read before', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { 's/file': `hello${rest}` });
    const at = (await theDisk(dir)).indexOf('hello');
    await using disk = await openDirectory(dir.file('d'), { floppy: true });
    expect(Buffer.from(await disk.read(at, 5)).toString()).toBe('hello');
    writeFileSync(dir.file('d/s/file'), `olleh${rest}`);
    utimesSync(dir.file('d/s/file'), 1e9, 1e9);
    await expect(disk.read(at, 5)).rejects.toThrow(/The file 's\/file' changed since/);
  });
});

/** A socket that nobody listens on any more. A process of its own, since Node takes its sockets away where it closes them. */
function putSocket(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  if (!lstatSync(path).isSocket()) throw new Error(`${path} is no socket`);
}

/** All of the floppy disk that `d` is. */
async function theDisk(dir: TempDir): Promise<Buffer> {
  await using disk = await openDirectory(dir.file('d'), { floppy: true });
  return Buffer.from(await disk.read(0, disk.size));
}
