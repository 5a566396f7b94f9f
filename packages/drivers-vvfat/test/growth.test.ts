// How large directories and disks may become: what does not fit is refused before anything is done, and names itself.
import { lstatSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { BlockGraph, openImage, TRUSTED } from '@blk/core-graph';
import { prng, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { hostNameDefect } from '../src/guest/host-names.js';
import { vvfat, vvfatDriver } from '../src/index.js';
import { Guest } from './guest.js';
import { DATA, entry, link, sample, word } from './sample.js';
import { openDirectory, PARTITION, putFiles, takeFiles } from './support.js';

const GiB = 2 ** 30;
const needs = skipUnless('fsck.fat', 'mtools');

function sparse(dir: TempDir, name: string, size: number): void {
  mkdirSync(dir.file('d'), { recursive: true });
  writeFileSync(dir.file(`d/${name}`), '');
  truncateSync(dir.file(`d/${name}`), size);
}

describe('at open', () => {
  test('a file of 4 GiB less one byte is the longest', async () => {
    using dir = tempDir();
    sparse(dir, 'F', 4 * GiB - 1);
    await (await openDirectory(dir.file('d'), { 'fat-type': 32, rw: true })).close();
    truncateSync(dir.file('d/F'), 4 * GiB);
    for (const rw of [false, true]) {
      await expect(openDirectory(dir.file('d'), { 'fat-type': 32, rw })).rejects.toMatchObject({ kind: 'too-large', message: expect.stringContaining(`The file 'F' is larger than the 4294967295 bytes that FAT can hold`) as string });
    }
  });

  test('a disk of more clusters than are read at every flush cannot be written', async () => {
    using dir = tempDir();
    for (let file = 0; file < 9; file++) sparse(dir, `F${file}`, 4 * GiB - 1);
    for (let file = 0; file < 28; file++) sparse(dir, `G${file}`, 4 * GiB - 1);
    await expect(openDirectory(dir.file('d'), { 'fat-type': 32, rw: true })).rejects.toMatchObject({ kind: 'too-large', message: expect.stringMatching(/^The disk has \d+ clusters; with rw it can have 4194304/) as string });
    const disk = await openDirectory(dir.file('d'), { 'fat-type': 32 });
    expect(disk.size).toBeGreaterThan(36 * 4 * GiB);
    await disk.close();
  });

  test('a folder has at most as many entries as FAT can count; the root directory of FAT12 and FAT16 grows with them', async () => {
    using dir = tempDir();
    mkdirSync(dir.file('d'));
    // The reference gives up beyond 512: "Too many entries in root directory".
    for (let file = 0; file < 600; file++) writeFileSync(dir.file(`d/F${file}`), '');
    for (const options of [{}, { 'fat-type': 12 }, { floppy: true }]) {
      await using disk = await openDirectory(dir.file('d'), options);
      const at = 'floppy' in options ? 0 : PARTITION;
      expect(Buffer.from(await disk.read(at + 17, 2)).readUInt16LE()).toBe(608);
    }
  });
});

describe('past 4 GiB', () => {
  test('a file is changed, and another one made', async () => {
    using dir = tempDir();
    sparse(dir, 'A', 4 * GiB - 1);
    writeFileSync(dir.file('d/B'), 'old content');
    const before = lstatSync(dir.file('d/A'));
    await using disk = await openDirectory(dir.file('d'), { 'fat-type': 32, rw: true });
    // The root directory, A, B.
    const boot = Buffer.from(await disk.read(PARTITION, 512));
    const cluster = boot.readUInt8(13) * 512;
    const data = PARTITION + (boot.readUInt16LE(14) + 2 * boot.readUInt32LE(36)) * 512;
    const at = data + cluster + 4 * GiB;
    expect(Buffer.from(await disk.read(at, 11)).toString()).toBe('old content');
    await disk.write(at, Buffer.from('new content'));
    await disk.flush();
    expect(readFileSync(dir.file('d/B'), 'utf8')).toBe('new content');
    expect(lstatSync(dir.file('d/A'))).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs, size: 4 * GiB - 1, blocks: before.blocks });
  });
});

describe.skipIf(needs.skip)(needs.title('a guest that fills its disk'), () => {
  test.each([12, 16])('to the last cluster and the last entry: all of it is in the directory, which makes the same disk again, FAT%i', async (fatType) => {
    using dir = tempDir();
    mkdirSync(dir.file('d'));
    const random = prng(fatType);
    {
      await using guest = await Guest.open(dir, { fatType, floppy: true });
      // What is left, in smaller and smaller pieces; then names alone.
      for (const [name, size] of [['BIG', 300_000], ['SMALL', 20_000], ['LITTLE', 512], ['EMPTY', 0]] as const) {
        for (let file = 0; await guest.put(`${name}${file}`, random.bytes(size)).then(() => true, () => false); file++) expect(file).toBeLessThan(300);
      }
      await guest.push();
      await guest.disk.flush();
      expect(await guest.differences()).toEqual([]);
    }
    const { size } = takeFiles(dir.file('d'));
    expect(size).toBeGreaterThan(200);
    expect(size).toBeLessThan(240);
    await using again = await Guest.open(dir, { fatType, floppy: true });
    expect(await again.differences()).toEqual([]);
  }, 120_000);
});

test('names for which the directory needs more room than the guest did are told when the disk is closed', async () => {
  using dir = tempDir();
  // All but 5 of its 2847 clusters.
  putFiles(dir.file('d'), { A: Buffer.alloc(2842 * 512, 97) });
  const warnings: string[] = [];
  const graph = new BlockGraph({ drivers: [vvfat], policy: TRUSTED, host: { warn: (message) => warnings.push(message) } });
  const backend = await graph.openBackend({ driver: 'vvfat', dir: dir.file('d'), 'fat-type': 12, floppy: true, rw: true });
  // Short names that are to be read in small letters: on a disk that is made of them, each takes a long name as well.
  for (let at = 2; at < 224; at += 16) {
    const sector = new Uint8Array(16 * 32);
    const first = at - (at % 16);
    await backend.read(entry(first), sector, 0, sector.length);
    for (let slot = Math.max(2, first); slot < first + 16; slot++) {
      const bytes = new Uint8Array(32);
      bytes.set(Buffer.from(`F${slot}`.padEnd(11), 'latin1'));
      bytes[11] = 32;
      bytes[12] = 0x18;
      sector.set(bytes, (slot - first) * 32);
    }
    await backend.write(entry(first), sector, 0, sector.length);
  }
  await backend.flush();
  expect(takeFiles(dir.file('d')).size).toBe(223);
  expect(warnings).toEqual([]);
  await backend.close();
  const why = 'Directory does not fit in FAT12 (capacity 1.44 MB)';
  expect(warnings).toEqual([`All that the guest wrote is in the directory, but it cannot be opened as the same kind of disk again: ${why}`]);
  await expect(openDirectory(dir.file('d'), { 'fat-type': 12, floppy: true })).rejects.toThrow(why);
  await (await openDirectory(dir.file('d'), { floppy: true })).close();
});

describe('more than a commit may take', () => {
  test('files: nothing is done until there are fewer', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { A: 'a' });
    await using disk = await openImage({ driver: 'vvfat', dir: dir.file('d'), 'fat-type': 12, floppy: true, rw: true }, { drivers: [vvfatDriver({ maxMetadataBytes: 40_000 })], writable: true });
    const slots = Buffer.alloc(126 * 32);
    for (let slot = 0; slot < 126; slot++) {
      slots.write(`F${slot}`.padEnd(11), slot * 32, 'latin1');
      slots[slot * 32 + 11] = 32;
    }
    await disk.write(entry(2), slots);
    await expect(disk.flush()).rejects.toMatchObject({ kind: 'too-large', message: 'The guest has more files than fit into the 20000 bytes of memory that a commit may take. Nothing of it was written to the directory; the next flush tries again' });
    expect([...takeFiles(dir.file('d')).keys()]).toEqual(['A']);
    await disk.write(entry(16), Buffer.alloc(512));
    await disk.flush();
    expect(takeFiles(dir.file('d')).size).toBe(15);
  });

  test('names that take more bytes on the host than it allows', () => {
    expect(hostNameDefect('Ж'.repeat(127))).toBeUndefined();
    expect(hostNameDefect('Ж'.repeat(128))).toBe('it takes more than 255 bytes on the host');
  });

  test('folders within folders', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    // Sixty-five of them, each the only one in the one above.
    for (let depth = 0; depth < 65; depth++) {
      const cluster = 100 + depth;
      const row = (short: string, first: number): Buffer => {
        const bytes = Buffer.alloc(32);
        bytes.write(short.padEnd(11), 'latin1');
        bytes[11] = 16;
        bytes.set(word(first), 26);
        return bytes;
      };
      const inside = [row('.', cluster), row('..', depth === 0 ? 0 : cluster - 1), ...(depth < 64 ? [row('D', cluster + 1)] : [])];
      await guest.disk.write(DATA + (cluster - 2) * 512, Buffer.concat(inside, 512));
      await link(guest, cluster, 0xfff);
      if (depth === 0) await guest.disk.write(entry(4), row('D', cluster));
    }
    await expect(guest.disk.flush()).rejects.toThrow(/The guest's file system is not consistent: '(D\/)+D': it lies too deep\. Nothing of it was written/);
    expect([...takeFiles(dir.file('d')).keys()]).not.toContain('D');
  });
});
