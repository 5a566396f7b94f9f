/** The block table is kept in memory as far as `cache-size` allows, however large the disk is; what is right with all of it in memory is right with little of it. */
import { UNTRUSTED } from '@blk/core-graph';
import type { MemoryDisk} from '@blk/driver-conformance';
import { prng, proveFarPlaces, recorder, writeBytes } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { BAT, Bench, u64 } from './support.js';

const MIB = 2 ** 20;
/** Bytes of memory that a piece of the table takes, and what it tells of: 8192 entries, of which every 4097th is one of a bitmap. */
const COST = 65536 + 1024;
const inPiece = (piece: number): number => (piece * 8190 + 100) * MIB;

/** The table of 128 MiB is a hole in the file. */
const huge = (bench: Bench): Promise<MemoryDisk> => bench.create(16 * 2 ** 40, { block_size: MIB, block_state_zero: false });
const sixPieces = (bench: Bench): Promise<MemoryDisk> => bench.create(6 * 8000 * MIB, { block_size: MIB });

test('the table stays within `cache-size`, and in memory where it is', async () => {
  const bench = new Bench();
  const disk = await bench.create(12 * 8000 * MIB, { block_size: MIB });
  const places = Array.from({ length: 12 }, (_, piece) => inPiece(piece));
  expect(await bench.kept(disk, places)).toBe(12);
  expect(await bench.kept(disk, places, { 'cache-size': 12 * COST })).toBe(12);
  expect(await bench.kept(disk, places, { 'cache-size': 12 * COST - 1 })).toBeLessThan(12);
  for (const little of [0, 1, '1k']) expect(await bench.kept(disk, places, { 'cache-size': little })).toBeLessThanOrEqual(4);
  await expect(bench.open(disk, { 'cache-size': -1 })).rejects.toMatchObject({ kind: 'invalid-argument' });
});

test('a disk of 16 TiB in blocks of a MiB, from others, takes 32 MiB at most', async () => {
  const bench = new Bench(UNTRUSTED);
  const disk = await huge(bench);
  const kept = await bench.kept(disk, Array.from({ length: 800 }, (_, piece) => inPiece(piece * 2)));
  expect(kept).toBeGreaterThan(400);
  expect(kept * COST).toBeLessThanOrEqual(32 * MIB);
  const node = await bench.open(disk);
  const last = node.size - 512;
  for (const offset of [0, inPiece(700), last]) await writeBytes(node, offset, new Uint8Array(512).fill(7));
  expect(await node.extent(inPiece(700), MIB)).toMatchObject({ data: true });
  expect(await node.extent(inPiece(1500), 2 ** 40)).toMatchObject({ data: false, zero: true });
  await bench.graph.release(node);
  const reader = await bench.open(disk, {}, { readOnly: true });
  for (const offset of [0, inPiece(700), last]) {
    const bytes = new Uint8Array(512);
    await reader.read(offset, bytes, 0, 512);
    expect([...new Set(bytes)]).toEqual([7]);
  }
}, 60_000);

test('pieces come and go, over a disk whose power is cut and one that fails', async () => {
  const bench = new Bench();
  const disk = await sixPieces(bench);
  const random = prng(2);
  const places = Array.from({ length: 60 }, (_, at) => inPiece(at % 6) + random.below(7000) * MIB + random.below(2048) * 512);
  expect(await proveFarPlaces(bench.subject(undefined, { 'cache-size': 0 }), disk, { seed: 1, places, rounds: 30, cuts: 12 })).toBeGreaterThan(5);
}, 60_000);

test('once the log was put into the file, a piece that is read again has what was written since', async () => {
  const bench = new Bench();
  const disk = await sixPieces(bench);
  const node = await bench.open(disk);
  await writeBytes(node, 0, new Uint8Array(512).fill(1));
  await node.flush();
  const recording = recorder(disk);
  await writeBytes(node, MIB, new Uint8Array(512).fill(2));
  await node.flush();
  // The log has the entry; the table has not.
  const last = recording.operations.findLast(({ verb, offset }) => verb === 'write' && offset === BAT);
  const left = recording.cut(recording.now, (change) => change !== last);
  left.content.write(BAT, recording.base.toBytes().subarray(BAT, BAT + 4096), 0, 4096);
  expect(last).toBeDefined();
  const again = await bench.open(left, { 'cache-size': 0 });
  await writeBytes(again, 2 * MIB, new Uint8Array(512).fill(3));
  await again.flush();
  const value = async (offset: number): Promise<number> => {
    const bytes = new Uint8Array(1);
    await again.read(offset, bytes, 0, 1);
    return bytes[0];
  };
  for (let piece = 5; piece > 0; piece--) expect(await value(inPiece(piece))).toBe(0);
  expect([await value(0), await value(MIB), await value(2 * MIB)]).toEqual([1, 2, 3]);
  await bench.graph.release(again);
});

test('what somebody else made of the table after it was looked at is an error, and no bytes', async () => {
  const bench = new Bench();
  const disk = await sixPieces(bench);
  const node = await bench.open(disk, { 'cache-size': 0 }, { readOnly: true });
  const wrong = [[u64(2 ** 40 + 6), /^Block 0 at 1099511627776 reaches beyond the end/], [[6, 0, 0, 0, 0, 0, 0, 0x80], /^Block 0 at .* reaches beyond the end/], [[5], /^Block 0 has the state 5/], [[7], /^Block 0 has the state 7/]] as const;
  for (const [entry, message] of wrong) {
    disk.content.write(BAT, new Uint8Array(entry), 0, entry.length);
    for (let piece = 5; piece > 0; piece--) await node.read(inPiece(piece), new Uint8Array(1), 0, 1);
    await expect((async () => node.read(0, new Uint8Array(512), 0, 512))()).rejects.toMatchObject({ kind: 'invalid-image', message: expect.stringMatching(message) as string });
    disk.content.write(BAT, new Uint8Array(8), 0, 8);
  }
  for (let piece = 5; piece > 0; piece--) await node.read(inPiece(piece), new Uint8Array(1), 0, 1);
  const bytes = new Uint8Array(512).fill(9);
  await node.read(0, bytes, 0, 512);
  expect([...new Set(bytes)]).toEqual([0]);
});
