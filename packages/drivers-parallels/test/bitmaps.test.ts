/** Bitmaps of the format extension: read as the reference reads them, and refused where they are damaged. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { UNTRUSTED, type DirtyBitmap, type Edge } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk } from '@blk/driver-conformance';
import { skipUnless, startStorageDaemon, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { bitmapsOf } from '../src/bitmaps.js';
import type { ParallelsHeader } from '../src/header.js';
import { Bench, sample } from './support.js';

const MIB = 1 << 20;
const SIZE = 10 * MIB;
const CLOSED = 0x312e_3276;

interface Wish {
  readonly granularity?: number;
  readonly bitmapSectors?: number;
  readonly entries?: number;
  /** Places, in sectors; the bits are in the cluster behind the extension unless given. */
  readonly table?: readonly number[];
  readonly flags?: number;
  readonly damage?: (extension: Buffer) => void;
  readonly use?: number;
}

/** The sample, a cluster for the extension, and one for the bits; ids from 0 and from 1 on for `count` bitmaps. */
async function withBitmaps(count = 1, { granularity = 128, bitmapSectors = SIZE / 512, table, entries, flags = 0, damage, use = CLOSED }: Wish = {}): Promise<MemoryDisk> {
  const base = Buffer.from((await sample([[44, use]])).toBytes());
  const place = Math.ceil(base.length / MIB) * MIB;
  const bits = Buffer.alloc(MIB);
  bits.set([0b1000_0011, 0, 1]);
  const extension = Buffer.alloc(MIB);
  let at = 24;
  for (let index = 0; index < count; index++) {
    const places = table ?? [(place + MIB) / 512];
    const length = 32 + 8 * places.length;
    extension.writeBigUInt64LE(0x2038_5fae_252c_b34an, at);
    extension.writeBigUInt64LE(BigInt(flags), at + 8);
    extension.writeUInt32LE(length, at + 16);
    extension.writeBigUInt64LE(BigInt(bitmapSectors), at + 24);
    extension.set(Array.from({ length: 16 }, (_, byte) => index + byte), at + 32);
    extension.writeUInt32LE(granularity, at + 48);
    extension.writeUInt32LE(entries ?? places.length, at + 52);
    for (const [each, sector] of places.entries()) extension.writeBigUInt64LE(BigInt(sector), at + 56 + 8 * each);
    at += 24 + length;
  }
  extension.set(createHash('md5').update(extension.subarray(24)).digest(), 8);
  extension.writeBigUInt64LE(0xab23_4cef_23dc_ea87n, 0);
  damage?.(extension);
  base.writeBigUInt64LE(BigInt(place / 512), 56);
  const gap = Buffer.alloc(place - base.length);
  return new MemoryDisk({ content: new Uint8Array(Buffer.concat([base, gap, extension, bits])) });
}

/** Bits that fill two clusters of 1 KiB and three bits of a third, of sectors; `table` has their places, in clusters behind the extension, or a value that stands for all of a kind. */
async function finePieces(table: readonly ('bits' | 0 | 1)[]): Promise<{ readonly disk: MemoryDisk; readonly dirty: readonly number[] }> {
  const cluster = 1024;
  const sectors = 2 * cluster * 8 + 3;
  const base = Buffer.from((await new Bench().create(sectors * 512, { cluster_size: cluster })).toBytes());
  base.writeUInt32LE(CLOSED, 44);
  base.writeBigUInt64LE(BigInt(base.length / 512), 56);
  const extension = Buffer.alloc(cluster);
  for (const [at, value] of [[24, 0x2038_5fae_252c_b34an], [48, BigInt(sectors)]] as const) extension.writeBigUInt64LE(value, at);
  for (const [at, value] of [[40, 32 + 8 * table.length], [72, 1], [76, table.length]] as const) extension.writeUInt32LE(value, at);
  const pieces = table.map((kind, index) => Buffer.alloc(cluster, kind === 'bits' ? Uint8Array.of(0b101 << index, 0, 0) : kind * 255));
  const stored = pieces.filter((_, index) => table[index] === 'bits');
  for (const [index, kind] of table.entries()) {
    const place = base.length + cluster * (1 + stored.indexOf(pieces[index]));
    extension.writeBigUInt64LE(BigInt(kind === 'bits' ? place / 512 : kind), 80 + 8 * index);
  }
  extension.set(createHash('md5').update(extension.subarray(24)).digest(), 8);
  extension.writeBigUInt64LE(0xab23_4cef_23dc_ea87n, 0);
  const bits = Buffer.concat(pieces);
  const dirty = Array.from({ length: sectors }, (_, sector) => sector).filter((sector) => ((bits[sector >> 3] >> (sector & 7)) & 1) === 1);
  return { disk: new MemoryDisk({ content: new Uint8Array(Buffer.concat([base, extension, ...stored])) }), dirty };
}

const NAMES = ['00010203-0405-0607-0809-0a0b0c0d0e0f', '01020304-0506-0708-090a-0b0c0d0e0f10'];

const described = (bitmap: DirtyBitmap): object => ({ name: bitmap.name, granularity: bitmap.granularity, count: bitmap.count });

test('however many there are, they are read one after the other, and no more of each than its bits', async () => {
  const extension = Buffer.from((await withBitmaps(300)).toBytes()).subarray(-2 * MIB, -MIB);
  const features = Array.from({ length: 300 }, (_, index) => {
    const at = 24 + index * 64;
    return { magic: extension.readBigUInt64LE(at), necessary: false, data: extension.subarray(at + 24, at + 64) };
  });
  const reads = { now: 0, most: 0, longest: 0 };
  const file = {
    size: 100 * MIB,
    async read(_offset: number, _into: Uint8Array, _start: number, length: number): Promise<void> {
      reads.most = Math.max(reads.most, ++reads.now);
      reads.longest = Math.max(reads.longest, length);
      await Promise.resolve();
      reads.now--;
    },
  };
  const header = { size: SIZE, clusterSize: MIB, extensionKept: true };
  const bitmaps = bitmapsOf(features, file as unknown as Edge, header as ParallelsHeader, 2 * MIB);
  expect((await bitmaps.load()).length).toBe(300);
  expect(reads).toEqual({ now: 0, most: 1, longest: SIZE / 65536 / 8 });
});

const PIECES: ('bits' | 0 | 1)[][] = [['bits', 'bits', 'bits'], [1, 0, 'bits'], ['bits', 1, 1], [0, 'bits', 0]];

describe('bitmaps', () => {
  test.each<[string, Wish, number[]]>([
    ['in a cluster', {}, [0, 1, 7, 16]],
    ['with fine bits', { granularity: 1 }, [0, 1, 7, 16]],
    ['of ones', { table: [1] }, Array.from({ length: SIZE / 65536 }, (_, index) => index)],
    ['of zeroes', { table: [0] }, []],
  ])('%s', async (_name, wish, dirty) => {
    const bench = new Bench();
    const node = await bench.open(await withBitmaps(2, wish), {}, { readOnly: true });
    expect(bench.warnings).toEqual([]);
    const granularity = (wish.granularity ?? 128) * 512;
    expect([...node.bitmaps].map(described)).toEqual(NAMES.map((name) => ({ name, granularity, count: dirty.length * granularity })));
    const [bitmap] = [...node.bitmaps];
    expect(Array.from({ length: SIZE / granularity }, (_, index) => index).filter((index) => bitmap.get(index * granularity))).toEqual(dirty);
    await bench.graph.release(node);
  });

  test.each(PIECES)('of several pieces, the last of them in part: %o', async (...table) => {
    const bench = new Bench();
    const { disk, dirty } = await finePieces(table);
    const node = await bench.open(disk, {}, { readOnly: true });
    expect(bench.warnings).toEqual([]);
    const [bitmap] = [...node.bitmaps];
    expect(Array.from({ length: node.size / 512 }, (_, sector) => sector).filter((sector) => bitmap.get(sector * 512))).toEqual(dirty);
    await bench.graph.release(node);
  });

  test('that a program which does not know them may have left behind are out of date', async () => {
    const bench = new Bench();
    const node = await bench.open(await withBitmaps(1, { use: 0 }), {}, { readOnly: true });
    const [bitmap] = [...node.bitmaps];
    expect(bitmap).toMatchObject({ name: NAMES[0], inconsistent: true });
    expect(() => { bitmap.checkUsable(); }).toThrow(/inconsistent/);
    await bench.graph.release(node);
  });

  test.each<[string, Wish, string]>([
    ['a wrong checksum', { damage: (bytes) => { bytes[8] ^= 1; } }, 'Wrong checksum in Format Extension header'],
    ['a wrong magic', { damage: (bytes) => { bytes[0] ^= 1; } }, 'Wrong parallels Format Extension magic'],
    ['another size', { bitmapSectors: 5 }, `Bitmap size (in sectors) 5 differs from disk size in sectors ${SIZE / 512}`],
    ['no granularity', { granularity: 0 }, 'Bitmap granularity of 0 bytes'],
    ['an odd granularity', { granularity: 100 }, 'Bitmap granularity of 51200 bytes'],
    ['a huge granularity', { granularity: 2 ** 31 }, 'Bitmap granularity of 1099511627776 bytes'],
    ['a table beyond its data', { entries: 7 }, 'l1 table exceeds extension data_size'],
    ['a table that is too short', { table: [] }, 'l1 table of 0 entries, where 1 are needed'],
    ['bits beyond the end', { table: [999_999_999] }, 'bits at sector 999999999, beyond the end of the file'],
  ])('%s: told, and left out; the disk is read', async (_name, wish, message) => {
    const bench = new Bench();
    const disk = await withBitmaps(1, wish);
    const node = await bench.open(disk, {}, { readOnly: true });
    expect([...node.bitmaps]).toEqual([]);
    expect(bench.warnings).toEqual([expect.stringContaining(message)]);
    await bench.graph.release(node);
    expectSameBytes(await bench.content(disk), await bench.content(await sample()));
  });

  test('that need more memory than allowed are left out', async () => {
    const bench = new Bench({ ...UNTRUSTED, maxMetadataBytes: MIB + 1000 });
    const node = await bench.open(await withBitmaps(1, { granularity: 1 }), {}, { readOnly: true });
    expect([...node.bitmaps]).toEqual([]);
    expect(bench.warnings).toEqual([expect.stringContaining('beyond the limit of')]);
    await bench.graph.release(node);
  });

  test('are not written: an image that is opened for writing goes on without', async () => {
    const bench = new Bench();
    const node = await bench.open(await withBitmaps(), {}, { readOnly: false });
    expect([...node.bitmaps]).toEqual([]);
    expect(bench.warnings).toEqual([expect.stringContaining('Format Extension ignored in RW mode')]);
    await bench.graph.release(node);
    await expect(bench.open(await withBitmaps(1, { flags: 1 }))).rejects.toThrow('The image must not be changed without its feature 0x20385fae252cb34a');
  });
});

const oracle = skipUnless('qemu-storage-daemon');

describe.skipIf(oracle.skip)(oracle.title('the reference'), () => {
  const counts = async (file: string): Promise<object[] | undefined> => {
    await using daemon = await startStorageDaemon();
    const { qmp } = daemon;
    await qmp.execute('blockdev-add', { driver: 'parallels', 'node-name': 'n', 'read-only': true, file: { driver: 'file', filename: file } });
    const nodes = (await qmp.execute('query-named-block-nodes', { flat: true })) as { 'node-name': string; 'dirty-bitmaps'?: object[] }[];
    return nodes.find((node) => node['node-name'] === 'n')?.['dirty-bitmaps'];
  };

  test.each(PIECES)('counts as many bits in pieces: %o', async (...table) => {
    using dir = tempDir();
    const { disk, dirty } = await finePieces(table);
    writeFileSync(dir.file('x'), disk.toBytes());
    expect(await counts(dir.file('x'))).toMatchObject([{ granularity: 512, count: dirty.length * 512 }]);
  });

  test.each<Wish>([{}, { granularity: 1 }, { table: [1] }, { table: [0] }])('sees the same bitmaps: %o', async (wish) => {
    using dir = tempDir();
    const disk = await withBitmaps(2, wish);
    writeFileSync(dir.file('x'), disk.toBytes());
    const theirs = await counts(dir.file('x'));
    const bench = new Bench();
    const node = await bench.open(disk, {}, { readOnly: true });
    // It has the last one first.
    expect(theirs?.reverse()).toMatchObject([...node.bitmaps].map(described));
    await bench.graph.release(node);
  });
});
