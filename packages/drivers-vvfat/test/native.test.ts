// The C library tells and reads what Node does, and leaves to Node whatever does not go smoothly.
import { closeSync, constants, linkSync, lstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { prng, run, tempDir, type TempDir } from '@blk/oracle';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FileIdentity } from '../src/host/identity.js';
import { loadNative, type NativeCalls } from '../src/host/native.js';
import { statusOf, type HostStatus } from '../src/host/status.js';

const there = (await loadNative()) !== undefined;

describe.skipIf(!there)('by the C library', () => {
  let native: NativeCalls;
  beforeAll(async () => {
    native = (await loadNative()) as NativeCalls;
  });

  const byNode = (path: string): HostStatus => statusOf(lstatSync(path, { bigint: true }));

  function inFolder<T>(path: string, work: (folder: number) => T): T {
    const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      return work(folder);
    } finally {
      closeSync(folder);
    }
  }

  test('a folder has the names that it has, and they are what they are', async () => {
    using dir = tempDir();
    mkdirSync(dir.file('d/folder'), { recursive: true });
    const path = (name: string): string => dir.file(`d/${name}`);
    for (const name of ['a', 'Ünïcode – файл', '日本語', '😀', 'x'.repeat(255), 'é'.repeat(127), ' ']) writeFileSync(path(name), name);
    // Three times the characters that it has bytes, for whoever reads it as UTF-8.
    writeFileSync(Buffer.concat([Buffer.from(`${path('')}`), Buffer.alloc(255, 0xff)]), 'x');
    for (let index = 0; index < 3000; index++) writeFileSync(path(`file number ${index} ${'.'.repeat(index % 40)}x`), '');
    symlinkSync('nowhere', path('link'));
    await run('mkfifo', [path('pipe')]);
    truncateSync(path('a'), 5 * 2 ** 32 + 7);
    utimesSync(path('a'), -1.5, -1.5);
    utimesSync(path('日本語'), 2 ** 32 + 0.25, 2 ** 32 + 0.25);
    const told: string[] = [];
    const names = inFolder(dir.file('d'), (folder) => native.list(folder, (name) => told.push(name)));
    expect(names?.toSorted()).toEqual(readdirSync(dir.file('d')).sort());
    expect(told).toEqual(names);
    inFolder(dir.file('d'), (folder) => {
      for (const name of names ?? []) expect(native.look(folder, name), name).toEqual(name.includes('\ufffd') ? undefined : byNode(path(name)));
      expect(native.look(folder, '.')).toEqual(byNode(dir.file('d')));
      for (const name of ['nothing', '', 'x'.repeat(256), 'x'.repeat(100_000), 'a/b']) expect(native.look(folder, name), name.slice(0, 20)).toBeUndefined();
    });
    expect(native.look(-1, 'a')).toBeUndefined();
    expect(native.list(-1, () => undefined)).toBeUndefined();
  });

  test('any part of a file is read, to any place', () => {
    using dir = tempDir();
    const random = prng(5);
    const content = random.bytes(10_000);
    writeFileSync(dir.file('file'), content);
    const { identity } = byNode(dir.file('file'));
    inFolder(dir.path, (folder) => {
      for (let step = 0; step < 300; step++) {
        // Memory of its own, a part of some, and the short kind that has its place among objects.
        const whole = new Uint8Array(random.pick([40, 5000, 20_000])).fill(7);
        const buffer = whole.subarray(random.below(20));
        const start = random.below(20);
        const at = random.below(content.length);
        const length = random.below(Math.min(buffer.length - start, content.length - at) + 1);
        expect(native.read(folder, 'file', identity, at, buffer, start, length)).toBe(true);
        const wanted = new Uint8Array(buffer.length).fill(7);
        wanted.set(content.subarray(at, at + length), start);
        expect(Buffer.compare(buffer, wanted)).toBe(0);
        expect(whole.subarray(0, whole.length - buffer.length).every((byte) => byte === 7)).toBe(true);
      }
      for (const [at, start, length] of [[9_990, 0, 20], [20_000, 0, 1], [0, 90, 11], [0, -1, 5], [0, 0, -1], [0, 101, 0]] as const) {
        const buffer = new Uint8Array(100);
        expect(native.read(folder, 'file', identity, at, buffer, start, length), `${at} ${start} ${length}`).toBe(false);
      }
    });
  });

  const changes: Record<string, (dir: TempDir) => void | Promise<unknown>> = {
    'has other bytes and its old time': (dir) => { writeFileSync(dir.file('d/file'), 'olleh'); utimesSync(dir.file('d/file'), 1e9, 1e9); },
    'is longer': (dir) => { writeFileSync(dir.file('d/file'), 'hello, you'); },
    'is another file': (dir) => { writeFileSync(dir.file('other'), 'hello'); utimesSync(dir.file('other'), 1e9, 1e9); renameSync(dir.file('other'), dir.file('d/file')); },
    'became a link to itself': (dir) => { renameSync(dir.file('d/file'), dir.file('moved')); symlinkSync(dir.file('moved'), dir.file('d/file')); },
    'has a further name': (dir) => { linkSync(dir.file('d/file'), dir.file('link')); },
    'is a folder': (dir) => { rmSync(dir.file('d/file')); mkdirSync(dir.file('d/file')); },
    'is a pipe that nobody writes to': async (dir) => { rmSync(dir.file('d/file')); await run('mkfifo', [dir.file('d/file')]); },
    'is gone': (dir) => { rmSync(dir.file('d/file')); },
  };
  test.each(Object.keys(changes))('a file that %s is not read', async (name) => {
    using dir = tempDir();
    mkdirSync(dir.file('d'));
    writeFileSync(dir.file('d/file'), 'hello');
    utimesSync(dir.file('d/file'), 1e9, 1e9);
    const identity: FileIdentity = byNode(dir.file('d/file')).identity;
    const read = (): boolean => inFolder(dir.file('d'), (folder) => native.read(folder, 'file', identity, 0, new Uint8Array(5), 0, 5));
    expect(read()).toBe(true);
    await changes[name](dir);
    expect(read()).toBe(false);
  });

  test('nothing stays open', () => {
    using dir = tempDir();
    writeFileSync(dir.file('file'), 'hello');
    const { identity } = byNode(dir.file('file'));
    const open = (): number => readdirSync('/proc/self/fd').length;
    inFolder(dir.path, (folder) => {
      const before = open();
      for (const wrong of [identity, { ...identity, size: 4 }]) for (const length of [5, 6]) native.read(folder, 'file', wrong, 0, new Uint8Array(9), 0, length);
      expect(open()).toBe(before);
    });
  });
});
