/** The block table is kept in memory as far as `cache-size` allows, however large it is; what is right with all of it in memory is right with little of it. */
import { UNTRUSTED, type Edge } from '@blk/core-graph';
import { MemoryDisk, prng, proveFarPlaces, SparseBytes } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { BlockTable } from '../src/block-table.js';
import { verifyTable } from '../src/verify-table.js';
import { Bench, patched, u32, u64 } from './support.js';

const TABLE = 1536;
/** Entries of a piece of the table, and the bytes of memory that a piece takes. */
const PIECE = 16384;
const COST = 65536 + 1024;

/** A disk of so many blocks, none of which is there. */
async function emptyDisk(entries: number, blockSize: number): Promise<MemoryDisk> {
  const small = (await new Bench().create(10 << 20)).toBytes();
  const size = { 28: [...'win '].map((char) => char.charCodeAt(0)), 48: u64(entries * blockSize) };
  const head = patched(small, { footer: size, header: { 28: u32(entries), 32: u32(blockSize) } });
  const content = new SparseBytes();
  const table = new Uint8Array(Math.ceil(entries / 128) * 512).fill(0xff);
  content.write(0, head, 0, TABLE);
  content.write(TABLE, table, 0, table.length);
  content.write(TABLE + table.length, head, head.length - 512, 512);
  return new MemoryDisk({ content });
}

test('the table stays within `cache-size`, and in memory where it is', async () => {
  const bench = new Bench();
  const disk = await emptyDisk(12 * PIECE, 4096);
  const places = Array.from({ length: 12 }, (_, piece) => piece * PIECE * 4096);
  expect(await bench.kept(disk, places)).toBe(12);
  expect(await bench.kept(disk, places, { 'cache-size': 12 * COST })).toBe(12);
  expect(await bench.kept(disk, places, { 'cache-size': 12 * COST - 1 })).toBeLessThan(12);
  for (const little of [0, 1, '1k']) expect(await bench.kept(disk, places, { 'cache-size': little })).toBeLessThanOrEqual(4);
  await expect(bench.open(disk, { 'cache-size': -1 })).rejects.toMatchObject({ kind: 'invalid-argument' });
});

test('a table of 40 MiB, from others, takes 32 MiB at most', async () => {
  const bench = new Bench(UNTRUSTED);
  const disk = await emptyDisk(640 * PIECE, 65536);
  const kept = await bench.kept(disk, Array.from({ length: 640 }, (_, piece) => piece * PIECE * 65536));
  expect(kept).toBeGreaterThan(400);
  expect(kept * COST).toBeLessThanOrEqual(32 << 20);
});

test('pieces come and go, over a disk whose power is cut and one that fails', async () => {
  const bench = new Bench();
  for (const [seed, blockSize] of [[1, 4096], [2, 2 << 20]]) {
    const disk = await emptyDisk(6 * PIECE, blockSize);
    const random = prng(seed);
    const places = Array.from({ length: 60 }, (_, at) => ((at % 6) * PIECE + random.below(PIECE)) * blockSize + random.below(blockSize / 512) * 512);
    expect(await proveFarPlaces(bench.subject(undefined, { 'cache-size': 0 }), disk, { seed, places, rounds: 30, cuts: 12 })).toBeGreaterThan(5);
  }
}, 60_000);

test('what somebody else made of the table after it was looked at is an error, and no bytes', async () => {
  const bench = new Bench();
  const disk = await emptyDisk(6 * PIECE, 4096);
  const node = await bench.open(disk, { 'cache-size': 0 }, { readOnly: true });
  const read = async (offset: number): Promise<void> => node.read(offset, new Uint8Array(512), 0, 512);
  const leave = async (): Promise<void> => {
    for (let piece = 5; piece > 0; piece--) await read(piece * PIECE * 4096);
  };
  disk.content.write(TABLE, new Uint8Array(u32(0x7000_0000)), 0, 4);
  await leave();
  await expect(read(0)).rejects.toMatchObject({ kind: 'invalid-image', message: expect.stringMatching(/has been truncated/) as string });
  disk.content.write(TABLE, new Uint8Array(u32(0xffff_ffff)), 0, 4);
  await leave();
  await read(0);
});

test('looked through a few places at a time, a table is found right or wrong as at once', async () => {
  const random = prng(11);
  const blockSize = 4096;
  let refused = 0;
  for (let run = 0; run < 300; run++) {
    const tableEntries = 1 + random.below(60);
    const far = random.pick([12, 40, 400]) * tableEntries;
    const bytes = new Uint8Array(tableEntries * 4);
    for (let at = 0; at < tableEntries; at++) bytes.set(u32(random.below(3) === 0 ? 0xffff_ffff : 8 + random.below(far)), at * 4);
    const file = {
      size: 2 ** 40,
      node: { listens: false },
      read: (offset: number, into: Uint8Array, start: number, length: number): void => { into.set(bytes.subarray(offset - TABLE, offset - TABLE + length), start); },
    } as unknown as Edge;
    const header = { tableOffset: TABLE, tableEntries, blockSize, parentId: new Uint8Array(16), parentUnicodeName: '', locators: [] };
    const look = async (atOnce: number): Promise<string> => {
      const table = new BlockTable(file, header, 0);
      try {
        await verifyTable(file, table, header, 512, atOnce);
        return `ends at ${table.end}`;
      } catch (error) {
        return String(error);
      }
    };
    const found = await look(1000);
    if (!found.startsWith('ends')) refused++;
    for (const atOnce of [0, 3, 4, 7, 16]) {
      const again = await look(atOnce);
      // Of several that are wrong, it may be another.
      if (found.startsWith('ends')) expect(again).toBe(found);
      else expect(again).toMatch(/lies over/);
    }
  }
  expect(refused).toBeGreaterThan(50);
  expect(refused).toBeLessThan(250);
});
