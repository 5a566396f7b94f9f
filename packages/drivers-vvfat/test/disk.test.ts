// What a directory looks like as a disk, as fsck.fat and mtools see it.
import { mkdirSync, utimesSync } from 'node:fs';
import { qemuImg, skipUnless, tempDir, run, needTool, prng } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { fatImage } from '../src/index.js';
import { fsck, hardFiles, mtools, openDirectory, putFiles, sameFiles, saveDisk, takeFiles } from './support.js';

const needs = skipUnless('fsck.fat', 'mtools', '7zz');
const qemu = skipUnless('qemu-img', 'sfdisk');

const KINDS = [
  { fatType: 12, floppy: false }, { fatType: 16, floppy: false }, { fatType: 32, floppy: false },
  { fatType: 12, floppy: true }, { fatType: 16, floppy: true }, { fatType: 0, floppy: true },
] as const;

describe.skipIf(needs.skip)(needs.title('a directory as a disk'), () => {
  test.each(KINDS)('of FAT$fatType, floppy: $floppy, is sound, and gives back every file', async ({ fatType, floppy }) => {
    using dir = tempDir();
    putFiles(dir.file('from'), hardFiles());
    await saveDisk(dir.file('from'), dir.file('disk'), { fatType, floppy });
    expect(await fsck(dir.file('disk'), floppy, dir.file('volume'))).toBe('');
    mkdirSync(dir.file('to'));
    await mtools(dir.file('disk'), floppy, 'mcopy', '-s', '-n', '-Q', '::/', dir.file('to'));
    expect(sameFiles(takeFiles(dir.file('from')), takeFiles(dir.file('to')))).toEqual([]);
  });

  test('names outside the first plane of Unicode', async () => {
    using dir = tempDir();
    putFiles(dir.file('from'), { '😀 face.bin': 'smile', '𠀀𠀁/𠀂': 'x' });
    await saveDisk(dir.file('from'), dir.file('disk.img'), { floppy: true });
    expect(await fsck(dir.file('disk.img'), true, '')).toBe('');
    // mtools knows no such names, 7-Zip does.
    const { code, stderr } = await run(needTool('7zz'), ['x', '-y', '-tFAT', `-o${dir.file('to')}`, dir.file('disk.img')], { env: { LC_ALL: 'C.UTF-8' } });
    expect(code, stderr).toBe(0);
    expect(sameFiles(takeFiles(dir.file('from')), takeFiles(dir.file('to')))).toEqual([]);
  });

  test('shows label, times and short names', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { 'first long name.txt': 'a', 'first long name.html': 'b', 'first long other.txt': 'c', 'FIRSTL~1.TXT': 'taken', 'lower.c': 'd' });
    utimesSync(dir.file('d/lower.c'), new Date(2001, 1, 3, 4, 5, 6), new Date(2001, 1, 3, 4, 5, 6));
    utimesSync(dir.file('d/FIRSTL~1.TXT'), new Date(1970, 1, 1), new Date(1970, 1, 1));
    await saveDisk(dir.file('d'), dir.file('disk'), { label: 'My Label 1' });
    const { stdout } = await mtools(dir.file('disk'), false, 'mdir', '::');
    expect(stdout).toMatch(/Volume in drive : is My Label 1/);
    expect(stdout).toMatch(/^FIRSTL~1 TXT +5 1980-01-01/m);
    expect(stdout).toMatch(/^FIRSTL~1 HTM .* first long name\.html/m);
    expect(stdout).toMatch(/^FIRSTL~2 TXT .* first long name\.txt/m);
    expect(stdout).toMatch(/^FIRSTL~3 TXT .* first long other\.txt/m);
    expect(stdout).toMatch(/^LOWER +C +1 2001-02-03 +4:05 +lower\.c/m);
  });

  test('many files, and folders of several clusters, on the smallest clusters', async () => {
    using dir = tempDir();
    const files: Record<string, string> = {};
    for (let index = 0; index < 700; index++) files[`folder ${index % 3}/a file with number ${index} that has a long name`] = `content ${index}`;
    for (let index = 0; index < 300; index++) files[`a file in the root directory with number ${index}`] = '';
    putFiles(dir.file('from'), files);
    await saveDisk(dir.file('from'), dir.file('disk'), { fatType: 12, floppy: true });
    expect(await fsck(dir.file('disk'), true, '')).toBe('');
    mkdirSync(dir.file('to'));
    await mtools(dir.file('disk'), true, 'mcopy', '-s', '-n', '-Q', '::/', dir.file('to'));
    expect(sameFiles(takeFiles(dir.file('from')), takeFiles(dir.file('to')))).toEqual([]);
  });

  test('the largest disk of FAT32 is laid out soundly', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { small: 'x' });
    for (const name of ['one', 'two', 'three']) await run('truncate', ['-s', '3G', dir.file(`d/${name}`)]);
    await using disk = await openDirectory(dir.file('d'), { 'fat-type': 32 });
    expect(disk.size).toBeGreaterThan(9 * 2 ** 30);
    const boot = await disk.read(63 * 512, 512);
    // 8 KiB from 8 GiB on.
    expect(boot[13]).toBe(16);
  });
});

describe.skipIf(qemu.skip)(qemu.title('beside the reference'), () => {
  test.each([['fat:', 16, false], ['fat:12:', 12, false], ['fat:floppy:', 0, true], ['fat:floppy:12:', 12, true]] as const)('%s has the same size, and the same partition', async (prefix, fatType, floppy) => {
    using dir = tempDir();
    putFiles(dir.file('d'), { 'a.txt': 'hello' });
    await saveDisk(dir.file('d'), dir.file('ours'), { fatType, floppy });
    await qemuImg('convert', '-O', 'raw', `${prefix}${dir.file('d')}`, dir.file('theirs'));
    const table = async (file: string): Promise<string> => (await run(needTool('sfdisk'), ['-d', dir.file(file)])).stdout.replaceAll(dir.file(file), '');
    expect(await table('ours')).toBe(await table('theirs'));
    const sizes = await Promise.all(['ours', 'theirs'].map(async (file) => (await run('stat', ['-c', '%s', dir.file(file)])).stdout));
    expect(sizes[0]).toBe(sizes[1]);
  });
});

test('any part of the disk reads as the whole does', async () => {
  using dir = tempDir();
  const random = prng(11);
  putFiles(dir.file('d'), hardFiles(random, 30_000));
  await using disk = await openDirectory(dir.file('d'), { floppy: true });
  const whole = await disk.read(0, disk.size);
  for (let round = 0; round < 60; round++) {
    const offset = random.below(disk.size);
    const length = 1 + random.below(Math.min(300_000, disk.size - offset));
    const part = await disk.read(offset, length);
    expect(Buffer.compare(part, whole.subarray(offset, offset + length)), `seed 11, round ${round}: ${length} bytes at ${offset}`).toBe(0);
  }
  // What is called zero is zero.
  for await (const extent of disk.extents(0, disk.size)) {
    if (extent.zero) expect(whole.subarray(extent.offset, extent.offset + extent.length).every((byte) => byte === 0)).toBe(true);
  }
});

test('behind the end of a file its cluster is zero, whatever the buffer held', async () => {
  using dir = tempDir();
  const files = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`file ${index}`, Buffer.alloc(397 * (index + 1), 65 + index)]));
  putFiles(dir.file('d'), files);
  await using image = await fatImage(dir.file('d'));
  const disk = Buffer.alloc(1 << 20, 0xee);
  await image.read(0, disk);
  for (const [name, content] of Object.entries(files)) {
    const at = disk.indexOf(content);
    expect(at, name).toBeGreaterThan(0);
    expect(at % 512, name).toBe(0);
    const end = Math.ceil(content.length / 8192) * 8192;
    expect(Buffer.compare(disk.subarray(at, at + end), Buffer.concat([content], end)), name).toBe(0);
  }
});
