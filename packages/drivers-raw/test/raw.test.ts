import { BlockGraph, defineDriver, NO_LIMITS, WriteFlag, type BlockNode, type Definition, type Host } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, MemoryDisks, passthrough, prng, slow } from '@blk/driver-conformance';
import { run, skipUnless, tempDir } from '@blk/oracle';
import { truncateSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { raw } from '../src/index.js';

const SIZE = 1024 * 1024;

/** A format that is recognised by its first bytes, as qcow2 is. */
const magic = defineDriver<{ file: unknown }>({
  name: 'magic',
  role: 'format',
  options: {},
  children: { file: 'required' },
  probe: (head) => (head[0] === 0x51 && head[1] === 0x46 && head[2] === 0x49 && head[3] === 0xfb && head[7] === 3 ? 100 : 0),
  open: () => Promise.reject(new Error('opened as magic')),
});
const HEADER = Uint8Array.of(0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3);

function graphOf(disks = new MemoryDisks(), host: Partial<Host> = {}): BlockGraph {
  return new BlockGraph({ drivers: [disks.driver, raw, magic, passthrough], host });
}

describe('options', () => {
  const tools = skipUnless('qemu-img');
  const cases: [string, Definition, string | undefined][] = [
    ['a sound offset', { offset: 512 }, undefined],
    ['an odd offset', { offset: 100 }, undefined],
    ['an odd size', { size: 100 }, 'Specified size is not multiple of 512'],
    ['nothing', { size: 0 }, undefined],
    ['a size with a suffix', { size: '64k' }, undefined],
    ['an offset past the end', { offset: 2 * SIZE }, `Offset (${2 * SIZE}) cannot be greater than size of the containing file (${SIZE})`],
    [
      'a size past the end',
      { offset: 1024, size: SIZE },
      `The sum of offset (1024) and size (${SIZE}) has to be smaller or equal to the  actual size of the containing file (${SIZE})`,
    ],
    ['an unknown one', { bogus: true }, "Block format 'raw' does not support the option 'bogus'"],
    ['a size that is none', { size: 'abc' }, "Parameter 'size' expects a non-negative number below 2^64"],
  ];

  it.each(cases)('%s', async (_name, options, message) => {
    const graph = graphOf();
    const opening = graph.open({ driver: 'raw', ...options, file: new MemoryDisk({ size: SIZE }).definition });
    if (message === undefined) await opening;
    else await expect(opening).rejects.toMatchObject({ kind: 'invalid-argument', message });
    await graph.close();
  });

  it('asks for a file', async () => {
    await expect(graphOf().open({ driver: 'raw' })).rejects.toThrow(/file/);
  });

  it.skipIf(tools.skip).each(cases)(tools.title('the reference says the same: %s'), async (_name, options, message) => {
    using dir = tempDir();
    writeFileSync(dir.file('f'), '');
    truncateSync(dir.file('f'), SIZE);
    const name = `json:${JSON.stringify({ driver: 'raw', ...options, file: { driver: 'file', filename: dir.file('f') } })}`;
    const result = await run('qemu-img', ['info', name]);
    expect(result.code === 0).toBe(message === undefined);
    if (message !== undefined) expect(result.stderr.toString().split('\n')[0]).toBe(`qemu-img: Could not open '${name}': ${message}`);
  });
});

describe('a raw image', () => {
  it('completes at once where its file does', async () => {
    const graph = graphOf();
    const node = await graph.open({ driver: 'raw', offset: 512, file: new MemoryDisk({ size: SIZE }).definition });
    const bytes = new Uint8Array(4096);
    expect(node.read(0, bytes, 0, 4096)).toBeUndefined();
    expect(node.write(0, bytes, 0, 4096)).toBeUndefined();
    expect(node.writev(0, [bytes, bytes])).toBeUndefined();
    expect(node.readv(0, [bytes, bytes])).toBeUndefined();
    await graph.close();
  });

  it('is resized with its file, but not where its size is given', async () => {
    const disk = new MemoryDisk({ size: SIZE });
    const graph = graphOf();
    const open = await graph.open({ driver: 'raw', offset: 512, file: disk.definition });
    await open.truncate(1000);
    expect(disk.size).toBe(1512);
    await expect(open.truncate(Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({ kind: 'too-large' });
    await graph.close();
    const fixed = await graphOf().open({ driver: 'raw', size: 1024, file: disk.definition });
    await expect(fixed.truncate(2048)).rejects.toMatchObject({ kind: 'unsupported', message: 'Cannot resize fixed-size raw disks' });
    expect(disk.size).toBe(1512);
  });

  it('is created in the size that is asked for, over what was there', async () => {
    const disks = new MemoryDisks();
    disks.put('x', { content: HEADER });
    await graphOf(disks).create('memory:x', { format: 'raw', size: 1000 });
    expectSameBytes(disks.get('x').toBytes(), new Uint8Array(1000));
  });

  it('tells where its bytes lie in the file', async () => {
    const disk = new MemoryDisk({ size: SIZE });
    await disk.write(100, HEADER, 0, 8, 0);
    const graph = graphOf();
    const node = await graph.open({ driver: 'raw', offset: 512, file: disk.definition });
    expect(await node.extent(10, 50)).toMatchObject({ length: 50, data: true, zero: false, hostOffset: 522 });
    expect(await node.extent(SIZE / 2, 50)).toMatchObject({ zero: true, data: false, hostOffset: SIZE / 2 + 512 });
    await graph.close();
  });
});

describe('stable storage', () => {
  it.each([[0, 0], [WriteFlag.Fua, 0], [WriteFlag.Fua, WriteFlag.Fua]])('is the business of a file that can by itself (of writes: %d, of zeroes: %d)', async (writeFlags, zeroFlags) => {
    const seen: string[] = [];
    const told = defineDriver({
      name: 'told', role: 'protocol', options: {},
      open: async () => ({
        size: 4096, limits: NO_LIMITS, writeFlags, zeroFlags,
        read: () => undefined,
        write: (_offset, _buffer, _start, _length, flags) => { seen.push(`write ${flags}`); },
        writeZeroes: (_offset, _length, flags) => { seen.push(`zero ${flags}`); },
        flush: () => { seen.push('flush'); },
        close: async () => undefined,
      }),
    });
    const graph = new BlockGraph({ drivers: [raw, told] });
    const node = await graph.open({ driver: 'raw', file: { driver: 'told' } });
    await node.write(0, new Uint8Array(512).fill(1), 0, 512, WriteFlag.Fua);
    await node.writeZeroes(512, 512, WriteFlag.Fua);
    expect(seen).toEqual([`write ${writeFlags}`, ...(writeFlags === 0 ? ['flush'] : []), `zero ${zeroFlags}`, ...(zeroFlags === 0 ? ['flush'] : [])]);
    await graph.close();
  });
});

describe('a raw image whose format was guessed', () => {
  async function guessed(disk: MemoryDisk, warnings: string[] = []): Promise<{ node: BlockNode; graph: BlockGraph }> {
    const disks = new MemoryDisks();
    disks.put('p.raw', disk);
    const graph = graphOf(disks, { warn: (message) => warnings.push(message) });
    const node = await graph.open('memory:p.raw');
    expect(node.driverName).toBe('raw');
    return { node, graph };
  }

  it('warns, and refuses to become another format', async () => {
    const warnings: string[] = [];
    const disk = new MemoryDisk({ size: SIZE });
    const { node, graph } = await guessed(disk, warnings);
    expect(warnings).toEqual([
      "WARNING: Image format was not specified for 'memory:p.raw' and probing guessed raw.\n" +
        '         Automatically detecting the format is dangerous for raw images, write operations on block 0 will be restricted.\n' +
        "         Specify the 'raw' format explicitly to remove the restrictions.",
    ]);
    const write = async (offset: number, bytes: Uint8Array): Promise<void> => {
      await node.write(offset, bytes, 0, bytes.length);
    };
    await expect(write(0, HEADER)).rejects.toMatchObject({ kind: 'permission', errno: 'EPERM', message: /^Operation not permitted/ });
    await expect((async () => node.writev(0, [HEADER.subarray(0, 3), HEADER.subarray(3)]))()).rejects.toMatchObject({ errno: 'EPERM' });
    expect(disk.counts.write).toBe(0);
    // In pieces: the one that would complete the header is refused.
    await write(0, HEADER.subarray(0, 4));
    await expect(write(4, HEADER.subarray(4))).rejects.toMatchObject({ errno: 'EPERM' });
    await write(7, Uint8Array.of(1));
    await write(4096, HEADER);
    await graph.close();
    const again = await guessed(disk);
    await again.graph.close();
  });

  it('refuses zeroes that would uncover a header', async () => {
    const disk = new MemoryDisk({ content: prng(1).bytes(8192) });
    const { node, graph } = await guessed(disk);
    const almost = Uint8Array.of(...HEADER.subarray(0, 4), 0, 0, 0, 3 | 0x80);
    await node.write(0, almost, 0, 8);
    const three = defineDriver({ ...magic, name: 'zeroed', probe: (head) => (head[0] === 0x51 && head[7] === 0 ? 100 : 0) });
    await graph.close();
    const disks = new MemoryDisks();
    disks.put('p', disk);
    const other = new BlockGraph({ drivers: [disks.driver, raw, three] });
    const again = await other.open('memory:p', { discard: true });
    await expect((async () => again.writeZeroes(7, 1))()).rejects.toMatchObject({ errno: 'EPERM' });
    await expect((async () => again.discard(0, 4096))()).resolves.toBeUndefined();
    await other.close();
    await expect((async () => node.read(0, almost, 0, 8))()).rejects.toMatchObject({ kind: 'closed' });
  });

  it('judges requests at the same time one after the other', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const disk = new MemoryDisk({ size: SIZE });
      disk.use(slow(seed));
      const { node, graph } = await guessed(disk);
      const parts = [0, 2, 4, 6].map(async (at) => node.write(at, HEADER, at, 2));
      const results = await Promise.allSettled(parts);
      expect(results.filter((result) => result.status === 'rejected').length).toBeGreaterThan(0);
      await graph.close();
      expect(magic.probe?.(disk.toBytes().subarray(0, 2048), '')).toBe(0);
    }
  });

  it('writes the rest, and everything where the format was named', async () => {
    const disk = new MemoryDisk({ size: SIZE });
    const { node, graph } = await guessed(disk);
    const bytes = prng(3).bytes(100_000);
    await node.write(1000, bytes, 0, bytes.length);
    expectSameBytes(disk.toBytes().subarray(1000, 101_000), bytes);
    expect(node.write(4096, bytes, 0, 512)).toBeUndefined();
    await graph.close();
    const named = graphOf();
    const open = await named.open({ driver: 'raw', file: disk.definition });
    await open.write(0, HEADER, 0, 8);
    expectSameBytes(disk.toBytes().subarray(0, 8), HEADER);
    await named.close();
  });

  it('is not restricted, and does not warn, where it is opened read-only', async () => {
    const disks = new MemoryDisks();
    disks.put('p', { size: SIZE });
    const warnings: string[] = [];
    const graph = graphOf(disks, { warn: (message) => warnings.push(message) });
    await graph.open('memory:p', { readOnly: true });
    expect(warnings).toEqual([]);
    await graph.close();
  });
});
