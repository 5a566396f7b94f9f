// Hosts without names for what is open: folders are paths there.
import type * as fs from 'node:fs';
import { mkdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test, vi } from 'vitest';
import { Guest } from './guest.js';
import { DATA, sample } from './sample.js';
import { hardFiles, openDirectory, putFiles, takeFiles } from './support.js';

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  return { ...real, existsSync: (path: string): boolean => path !== '/proc/self/fd' && real.existsSync(path) };
});

const needs = skipUnless('fsck.fat', 'mtools');

describe.skipIf(needs.skip)(needs.title('without /proc'), () => {
  test('a guest reads and changes the directory, also by a link to it', async () => {
    using dir = tempDir();
    putFiles(dir.file('real'), hardFiles());
    symlinkSync('real', dir.file('d'));
    await using guest = await Guest.open(dir, { fatType: 12, floppy: true });
    await guest.put('sub/new', 'new');
    await guest.mtools('mdel', '::/cluster.bin');
    await guest.push();
    await guest.disk.flush();
    expect(await guest.differences()).toEqual([]);
  });
});

test('a folder that became a link is not followed', async () => {
  using dir = tempDir();
  await using guest = await sample(dir);
  await using disk = await openDirectory(dir.file('d'), { 'fat-type': 12, floppy: true });
  mkdirSync(dir.file('outside'));
  renameSync(dir.file('d/S'), dir.file('outside/S'));
  symlinkSync(dir.file('outside/S'), dir.file('d/S'));
  await guest.disk.write(DATA + 5 * 512, Buffer.alloc(512, 'g'));
  await expect(guest.disk.flush()).rejects.toThrow(/'S/);
  await expect(disk.read(DATA + 5 * 512, 1)).rejects.toThrow(/'S/);
  expect(readFileSync(dir.file('outside/S/C'), 'utf8')).toBe('c');
  expect(takeFiles(dir.file('outside')).size).toBe(2);
});
