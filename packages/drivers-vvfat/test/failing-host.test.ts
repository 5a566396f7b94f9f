// A host that fails at every single call of a commit, in every way, while other requests are under way: each file is the old or the new one.
import type * as sync from 'node:fs';
import type * as later from 'node:fs/promises';
import { linkSync, lutimesSync, readFileSync, rmSync } from 'node:fs';
import { BlockError, type Image } from '@blk/core-graph';
import { prng, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { HostCall, HostState } from './failing-calls.js';
import { Guest } from './guest.js';
import { openDirectory, putFiles, settled, takeFiles } from './support.js';

const host = vi.hoisted((): HostState => ({ meet: () => undefined, unsynced: new Set() }));

// Every call is to be seen.
vi.mock('../src/host/native.js', () => ({ loadNative: () => Promise.resolve(undefined) }));
vi.mock('node:fs', async (original) => (await import('./failing-calls.js')).failingSync(await original<typeof sync>(), host));
vi.mock('node:fs/promises', async (original) => (await import('./failing-calls.js')).failingLater(await original<typeof later>(), host));

afterEach(() => {
  host.meet = () => undefined;
  host.unsynced.clear();
});

const needs = skipUnless('fsck.fat', 'mtools');
const SECTOR = 512;
/** As much of the disk as anybody uses. */
const USED = 64 * 1024;

/** All that a commit can have to do, with contents that are there once. */
const BEFORE = {
  'CHANGED': 'changed, before', 'GROWN': prng(1).bytes(700), 'CUT': prng(2).bytes(1900), 'EMPTIED': 'emptied, before', 'DELETED': 'deleted', 'TOUCHED': 'touched',
  'ONE': 'content of one', 'TWO': 'content of two', 'KEPT': 'kept', 'S/MOVED': 'moved', 'S/BESIDE': 'beside', 'T/IN/DEEP': 'deep', 'GONE/A': 'gone a', 'GONE/B/C': 'gone c', 'X': 'becomes a folder', 'OLD/FOUR': 'content of four', 'case.txt': 'lower case',
};
/** What became of what: one of the two is always there. */
const PAIRS: readonly (readonly [before: string, after: string | undefined])[] = [
  ['CHANGED', 'CHANGED'], ['GROWN', 'GROWN'], ['CUT', 'CUT'], ['TOUCHED', 'TOUCHED'], ['ONE', 'TWO'], ['TWO', 'ONE'], ['KEPT', 'KEPT'], ['SAME', 'ALIKE'], ['STAYS', 'STAYS'], ['case.txt', 'CASE.TXT'], ['S/MOVED', 'NEWDIR/MOVED'], ['S/BESIDE', 'S/BESIDE'], ['T/IN/DEEP', 'S/IN/DEEP'], ['OLD/FOUR', 'FOUR'],
];

interface Scene {
  /** Sectors that the guest writes. */
  readonly writes: readonly { readonly at: number; readonly bytes: Buffer }[];
  readonly before: ReadonlyMap<string, Buffer | null>;
  readonly after: ReadonlyMap<string, Buffer | null>;
}

/** The same directory to the second, which is the same disk to the byte. */
function putBefore(dir: TempDir): void {
  rmSync(dir.file('d'), { recursive: true, force: true });
  putFiles(dir.file('d'), BEFORE);
  // Whatever is done to one name of a file changes what is known about the other.
  linkSync(dir.file('d/KEPT'), dir.file('d/SAME'));
  linkSync(dir.file('d/DELETED'), dir.file('d/STAYS'));
  for (const path of ['', ...takeFiles(dir.file('d')).keys()]) lutimesSync(dir.file(`d/${path}`), 1_700_000_000, 1_700_000_000);
}

const open = (dir: TempDir): Promise<Image> => openDirectory(dir.file('d'), { 'fat-type': 12, floppy: true, rw: true });

async function scene(dir: TempDir): Promise<Scene> {
  putBefore(dir);
  const before = takeFiles(dir.file('d'));
  await using guest = await Guest.open(dir, { fatType: 12, floppy: true });
  const old = await guest.copy('old');
  await guest.put('CHANGED', 'changed, after');
  await guest.put('GROWN', prng(3).bytes(3000));
  await guest.put('CUT', prng(4).bytes(900));
  await guest.put('EMPTIED', '');
  await guest.mtools('mdel', '::/DELETED', '::/X', '::/case.txt');
  await guest.put('CASE.TXT', 'upper case');
  await guest.mtools('mren', '::/ONE', '::/BETWEEN');
  await guest.mtools('mren', '::/TWO', '::/ONE');
  await guest.mtools('mren', '::/BETWEEN', '::/TWO');
  await guest.mtools('mmd', '::/NEWDIR', '::/X');
  await guest.put('X/NEW', 'new');
  await guest.mtools('mren', '::/SAME', '::/ALIKE');
  await guest.mtools('mmove', '::/S/MOVED', '::/NEWDIR');
  await guest.mtools('mmove', '::/T/IN', '::/S');
  await guest.mtools('mdeltree', '::/GONE');
  await guest.mtools('mmove', '::/OLD/FOUR', '::/');
  await guest.mtools('mrd', '::/OLD');
  await guest.put('OLD', 'a file where a folder was');
  const now = readFileSync(dir.file('guest')).subarray(0, old.length);
  touch(now, 'TOUCHED');
  const writes: { at: number; bytes: Buffer }[] = [];
  for (let at = 0; at < now.length; at += SECTOR) {
    const bytes = Buffer.from(now.subarray(at, at + SECTOR));
    if (!bytes.equals(old.subarray(at, at + SECTOR))) writes.push({ at, bytes });
  }
  for (const { at, bytes } of writes) await guest.disk.write(at, bytes);
  await guest.disk.flush();
  return { writes, before, after: takeFiles(dir.file('d')) };
}

/** Another time in a file's entry: nothing else about it changes. */
function touch(disk: Buffer, name: string): void {
  const at = disk.indexOf(name.padEnd(11), 0, 'latin1');
  disk.writeUInt16LE(0x5555, at + 24);
}

async function write(disk: Image, { writes }: Scene): Promise<void> {
  for (const { at, bytes } of writes) await disk.write(at, bytes);
}

/** In a name's place may be, for a moment, what is to have it in capitals. */
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1).toUpperCase();

const isTemporary = (path: string): boolean => path.includes('.blk-vvfat-');

/** What is wrong with the directory: each file is the old or the new one, nothing that the guest kept is gone. */
function wrongIn(found: ReadonlyMap<string, Buffer | null>, { before, after }: Scene, partsMayBeLeft: boolean): string[] {
  const wrong: string[] = [];
  const same = (left: Buffer | null | undefined, right: Buffer | null | undefined): boolean => (left instanceof Buffer && right instanceof Buffer ? left.equals(right) : left === right);
  const contents = [...found.values()].filter((content) => content !== null);
  for (const [path, content] of found) {
    if (isTemporary(path)) {
      if (partsMayBeLeft || content === null || [...before.values(), ...after.values()].some((known) => same(known, content))) continue;
    } else if (same(content, before.get(path)) || same(content, after.get(path)) || isOnItsWay(path, content)) continue;
    wrong.push(`${path} is neither the old nor the new one`);
  }
  for (const [from, to] of PAIRS) {
    const wanted = [before.get(from), to === undefined ? undefined : after.get(to)];
    if (!contents.some((content) => wanted.some((one) => same(one, content)))) wrong.push(`${from} is gone`);
  }
  return wrong;

  /** In a folder that was moved already or not yet, or a file that got its new place and is still to be written. */
  function isOnItsWay(path: string, content: Buffer | null): boolean {
    const name = nameOf(path);
    return [...before, ...after].some(([known, one]) => nameOf(known) === name && same(one, content));
  }
}

describe.skipIf(needs.skip)(needs.title('a host that fails'), () => {
  const codes = ['ENOSPC', 'EIO', 'EACCES'];
  const kinds = [{ forever: false, done: false }, { forever: true, done: false }, { forever: false, done: true }];

  test.each(kinds)('at any call of a commit, forever: $forever, done all the same: $done', async ({ forever, done }) => {
    using dir = tempDir();
    const made = await scene(dir);
    let calls = Infinity;
    for (let at = 1; at <= calls; at++) {
      putBefore(dir);
      host.unsynced.clear();
      const disk = await open(dir);
      await write(disk, made);
      let seen = 0;
      const failed: HostCall[] = [];
      const code = codes[at % codes.length];
      host.meet = (call) => {
        // What changes nothing can only fail.
        if (done && !call.changes) return undefined;
        seen++;
        if (seen < at || (!forever && seen > at)) return undefined;
        failed.push(call);
        return { code, done };
      };
      const shown = (): string => `call ${at} of ${calls}, ${code}: ${failed[0]?.verb ?? 'nothing failed'}`;
      const flush = settled(disk.flush());
      // Others go on meanwhile: what they write again is the same, what they read is what was written.
      const beside = await Promise.allSettled(made.writes.filter((_, index) => (index + at) % 3 === 0).flatMap((one) => [disk.write(one.at, one.bytes), readsBack(disk, one)]));
      const error = await flush;
      host.meet = () => undefined;
      for (const result of beside) if (result.status === 'rejected') expect(result.reason, shown()).toBeInstanceOf(BlockError);
      const found = takeFiles(dir.file('d'));
      expect(wrongIn(found, made, failed.some(({ verb }) => verb === 'unlink')), shown()).toEqual([]);
      if (error === undefined) {
        expect(names(found, made.after), shown()).toEqual([]);
        expect([...host.unsynced], shown()).toEqual([]);
      } else {
        expect(error, shown()).toBeInstanceOf(BlockError);
        expect((error as Error).message, shown()).toMatch(/'|temporary file/);
      }
      if (forever && error !== undefined) {
        // The program ends before the host works again.
        host.meet = () => ({ code, done: false });
        await expect(disk.close(), shown()).rejects.toThrow('is lost');
        host.meet = () => undefined;
        expect(wrongIn(takeFiles(dir.file('d')), made, true), shown()).toEqual([]);
        await (await openDirectory(dir.file('d'), { 'fat-type': 12, floppy: true })).close();
      } else {
        await disk.flush();
        expect([...host.unsynced], shown()).toEqual([]);
        for (const one of made.writes) await readsBack(disk, one);
        // Files that are there count as those that the disk was opened with.
        await disk.read(0, USED);
        expect(names(takeFiles(dir.file('d')), made.after), shown()).toEqual([]);
        await disk.close();
        expect(names(takeFiles(dir.file('d')), made.after), shown()).toEqual([]);
      }
      if (seen < at) calls = at;
    }
    expect(calls).toBeGreaterThan(50);
  }, 300_000);

  test('while a directory is opened: the error names it, or what is in it', async () => {
    using dir = tempDir();
    putFiles(dir.file('d'), { 'file': 'x', 'sub/file': 'x' });
    const errors: string[] = [];
    for (let at = 1; errors.length < at; at++) {
      let seen = 0;
      host.meet = () => (++seen === at ? { code: 'EACCES', done: false } : undefined);
      const error = await settled(openDirectory(dir.file('d')).then((disk) => disk.close()));
      host.meet = () => undefined;
      if (seen < at) break;
      expect(error, `call ${at}`).toMatchObject({ kind: 'permission', name: 'BlockError' });
      errors.push((error as Error).message.replace(dir.file('d'), 'd'));
    }
    expect(new Set(errors)).toEqual(new Set(['Could not read directory d', `Could not read 'file': Permission denied`, `Could not read 'sub': Permission denied`, `Could not read directory 'sub': Permission denied`, `Could not read 'sub/file': Permission denied`]));
  });

  test('of room for what the guest writes: that write fails, and no other', async () => {
    using dir = tempDir();
    const made = await scene(dir);
    const random = prng(11);
    putBefore(dir);
    await using disk = await open(dir);
    let left: readonly Scene['writes'][number][] = made.writes;
    for (let round = 0; left.length > 0; round++) {
      host.meet = ({ overlay, verb }) => (overlay && verb === 'write' && random.below(2) === 0 ? { code: 'ENOSPC', done: false } : undefined);
      const results = await Promise.allSettled(left.map(({ at, bytes }) => disk.write(at, bytes)));
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ message: expect.stringContaining('Could not write the temporary file in') as string });
      // A guest whose tables are half written makes no sense, and nothing of it becomes the directory's; or all of it is there.
      if (results.some(({ status }) => status === 'rejected')) await settled(disk.flush());
      expect(wrongIn(takeFiles(dir.file('d')), made, false), `round ${round}`).toEqual([]);
      left = left.filter((_, index) => results[index].status === 'rejected');
    }
    host.meet = () => undefined;
    await disk.flush();
    expect(names(takeFiles(dir.file('d')), made.after)).toEqual([]);
  });
});

/** Paths whose content differs, and what is left over. */
function names(found: ReadonlyMap<string, Buffer | null>, wanted: ReadonlyMap<string, Buffer | null>): string[] {
  return [...new Set([...found.keys(), ...wanted.keys()])].filter((path) => {
    const [left, right] = [found.get(path), wanted.get(path)];
    return left instanceof Buffer && right instanceof Buffer ? !left.equals(right) : left !== right;
  });
}

async function readsBack(disk: Image, { at, bytes }: Scene['writes'][number]): Promise<void> {
  const found = Buffer.from(await disk.read(at, bytes.length));
  if (!found.equals(bytes)) throw new Error(`what was written at ${at} reads otherwise`);
}
