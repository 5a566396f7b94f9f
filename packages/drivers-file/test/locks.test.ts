/** Locks: with the reference on the other side, in both directions, and within one process. */
import { statSync, writeFileSync } from 'node:fs';
import { createImage, qemuImg, qemuIo, skipUnless, startQemuNbd, tempDir } from '@blk/oracle';
import { Permission, type Access } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { deviceNumbers } from '../src/host-file.js';
import { fileDrivers } from '../src/index.js';
import { ImageLocks, type ByteLocks } from '../src/locks/locks.js';
import { seenLocks } from '../src/locks/proc-locks.js';
import { MODES, createContext, graphOf } from './support.js';

const tools = skipUnless('qemu-img', 'qemu-io', 'qemu-nbd');
const { ConsistentRead, Write, Resize, WriteUnchanged, All } = Permission;

/** A format's hold on its file. */
const WRITER = { writable: true, resizable: true, shared: ConsistentRead | WriteUnchanged };
const READER = { readOnly: true, shared: ConsistentRead | WriteUnchanged };

describe.each(MODES)('locks $mode', ({ native, drivers }) => {
  const { file } = drivers();
  const graph = (): ReturnType<typeof graphOf> => graphOf(drivers());

  it.skipIf(tools.skip)(tools.title('keep out of what the reference holds'), async () => {
    using dir = tempDir();
    const filename = dir.file('disk');
    const busy = (what: string): object => ({ kind: 'busy', message: `Failed to get ${what} lock\nIs another process using the image [${filename}]?` });
    await createImage(filename, 'qcow2', '1M');
    const server = await startQemuNbd({ file: filename, format: 'qcow2', socket: dir.file('socket') });
    try {
      const definition = { driver: 'file', filename };
      await expect(graph().openBackend(definition, WRITER)).rejects.toMatchObject(busy('"write"'));
      await expect(graph().openBackend(definition, READER)).rejects.toMatchObject(busy('shared "write"'));
      await expect(graph().openBackend(definition, { ...READER, noIo: true })).rejects.toMatchObject(busy('shared "write"'));
      await expect(file.createFile?.(filename, { size: 1 }, createContext())).rejects.toMatchObject(busy('"write"'));
      // Whoever asks for no lock gets in.
      for (const way of [{ forceShare: true, readOnly: true }, { readOnly: true, shared: All }]) {
        await (await graph().openBackend(definition, way)).close();
      }
      await (await graph().openBackend({ ...definition, locking: 'off' }, WRITER)).close();
    } finally {
      await server.stop();
    }
    await (await graph().openBackend({ driver: 'file', filename }, WRITER)).close();
  });

  // Without the helper nobody is kept out.
  if (native) it.skipIf(tools.skip)(tools.title('keep the reference out'), async () => {
    using dir = tempDir();
    const filename = dir.file('disk');
    await createImage(filename, 'qcow2', '1M');
    const ours = await graph().openBackend({ driver: 'file', filename }, WRITER);
    const hint = `Is another process using the image [${filename}]?`;
    const info = await qemuImg('info', filename);
    expect(info.stderr).toContain(`Failed to get shared "write" lock\n${hint}`);
    expect((await qemuImg('info', '-U', filename)).code).toBe(0);
    const write = await qemuIo(filename, ['write 0 512'], { format: 'qcow2' });
    expect(write.stderr + write.stdout).toContain(`Failed to get "write" lock\n${hint}`);
    await ours.close();
    expect((await qemuImg('info', filename)).code).toBe(0);
    const reader = await graph().openBackend({ driver: 'file', filename }, READER);
    expect((await qemuImg('info', filename)).code).toBe(0);
    expect((await qemuImg('resize', filename, '2M')).stderr).toContain('Failed to get "write" lock');
    await reader.close();
  });

  it('say so where they were asked for and can not be had', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('disk'), 'x');
    const warnings: string[] = [];
    const { BlockGraph } = await import('@blk/core-graph');
    const noisy = new BlockGraph({ drivers: [file], host: { warn: (message) => warnings.push(message) } });
    await noisy.release(await noisy.open({ driver: 'file', filename: dir.file('disk'), locking: 'on' }));
    await noisy.release(await noisy.open({ driver: 'file', filename: dir.file('disk') }));
    expect(warnings.length).toBe(native ? 0 : 1);
  });
});

it('two users in one process exclude each other as two processes do', async () => {
  using dir = tempDir();
  writeFileSync(dir.file('disk'), 'x');
  const graph = graphOf(fileDrivers());
  const first = await graph.openBackend({ driver: 'file', filename: dir.file('disk') }, WRITER);
  await expect(graph.openBackend({ driver: 'file', filename: dir.file('disk') }, READER)).rejects.toMatchObject({ kind: 'busy' });
  await first.close();
  await (await graph.openBackend({ driver: 'file', filename: dir.file('disk') }, READER)).close();
});

it('a list of locks that was asked for early serves those who only look', async () => {
  using dir = tempDir();
  const filename = dir.file('disk');
  writeFileSync(filename, 'x');
  const { dev, ino } = statSync(filename, { bigint: true });
  const { major, minor } = deviceNumbers(dev);
  const device = [major, minor].map((part) => part.toString(16).padStart(2, '0')).join(':');
  const open = async (list: string | undefined, way: object): Promise<void> => {
    const backend = await graphOf(fileDrivers({ lockList: Promise.resolve(list) })).openBackend({ driver: 'file', filename }, { ...READER, ...way });
    await backend.close();
  };
  const writer = `1: OFDLCK ADVISORY  READ -1 ${device}:${ino} 101 101\n`;
  await expect(open(writer, { noIo: true })).rejects.toMatchObject({ kind: 'busy' });
  await open(writer, { noIo: true, forceShare: true });
  await open('', { noIo: true });
  await open(undefined, { noIo: true });
  // Whoever stays takes locks of his own.
  await open(writer, {});
});

describe('the bytes of a change', () => {
  const access = (permissions: number, shared: number): Access => ({ permissions, shared });
  const fake = (): { locked: Set<number>; others: Set<number>; bytes: ByteLocks } => {
    const locked = new Set<number>();
    const others = new Set<number>();
    return {
      locked,
      others,
      bytes: {
        lock: (byte, kind) => {
          if (kind === 'none') locked.delete(byte);
          else locked.add(byte);
          return 0;
        },
        isLocked: (byte) => Number(others.has(byte)),
      },
    };
  };
  const sorted = (set: Set<number>): number[] => [...set].sort((a, b) => a - b);

  it('are taken before, dropped after, and given back', () => {
    const { locked, others, bytes } = fake();
    const locks = new ImageLocks(bytes, 'x');
    locks.prepare(access(ConsistentRead | Write, All & ~Resize)).commit();
    expect(sorted(locked)).toEqual([100, 101, 203]);
    const change = locks.prepare(access(ConsistentRead, All & ~Write));
    expect(sorted(locked)).toEqual([100, 101, 201, 203]);
    change.abort();
    expect(sorted(locked)).toEqual([100, 101, 203]);
    locks.prepare(access(ConsistentRead, All)).commit();
    expect(sorted(locked)).toEqual([100]);
    others.add(201);
    expect(() => locks.prepare(access(Write, All))).toThrow('Failed to get "write" lock');
    expect(sorted(locked)).toEqual([100]);
    others.add(103);
    expect(() => locks.prepare(access(0, All & ~Resize))).toThrow('Failed to get shared "resize" lock');
    expect(sorted(locked)).toEqual([100]);
  });

  it('survive several changes prepared before the first is made', () => {
    const { locked, bytes } = fake();
    const locks = new ImageLocks(bytes, 'x');
    const first = locks.prepare(access(ConsistentRead, All));
    const second = locks.prepare(access(ConsistentRead | Write, All));
    first.commit();
    expect(sorted(locked)).toEqual([100, 101]);
    second.commit();
    expect(sorted(locked)).toEqual([100, 101]);
  });

  it('are found in the list of the kernel', () => {
    const text = '1: OFDLCK ADVISORY  READ -1 fe:00:42 201 203\n2: OFDLCK ADVISORY  READ -1 fe:00:42 100 EOF \n3: POSIX ADVISORY WRITE 7 fe:00:42 0 EOF\n4: OFDLCK ADVISORY READ -1 fe:01:42 200 200\n';
    const locks = seenLocks({ dev: 0xfe00n, ino: 42n }, () => text);
    expect([100, 150, 99, 200, 201, 202, 203, 204].map((byte) => locks.isLocked(byte))).toEqual([1, 1, 0, 1, 1, 1, 1, 1]);
    const none = seenLocks({ dev: 0xfe02n, ino: 42n }, () => text);
    expect(none.isLocked(100)).toBe(0);
  });
});
