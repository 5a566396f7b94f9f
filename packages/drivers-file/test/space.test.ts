/** Holes, zeroes, discards, lengths, creation, and what happens when space runs out. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { Permission, WriteFlag, type Backend, type ChainExtent } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { MODES, createContext, graphOf, loopDevice, titled, withoutLoop } from './support.js';

const WRITER = { writable: true, resizable: true, discard: true };
const tools = skipUnless('qemu-img');
const loop = withoutLoop();
const MIB = 1024 * 1024;

describe.each(MODES)('space $mode', ({ native, drivers }) => {
  const both = drivers();
  const open = (filename: string, driver = 'file'): Promise<Backend> => graphOf(both).openBackend({ driver, filename }, WRITER);
  const extentsOf = async (backend: Backend): Promise<ChainExtent[]> => {
    const found: ChainExtent[] = [];
    for await (const extent of backend.extents(0, backend.size)) found.push(extent);
    return found;
  };

  if (native) {
    it('takes more long ranges at once than the native helper takes calls', async () => {
      using dir = tempDir();
      const filename = dir.file('disk');
      writeFileSync(filename, '');
      const disk = await open(filename);
      const count = 600;
      await disk.truncate(count * 2 * MIB);
      await Promise.all(Array.from({ length: count }, async (_, at) => disk.discard(at * 2 * MIB, 2 * MIB)));
      await disk.close();
    });

    it.skipIf(tools.skip)(tools.title('is mapped as the reference maps it'), async () => {
      using dir = tempDir();
      const filename = dir.file('disk');
      writeFileSync(filename, '');
      const disk = await open(filename);
      await disk.truncate(16 * MIB);
      for (const at of [0, 3 * MIB + 4096, 9 * MIB]) await disk.write(at, new Uint8Array(300_000).fill(1), 0, 300_000);
      await disk.writeZeroes(MIB, MIB, WriteFlag.MayUnmap);
      await disk.discard(9 * MIB, 65536);
      await disk.flush();
      const ours = await extentsOf(disk);
      await disk.close();
      const theirs = JSON.parse((await qemuImg('map', '--output=json', '-f', 'raw', filename)).stdout) as { start: number; length: number; data: boolean; zero: boolean; offset: number }[];
      expect(ours.map(({ offset, length, data, zero, hostOffset }) => ({ start: offset, length, data, zero, offset: hostOffset }))).toEqual(
        theirs.map(({ start, length, data, zero, offset }) => ({ start, length, data, zero, offset })),
      );
    });
  } else {
    it('is all data where holes can not be found', async () => {
      using dir = tempDir();
      const filename = dir.file('disk');
      writeFileSync(filename, '');
      const disk = await open(filename);
      await disk.truncate(MIB);
      expect(await extentsOf(disk)).toMatchObject([{ offset: 0, length: MIB, data: true, hostOffset: 0 }]);
      await disk.close();
    });
  }

  it('finds what was written into a hole that it knew', async () => {
    using dir = tempDir();
    const filename = dir.file('disk');
    writeFileSync(filename, '');
    const disk = await open(filename);
    await disk.truncate(MIB);
    await extentsOf(disk);
    for (let i = 0; i < 12; i++) await disk.write(i * 65536, new Uint8Array(4096).fill(1), 0, 4096);
    const zeroes = (await extentsOf(disk)).filter((extent) => extent.zero);
    for (const { offset, length } of zeroes) {
      const bytes = new Uint8Array(length);
      await disk.read(offset, bytes, 0, length);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    }
    expect(zeroes.length).toBe(native ? 12 : 0);
    await disk.close();
  });

  it('is given back by discards and zeroes, and kept by zeroes that may not', async () => {
    using dir = tempDir();
    const filename = dir.file('disk');
    writeFileSync(filename, Buffer.alloc(8 * MIB, 1));
    const disk = await open(filename);
    const blocks = (): number => statSync(filename).blocks * 512;
    const full = blocks();
    await disk.writeZeroes(0, 2 * MIB);
    expect(blocks()).toBeGreaterThanOrEqual(full);
    await disk.writeZeroes(2 * MIB, 2 * MIB, WriteFlag.MayUnmap);
    await disk.discard(4 * MIB, 2 * MIB);
    if (native) expect(blocks()).toBeLessThanOrEqual(full - 4 * MIB);
    await disk.close();
    const bytes = readFileSync(filename);
    expect(bytes.subarray(0, 4 * MIB).every((byte) => byte === 0)).toBe(true);
    expect(bytes.subarray(6 * MIB).every((byte) => byte === 1)).toBe(true);
  });

  it('grows by zeroes beyond the end while others write there', async () => {
    using dir = tempDir();
    const filename = dir.file('disk');
    writeFileSync(filename, '');
    const graph = graphOf(both);
    const node = await graph.open({ driver: 'file', filename, discard: 'unmap' });
    const data = Buffer.alloc(10_000, 5);
    for (let round = 0; round < 10; round++) {
      const at = node.size;
      await Promise.all([
        node.write(at + 50_000, data, 0, data.length),
        node.writeZeroes(at, 20_000, WriteFlag.MayUnmap),
        node.write(at + 30_000, data, 0, data.length),
        node.writeZeroes(at + 20_000, 10_000),
        node.writeZeroes(at + 40_000, 10_000, WriteFlag.MayUnmap),
        node.writev(at + 60_000, [data, data]),
      ]);
      expect(node.size).toBe(at + 80_000);
    }
    await graph.release(node);
    const bytes = readFileSync(filename);
    expect(bytes.length).toBe(800_000);
    const model = Buffer.alloc(80_000);
    model.fill(5, 30_000, 40_000).fill(5, 50_000, 80_000);
    for (let round = 0; round < 10; round++) expect(Buffer.compare(bytes.subarray(round * 80_000, (round + 1) * 80_000), model)).toBe(0);
  });

  it('is resized with every preallocation, and refused in clear words', async () => {
    using dir = tempDir();
    const filename = dir.file('disk');
    writeFileSync(filename, Buffer.alloc(4096, 1));
    const disk = await open(filename);
    await disk.truncate(MIB, { preallocation: 'falloc' });
    expect(statSync(filename).blocks * 512).toBeGreaterThanOrEqual(MIB);
    await disk.truncate(2 * MIB, { preallocation: 'full' });
    expect(statSync(filename).blocks * 512).toBeGreaterThanOrEqual(2 * MIB);
    await expect(disk.truncate(3 * MIB, { preallocation: 'metadata' })).rejects.toThrow('Unsupported preallocation mode: metadata');
    await expect(disk.truncate(MIB, { preallocation: 'full' })).rejects.toThrow('Preallocation cannot be used for shrinking files');
    expect(disk.size).toBe(2 * MIB);
    await disk.truncate(100);
    expect([disk.size, statSync(filename).size]).toEqual([100, 100]);
    await disk.close();
  });

  it('is made by create, over an old file as well', async () => {
    using dir = tempDir();
    const filename = dir.file('disk');
    const create = (options: object): Promise<void> | undefined => both.file.createFile?.(filename, { size: MIB, ...options }, createContext());
    await create({});
    expect(statSync(filename)).toMatchObject({ size: MIB, blocks: 0 });
    writeFileSync(filename, Buffer.alloc(2 * MIB, 1));
    await create({ preallocation: 'falloc', nocow: true, extent_size_hint: 0 });
    expect(statSync(filename).size).toBe(MIB);
    expect(readFileSync(filename).every((byte) => byte === 0)).toBe(true);
    await create({ preallocation: 'full' });
    expect(statSync(filename).blocks * 512).toBeGreaterThanOrEqual(MIB);
    for (const [name, message] of [[dir.path, 'Is a directory'], [dir.file('none/x'), 'No such file or directory']] as const) {
      await expect(both.file.createFile?.(`file:${name}`, { size: 1 }, createContext())).rejects.toThrow(`Could not create '${name}': ${message}`);
    }
    await expect(both.file.createFile?.(dir.file('y'), { size: 1, preallocation: 'metadata' }, createContext())).rejects.toThrow('Unsupported preallocation mode: metadata');
    expect(existsSync(dir.file('y'))).toBe(false);
  });

  it.skipIf(loop !== '')(titled('that runs out is an error, and nothing is lost', loop), async () => {
    using dir = tempDir();
    writeFileSync(dir.file('small'), Buffer.alloc(8 * MIB));
    execFileSync('mkfs.ext4', ['-q', dir.file('small')]);
    const folder = dir.file('mnt');
    mkdirSync(folder);
    execFileSync('mount', ['-o', 'loop', dir.file('small'), folder]);
    try {
      const filename = `${folder}/disk`;
      await expect(both.file.createFile?.(filename, { size: 32 * MIB, preallocation: 'full' }, createContext())).rejects.toMatchObject({ kind: 'no-space' });
      await expect(both.file.createFile?.(filename, { size: 32 * MIB, preallocation: 'falloc' }, createContext())).rejects.toMatchObject({ kind: 'no-space' });
      expect(existsSync(filename)).toBe(false);
      await both.file.createFile?.(filename, { size: MIB }, createContext());
      const disk = await open(filename);
      const block = Buffer.alloc(65536, 7);
      for (let at = 0; at < MIB; at += block.length) await disk.write(at, block, 0, block.length);
      await disk.flush();
      await expect(disk.truncate(32 * MIB, { preallocation: 'full' })).rejects.toMatchObject({ kind: 'no-space', errno: 'ENOSPC' });
      expect([disk.size, statSync(filename).size]).toEqual([MIB, MIB]);
      await disk.truncate(32 * MIB);
      let written = MIB;
      const fill = async (): Promise<void> => {
        for (; written < 32 * MIB; written += block.length) await disk.write(written, block, 0, block.length);
      };
      await expect(fill()).rejects.toMatchObject({ kind: 'no-space', errno: 'ENOSPC', message: `Could not write to '${filename}': No space left on device` });
      const into = Buffer.alloc(65536);
      for (let at = 0; at < written; at += into.length) {
        await disk.read(at, into, 0, into.length);
        expect(into.equals(block)).toBe(true);
      }
      await disk.close();
    } finally {
      execFileSync('umount', [folder]);
    }
  });

  describe.skipIf(loop !== '')(titled('of devices', loop), () => {
    it('is read, written, zeroed and discarded by the device', async () => {
      using dir = tempDir();
      writeFileSync(dir.file('backing'), Buffer.alloc(4 * MIB, 1));
      using device = loopDevice(dir.file('backing'));
      const disk = await open(device.path, 'host_device');
      expect([disk.size, disk.root.driver.growable]).toEqual([4 * MIB, false]);
      await disk.write(1000, Buffer.alloc(5000, 9), 0, 5000);
      await disk.writeZeroes(MIB + 100, MIB, WriteFlag.MayUnmap);
      await disk.writeZeroes(2 * MIB + 4096, 4096);
      await disk.discard(3 * MIB + 1, MIB - 1);
      await disk.flush();
      await expect(disk.truncate(8 * MIB)).rejects.toThrow('Cannot grow device files');
      await expect(disk.truncate(MIB)).rejects.toThrow('Cannot resize device files');
      expect(await extentsOf(disk)).toMatchObject([{ length: 4 * MIB, data: true, hostOffset: 0 }]);
      await disk.close();
      const bytes = readFileSync(device.path);
      const model = Buffer.alloc(4 * MIB, 1).fill(9, 1000, 6000).fill(0, MIB + 100, 2 * MIB + 100).fill(0, 2 * MIB + 4096, 2 * MIB + 8192);
      if (native) model.fill(0, 3 * MIB + 512, 4 * MIB);
      expect(bytes.equals(model)).toBe(true);
      if (native) expect(statSync(dir.file('backing')).blocks * 512).toBeLessThan(3 * MIB);
    });

    it('is asked whether it is enough for a new image', async () => {
      using dir = tempDir();
      writeFileSync(dir.file('backing'), Buffer.alloc(MIB));
      using device = loopDevice(dir.file('backing'));
      const create = (size: number): Promise<void> | undefined => both.hostDevice.createFile?.(device.path, { size }, createContext());
      await create(MIB);
      await expect(create(MIB + 1)).rejects.toThrow('Cannot grow device files');
    });

    it('can not be written where the device can not', async () => {
      using dir = tempDir();
      writeFileSync(dir.file('backing'), Buffer.alloc(MIB, 3));
      using device = loopDevice(dir.file('backing'), '--read-only');
      await expect(open(device.path, 'host_device')).rejects.toMatchObject({ kind: 'permission', message: 'The device is not writable: Permission denied' });
      const graph = graphOf(both);
      const reader = await graph.openBackend({ driver: 'host_device', filename: device.path }, { readOnly: true, shared: Permission.All });
      const into = new Uint8Array(512);
      await reader.read(512, into, 0, 512);
      expect(into[511]).toBe(3);
      await reader.close();
    });

    it('asks for whole blocks past the page cache', async () => {
      using dir = tempDir();
      writeFileSync(dir.file('backing'), Buffer.alloc(MIB, 3));
      using device = loopDevice(dir.file('backing'), '--sector-size', '4096');
      const graph = graphOf(both);
      const disk = await graph.openBackend({ driver: 'host_device', filename: device.path, cache: { direct: true }, aio: 'native' }, WRITER);
      expect(disk.root.limits).toMatchObject({ alignment: 4096, memoryAlignment: 4096 });
      await disk.write(1000, Buffer.alloc(10), 0, 10);
      const into = new Uint8Array(30);
      await disk.read(990, into, 0, 30);
      expect([...into]).toEqual([...Array(10).fill(3) as number[], ...Array(10).fill(0) as number[], ...Array(10).fill(3) as number[]]);
      await disk.close();
    });
  });
});
