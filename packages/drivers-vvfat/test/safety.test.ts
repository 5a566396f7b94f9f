// Commits that meet changes of the host, links, or names and chains on their way. For hosts that fail see failing-host.test.ts.
import type * as fs from 'node:fs/promises';
import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tempDir } from '@blk/oracle';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Guest } from './guest.js';
import { addFile, DATA, entry, link, sample, word } from './sample.js';
import { openDirectory, putFiles, takeFiles } from './support.js';

/** Calls that change the host until one fails. */
const host = vi.hoisted(() => ({ callsLeft: Infinity, onRename: (_to: string): void => undefined, modes: [] as unknown[] }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  const failing = <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>, counts = (...args: Args): boolean => args.length > 0) =>
    (...args: Args): Promise<Result> => (counts(...args) && --host.callsLeft === 0 ? Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' })) : call(...args));
  return {
    ...real,
    rename: failing((from: string, to: string) => {
      host.onRename(to);
      return real.rename(from, to);
    }),
    mkdir: failing(real.mkdir), rmdir: failing(real.rmdir), lutimes: failing(real.lutimes),
    unlink: failing(real.unlink, (path) => !String(path).includes('.blk-vvfat')),
    open: failing((...args: Parameters<typeof real.open>) => {
      if (String(args[0]).includes('.blk-vvfat-')) host.modes.push(args[2]);
      return real.open(...args);
    }, (path) => String(path).includes('.blk-vvfat')),
  };
});

afterEach(() => {
  host.callsLeft = Infinity;
  host.onRename = () => undefined;
  host.modes = [];
});

describe('what somebody else did to the directory stays', () => {
  test('a file that both changed', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    writeFileSync(dir.file('d/B'), 'theirs');
    await guest.disk.write(DATA + 3 * 512, Buffer.alloc(512, 'g'));
    await expect(guest.disk.flush()).rejects.toThrow(`The file 'B' changed since the directory was opened as a disk`);
    expect(readFileSync(dir.file('d/B'), 'utf8')).toBe('theirs');
  });

  test.each(['file', 'link'])('a %s at a name that the guest took', async (kind) => {
    using dir = tempDir();
    await using guest = await sample(dir);
    writeFileSync(dir.file('outside'), 'outside');
    if (kind === 'file') writeFileSync(dir.file('d/NEW'), 'theirs');
    else symlinkSync(dir.file('outside'), dir.file('d/NEW'));
    await addFile(guest, 'NEW');
    await expect(guest.disk.flush()).rejects.toThrow(`Nothing was written to the directory: 'NEW' is there already, and not of the disk`);
    expect(readFileSync(dir.file('d/NEW'), 'utf8')).toBe(kind === 'file' ? 'theirs' : 'outside');
    rmSync(dir.file('d/NEW'));
    await guest.disk.flush();
    expect(readFileSync(dir.file('d/NEW'), 'utf8')).toBe('');
  });

  test('a new file in a folder that the guest removed', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    writeFileSync(dir.file('d/S/theirs'), 'theirs');
    await guest.disk.write(entry(3), Uint8Array.of(0xe5));
    await expect(guest.disk.flush()).rejects.toThrow(`'S/theirs' is in a directory that the guest removed`);
    expect([...takeFiles(dir.file('d/S')).keys()].sort()).toEqual(['C', 'theirs']);
  });

  test('a folder that became a link: nothing is written through it', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    mkdirSync(dir.file('outside'));
    renameSync(dir.file('d/S'), dir.file('moved'));
    symlinkSync(dir.file('outside'), dir.file('d/S'));
    await guest.disk.write(DATA + 5 * 512, Buffer.alloc(512, 'g'));
    await expect(guest.disk.flush()).rejects.toThrow(/'S/);
    expect(takeFiles(dir.file('outside')).size).toBe(0);
    expect(readFileSync(dir.file('moved/C'), 'utf8')).toBe('c');
  });

  test.each([
    ['a file at a name that the guest took', 'Y', /'Y' is there already, and not of the disk/],
    ['a file that the guest is about to replace', 'B', /The file 'B' changed/],
    ['a file whose content the guest is about to replace', 'B', /'B' is there already, and not of the disk/, true],
  ])('%s, while others are being renamed', async (_what, theirs, message, content = false) => {
    using dir = tempDir();
    await using guest = await sample(dir);
    await guest.disk.write(entry(1), Buffer.from('X'));
    if (content) await guest.disk.write(DATA + 3 * 512, Buffer.from('g'));
    else await guest.disk.write(entry(2), Buffer.from('Y'));
    host.onRename = () => {
      writeFileSync(dir.file(`d/${theirs}`), 'theirs');
    };
    await expect(guest.disk.flush()).rejects.toThrow(message);
    expect(readFileSync(dir.file(`d/${theirs}`), 'utf8')).toBe('theirs');
    expect(readFileSync(dir.file('d/X')).length).toBe(1500);
  });

  test('a private file is private on its way too', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { A: 'secret' });
    chmodSync(dir.file('d/A'), 0o600);
    await using guest = await Guest.open(dir, { fatType: 12, floppy: true });
    await guest.disk.write(DATA, Buffer.from('hidden'));
    await guest.disk.flush();
    expect(host.modes).toEqual([0o600]);
    expect(statSync(dir.file('d/A')).mode & 0o777).toBe(0o600);
  });

  test('a file that the guest wrote, and somebody else changed then, is read no further, however short it is', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    await guest.disk.write(DATA + 3 * 512, Buffer.from('g'));
    await guest.disk.flush();
    expect(Buffer.from(await guest.disk.read(DATA + 3 * 512, 2)).toString()).toBe('g\0');
    writeFileSync(dir.file('d/B'), 'theirs');
    await expect(guest.disk.read(DATA + 3 * 512, 2)).rejects.toThrow(`The file 'B' changed since the directory was opened as a disk`);
  });

  test('what the guest did not touch may change', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    putFiles(dir.file('d'), { unknown: 'new', 'S/C': 'changed' });
    await addFile(guest, 'NEW');
    await guest.disk.flush();
    expect([...takeFiles(dir.file('d'))].map(([path, content]) => `${path}=${content?.length ?? '/'}`).sort()).toEqual(['A=1500', 'B=1', 'NEW=0', 'S/C=7', 'S=/', 'unknown=3']);
  });
});

describe('a file with several names', () => {
  test('keeps the others when one is renamed, changed or deleted', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { A: Buffer.alloc(1500, 97), C: 'c' });
    linkSync(dir.file('d/A'), dir.file('d/B'));
    linkSync(dir.file('d/A'), dir.file('d/D'));
    await using guest = await Guest.open(dir, { fatType: 12, floppy: true });
    const names = (): string[] => [...takeFiles(dir.file('d'))].map(([path, content]) => `${path}=${content?.length}`);
    // A to X; then D's place for X, which is the same file; then other content for B.
    await guest.disk.write(entry(1), Buffer.from('X'));
    await guest.disk.flush();
    expect(names()).toEqual(['B=1500', 'C=1', 'D=1500', 'X=1500']);
    await guest.disk.write(entry(1), Buffer.from('D'));
    await guest.disk.write(entry(4), Uint8Array.of(0xe5));
    for (const cluster of [9, 10, 11]) await link(guest, cluster, 0);
    await guest.disk.flush();
    expect(names()).toEqual(['B=1500', 'C=1', 'D=1500']);
    expect(statSync(dir.file('d/D')).nlink).toBe(2);
    await guest.disk.write(DATA + 3 * 512, Buffer.from('changed'));
    await guest.disk.flush();
    expect(readFileSync(dir.file('d/B'), 'utf8').slice(0, 8)).toBe('changeda');
    expect(readFileSync(dir.file('d/D'), 'utf8').slice(0, 8)).toBe('aaaaaaaa');
    expect(Buffer.from(await guest.disk.read(DATA, 3)).toString()).toBe('aaa');
    await guest.disk.write(entry(1) + 22, word((4 << 11) | (5 << 5) | 3));
    await guest.disk.flush();
    expect(Buffer.from(await guest.disk.read(DATA, 3)).toString()).toBe('aaa');
  });
});

describe('names, chains and times', () => {
  test('two files change names', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    await guest.disk.write(entry(1), Buffer.from('B'));
    await guest.disk.write(entry(2), Buffer.from('A'));
    await guest.disk.flush();
    expect(readFileSync(dir.file('d/A'), 'utf8')).toBe('b');
    expect(readFileSync(dir.file('d/B')).length).toBe(1500);
  });

  test('a new file takes the place of one whose name differs in case', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { a: 'old' });
    await using guest = await Guest.open(dir, { fatType: 12, floppy: true });
    // The short name alone, for other content.
    const slot = Buffer.from(await guest.disk.read(entry(2), 32));
    await guest.disk.write(entry(1), Uint8Array.of(0xe5));
    slot.writeUInt32LE(2, 28);
    await guest.disk.write(entry(2), slot);
    await guest.disk.flush();
    expect([...takeFiles(dir.file('d'))].map(([path, content]) => `${path}=${String(content)}`)).toEqual(['A=ol']);
  });

  test('a file without a name keeps its content until it has one again', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    const { ino } = statSync(dir.file('d/A'));
    await guest.disk.write(entry(1), Uint8Array.of(0xe5));
    await guest.disk.flush();
    const kept = [...takeFiles(dir.file('d')).keys()];
    expect(kept).toEqual([expect.stringMatching(/^\.blk-vvfat-[0-9a-f]{16}\.tmp$/), 'B', 'S', 'S/C']);
    expect(readFileSync(dir.file(`d/${kept[0]}`)).equals(Buffer.alloc(1500, 97))).toBe(true);
    expect(Buffer.from(await guest.disk.read(DATA, 1500)).equals(Buffer.alloc(1500, 97))).toBe(true);
    await guest.disk.write(entry(1), Buffer.from('Z'));
    await guest.disk.flush();
    expect(readFileSync(dir.file('d/Z')).equals(Buffer.alloc(1500, 97))).toBe(true);
    expect(statSync(dir.file('d/Z')).ino).toBe(ino);
    expect([...takeFiles(dir.file('d')).keys()]).toEqual(['B', 'S', 'S/C', 'Z']);
    // Given up by the table as well, it is deleted.
    await guest.disk.write(entry(1), Uint8Array.of(0xe5));
    for (const cluster of [2, 3, 4]) await link(guest, cluster, 0);
    await guest.disk.flush();
    expect([...takeFiles(dir.file('d')).keys()]).toEqual(['B', 'S', 'S/C']);
  });

  test('a file without a name whose clusters were written meanwhile is what was written when it has a name again', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    await guest.disk.write(entry(2), Uint8Array.of(0xe5));
    await guest.disk.flush();
    await guest.disk.write(DATA + 3 * 512, Buffer.from('g'));
    await guest.disk.flush();
    await guest.disk.write(entry(2), Buffer.from('N'));
    await guest.disk.flush();
    expect([...takeFiles(dir.file('d'))].map(([path, content]) => `${path}=${content?.length ?? '/'}`)).toEqual(['A=1500', 'N=1', 'S=/', 'S/C=1']);
    expect(readFileSync(dir.file('d/N'), 'utf8')).toBe('g');
  });

  test.each([['in one flush with losing its name', false], ['after it', true]])('a file without a name that was written %s is kept as it was written, and as private', async (_when, flushed) => {
    using dir = tempDir();
    putFiles(dir.file('d'), { A: 'a', B: 'old' });
    chmodSync(dir.file('d/B'), 0o600);
    await using guest = await Guest.open(dir, { fatType: 12, floppy: true });
    await guest.disk.write(entry(2), Uint8Array.of(0xe5));
    if (flushed) await guest.disk.flush();
    await guest.disk.write(DATA + 512, Buffer.from('new'));
    await guest.disk.flush();
    const [kept, ...others] = takeFiles(dir.file('d')).keys();
    expect(others).toEqual(['A']);
    expect(readFileSync(dir.file(`d/${kept}`), 'utf8')).toBe('new');
    expect(statSync(dir.file(`d/${kept}`)).mode & 0o777).toBe(0o600);
    expect(Buffer.from(await guest.disk.read(DATA + 512, 3)).toString()).toBe('new');
    await guest.disk.write(entry(2), Buffer.from('N'));
    await guest.disk.close();
    expect([...takeFiles(dir.file('d'))].map(([path, content]) => `${path}=${content?.toString()}`)).toEqual(['A=a', 'N=new']);
    expect(statSync(dir.file('d/N')).mode & 0o777).toBe(0o600);
  });

  test.each([['out of a folder', 'S/C'], ['into a folder', 'B']])('a file that is moved %s and changed stays the new one where the old one cannot be removed at first', async (_where, from) => {
    using dir = tempDir();
    putFiles(dir.file('d'), { A: Buffer.alloc(1500, 97), B: Buffer.alloc(512, 98), 'S/C': Buffer.alloc(512, 99) });
    await using guest = await Guest.open(dir, { fatType: 12, floppy: true });
    const changed = Buffer.alloc(512, 103);
    const [old, place, cluster] = from === 'B' ? [entry(2), DATA + 4 * 512 + 96, 5] : [DATA + 4 * 512 + 64, entry(4), 7];
    const to = from === 'B' ? 'S/N' : 'N';
    await guest.disk.write(DATA + (cluster - 2) * 512, changed);
    const bytes = new Uint8Array(32);
    bytes.set(Buffer.from('N          '));
    bytes[11] = 32;
    bytes.set(word(cluster), 26);
    bytes.set(word(512), 28);
    await guest.disk.write(place, bytes);
    await guest.disk.write(old, Uint8Array.of(0xe5));
    host.callsLeft = 3;
    await expect(guest.disk.flush()).rejects.toThrow(`Could not remove '${from}'`);
    host.callsLeft = Infinity;
    expect(readFileSync(dir.file(`d/${to}`)).equals(changed)).toBe(true);
    expect(Buffer.from(await guest.disk.read(DATA + (cluster - 2) * 512, 512)).equals(changed)).toBe(true);
    await guest.disk.flush();
    expect(readFileSync(dir.file(`d/${to}`)).equals(changed)).toBe(true);
    expect([...takeFiles(dir.file('d')).keys()]).not.toContain(from);
  });

  test('two files made of one that cannot be removed at first have its content', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { A: 'a', 'S/C': Buffer.concat([Buffer.alloc(512, 99), Buffer.alloc(512, 100)]) });
    await using guest = await Guest.open(dir, { fatType: 12, floppy: true });
    // A: 2, S: 3, C: 4 and 5.
    const row = (name: string, cluster: number): Uint8Array => {
      const bytes = new Uint8Array(32);
      bytes.set(Buffer.from(name.padEnd(11)));
      bytes[11] = 32;
      bytes.set(word(cluster), 26);
      bytes.set(word(512), 28);
      return bytes;
    };
    await guest.disk.write(entry(3), Buffer.concat([row('M', 4), row('N', 5)]));
    await guest.disk.write(DATA + 512 + 64, Uint8Array.of(0xe5));
    await link(guest, 4, 0xfff);
    // Both are written, and one of them gets its name.
    host.callsLeft = 4;
    await expect(guest.disk.flush()).rejects.toThrow('Could not rename');
    host.callsLeft = Infinity;
    const both = Buffer.concat([Buffer.alloc(512, 99), Buffer.alloc(512, 100)]);
    expect(Buffer.from(await guest.disk.read(DATA + 2 * 512, 1024)).equals(both)).toBe(true);
    await guest.disk.flush();
    expect([...takeFiles(dir.file('d'))].map(([path, content]) => `${path}=${content?.subarray(0, 1).toString() ?? '/'}`)).toEqual(['A=a', 'M=c', 'N=d', 'S=/']);
    expect(Buffer.from(await guest.disk.read(DATA + 2 * 512, 1024)).equals(both)).toBe(true);
  });

  test('a folder without a name keeps what is in it; closing tells where', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    const { ino } = statSync(dir.file('d/S/C'));
    await guest.disk.write(entry(3), Uint8Array.of(0xe5));
    await guest.disk.flush();
    expect([...takeFiles(dir.file('d')).keys()].map((path) => path.replace(/-[0-9a-f]+/, ''))).toEqual(['.blk-vvfat.tmp', '.blk-vvfat.tmp/C', 'A', 'B']);
    await guest.disk.write(entry(3), Buffer.from('T'));
    await guest.disk.flush();
    expect(statSync(dir.file('d/T/C')).ino).toBe(ino);
    await guest.disk.write(entry(3), Uint8Array.of(0xe5));
    await guest.disk.close();
    const [kept] = takeFiles(dir.file('d')).keys();
    expect(readFileSync(dir.file(`d/${kept}/C`), 'utf8')).toBe('c');
  });

  test('reserved space behind the end of a file is no content', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    await link(guest, 5, 20);
    await link(guest, 20, 0xfff);
    await guest.disk.write(DATA + 18 * 512, Buffer.from('not of the file'));
    await guest.disk.flush();
    expect(readFileSync(dir.file('d/B'), 'utf8')).toBe('b');
    expect(Buffer.from(await guest.disk.read(DATA + 18 * 512, 15)).toString()).toBe('not of the file');
  });

  test('what is behind the end of a file that was cut reads as before', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { A: Buffer.alloc(4000, 97) });
    await using guest = await Guest.open(dir, { fatType: 16, floppy: false });
    const at = (await guest.copy('copy')).indexOf('aaaa');
    // Within its only cluster, of 8 KiB.
    for (const size of [1000, 1024, 100]) {
      await guest.disk.write((await guest.copy('copy')).indexOf('A       ') + 28, word(size));
      await guest.disk.flush();
      expect(readFileSync(dir.file('d/A'))).toEqual(Buffer.alloc(size, 97));
      expect(Buffer.from(await guest.disk.read(at, 4096))).toEqual(Buffer.concat([Buffer.alloc(4000, 97), Buffer.alloc(96)]));
    }
  });

  test('a cluster of a folder that became a file is zero when the file gives it up', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    // B goes on in what was S.
    await guest.disk.write(entry(3), Uint8Array.of(0xe5));
    for (const [cluster, value] of [[7, 0], [5, 6], [6, 0xfff]] as const) await link(guest, cluster, value);
    await guest.disk.write(entry(2) + 28, word(1024));
    await guest.disk.write(DATA + 4 * 512, Buffer.alloc(512, 'B'));
    await guest.disk.flush();
    expect([...takeFiles(dir.file('d')).keys()].sort()).toEqual(['A', 'B']);
    await guest.disk.write(entry(2) + 28, word(1));
    for (const [cluster, value] of [[5, 0xfff], [6, 0]] as const) await link(guest, cluster, value);
    await guest.disk.flush();
    expect(Buffer.from(await guest.disk.read(DATA + 4 * 512, 512))).toEqual(Buffer.alloc(512));
  });

  test('a file whose clusters changed their order, and nothing else, has its content in the new one', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { A: Buffer.concat([97, 98, 99].map((byte) => Buffer.alloc(512, byte))) });
    await using guest = await Guest.open(dir, { fatType: 12, floppy: true });
    for (const [cluster, value] of [[2, 4], [4, 3], [3, 0xfff]] as const) await link(guest, cluster, value);
    await guest.disk.flush();
    expect(readFileSync(dir.file('d/A')).equals(Buffer.concat([97, 99, 98].map((byte) => Buffer.alloc(512, byte))))).toBe(true);
  });

  test('room behind the end of a file, and what FAT12 has in the upper half of a cluster, change no file', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    const inodes = (): bigint[] => ['A', 'B', 'S/C'].map((path) => statSync(dir.file(`d/${path}`), { bigint: true }).ino);
    const before = inodes();
    // A gets a piece elsewhere, C one right behind it.
    for (const [cluster, value] of [[4, 100], [100, 0xfff], [7, 8], [8, 0xfff]] as const) await link(guest, cluster, value);
    await guest.disk.write(entry(2) + 20, word(1));
    await addFile(guest, 'NEW');
    await guest.disk.flush();
    expect([...takeFiles(dir.file('d')).keys()].sort()).toEqual(['A', 'B', 'NEW', 'S', 'S/C']);
    expect(inodes()).toEqual(before);
  });

  test('the time of an entry is that of the file', async () => {
    using dir = tempDir();
    await using guest = await sample(dir);
    const { ino } = statSync(dir.file('d/B'));
    await guest.disk.write(entry(2) + 22, Uint8Array.of(...word((4 << 11) | (5 << 5) | 3), ...word((21 << 9) | (2 << 5) | 3)));
    await guest.disk.flush();
    expect(statSync(dir.file('d/B'))).toMatchObject({ ino, mtime: new Date(2001, 1, 3, 4, 5, 6) });
    expect(Buffer.from(await guest.disk.read(DATA + 3 * 512, 1)).toString()).toBe('b');
  });

  test('what is written and never committed reads as it was written', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { A: 'a' });
    await using disk = await openDirectory(dir.file('d'), { floppy: true, rw: true });
    const model = Buffer.from(await disk.read(0, disk.size));
    for (const [at, length] of [[700_000, 5000], [512, 1], [disk.size - 700, 700], [701_000, 100]] as const) {
      await disk.write(at, Buffer.alloc(length, at & 0xff));
      model.fill(at & 0xff, at, at + length);
    }
    await disk.writeZeroes(702_000, 1_000_000);
    model.fill(0, 702_000, 1_702_000);
    expect(Buffer.compare(await disk.read(0, disk.size), model)).toBe(0);
    for await (const extent of disk.extents(0, disk.size)) {
      if (extent.zero) expect(model.subarray(extent.offset, extent.offset + extent.length).every((byte) => byte === 0)).toBe(true);
    }
    await expect(disk.close()).rejects.toThrow(/is lost/);
  });
});
