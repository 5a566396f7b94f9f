/** Sizes, creators, damaged and hostile structures. */
import { BlockError, UNTRUSTED } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng, readAll, writeBytes } from '@blk/driver-conformance';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { geometryFor, roundToGeometry, sectorsOf } from '../src/geometry.js';
import { Bench, patched, u32, u64, type Patches } from './support.js';

const dynamic = async (size = 10 << 20): Promise<Uint8Array> => (await new Bench().create(size)).toBytes();
const fixed = async (size = 1 << 20): Promise<Uint8Array> => (await new Bench().create(size, { subformat: 'fixed' })).toBytes();
const disk = (content: Uint8Array): MemoryDisk => new MemoryDisk({ content });
const ascii = (text: string): number[] => [...text].map((char) => char.charCodeAt(0));

test('geometries of the specification', () => {
  expect(geometryFor(20480)).toEqual({ cylinders: 301, heads: 4, sectorsPerTrack: 17 });
  expect(geometryFor(2 ** 32)).toEqual({ cylinders: 65535, heads: 16, sectorsPerTrack: 255 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 65535 * 16 * 255 }), (sectors) => {
      const { geometry, sectors: rounded } = roundToGeometry(sectors * 512);
      expect(sectorsOf(geometryFor(sectors))).toBeLessThanOrEqual(sectors);
      expect(rounded).toBeGreaterThanOrEqual(sectors);
      // The largest geometry tells nothing: sizes stay as they are.
      expect(rounded).toBe(sectorsOf(geometry) === 65535 * 16 * 255 ? sectors : sectorsOf(geometry));
    }),
    { seed: 1 },
  );
});

/** `[name, patches, kind, message]`; the messages are the reference's where it refuses as well. */
const refused: [string, Patches, string, string | RegExp][] = [
  ['both footers damaged', { raw: { 64: [0, 0, 0, 0], 2112: [0, 0, 0, 0] } }, 'invalid-image', 'Incorrect header checksum'],
  ['no footer', { raw: { 0: [0], 2048: [0] } }, 'invalid-image', 'invalid VPC image'],
  ['another major version', { footer: { 12: u32(0x20000) } }, 'unsupported', 'Unsupported version 0x20000 of the footer'],
  ['a disk of no known type', { footer: { 60: u32(5) } }, 'unsupported', 'Unsupported VHD disk type 5'],
  ['a huge disk', { footer: { 28: ascii('win '), 48: u64(2040 * 2 ** 30 + 512) } }, 'too-large', /beyond the limit of 2040 GiB$/],
  ['a disk of 2^64 bytes', { footer: { 48: u64(2 ** 64 - 2048) } }, 'too-large', /beyond the limit/],
  ['a header elsewhere', { footer: { 16: u64(1536) } }, 'invalid-image', 'Invalid header magic'],
  ['a header far away', { footer: { 16: u64(2 ** 63) } }, 'invalid-image', 'Invalid header magic'],
  ['another header', { header: { 0: [0] } }, 'invalid-image', 'Invalid header magic'],
  ['a damaged header', { raw: { 548: [0, 0] } }, 'invalid-image', 'Incorrect checksum of the dynamic disk header'],
  ['another version of the header', { header: { 24: u32(0x20000) } }, 'unsupported', 'Unsupported version 0x20000 of the dynamic disk header'],
  ...[0, 1, 256, 1000, 3 << 19, 2 ** 32 - 1].map((size): [string, Patches, string, string] => [
    `blocks of ${size} bytes`, { header: { 32: u32(size) } }, 'invalid-image', `Invalid block size ${size}`,
  ]),
  ['small blocks', { header: { 32: u32(4096) } }, 'invalid-image', 'Page table too small'],
  ['few entries', { header: { 28: u32(5) } }, 'invalid-image', 'Page table too small'],
  ['very many entries', { header: { 28: u32(0x7fffffff) } }, 'too-large', /^Max Table Entries too large .2147483647.$/],
  ['one entry too many', { header: { 28: u32(0x20000000) } }, 'too-large', /^Max Table Entries too large .536870912.$/],
  ['more entries than memory', { header: { 28: u32(0x10000000) } }, 'policy', /beyond the limit/],
  ['more entries than the file has', { header: { 28: u32(100_000) } }, 'invalid-image', /The image has been truncated/],
  ['a table far away', { header: { 16: u64(2 ** 40) } }, 'invalid-image', /The image has been truncated/],
  ['a table at 2^64', { header: { 16: u64(2 ** 64 - 2048) } }, 'invalid-image', /The image has been truncated/],
  ['a table at an odd place', { header: { 16: u64(1000) } }, 'invalid-image', 'Invalid offset 1000 of the block table'],
  ['a table over the copy of the footer', { header: { 16: u64(0) } }, 'invalid-image', 'Invalid offset 0 of the block table'],
  ['a table over the header', { header: { 16: u64(1024) } }, 'invalid-image', 'Invalid offset 1024 of the block table'],
  ['a block beyond the end', { raw: { 1536: u32(100) } }, 'invalid-image', /The image has been truncated/],
  ['a block over the footer', { raw: { 1536: u32(0) } }, 'invalid-image', 'Block 0 lies over the copy of the footer'],
  ['a block over the header', { raw: { 1540: u32(1) } }, 'invalid-image', 'Block 1 lies over the dynamic disk header'],
  ['a block over the table', { raw: { 1540: u32(3) } }, 'invalid-image', 'Block 1 lies over the block table'],
  ['blocks over each other', { raw: { 1536: u32(10), 1544: u32(12) } }, 'invalid-image', 'Block 2 lies over block 0'],
  ['two blocks in one place', { raw: { 1536: u32(10), 1544: u32(10) } }, 'invalid-image', 'Block 2 lies over block 0'],
  ['a parent without a name', { footer: { 60: u32(4) } }, 'invalid-image', 'The differencing image does not name its parent'],
];

describe('refused', () => {
  test.each(refused)('%s', async (_name, patches, kind, message) => {
    const bench = new Bench();
    const opening = bench.open(disk(patched(await dynamic(), patches)));
    await expect(opening).rejects.toMatchObject({ kind, message: expect.stringMatching(message) as string });
  });

  test('short files', async () => {
    const bench = new Bench();
    await expect(bench.open(disk(new Uint8Array(100)))).rejects.toMatchObject({ message: 'File too small for a VHD header' });
    await expect(bench.open(disk(new Uint8Array(10_000)))).rejects.toMatchObject({ message: 'invalid VPC image' });
    await expect(bench.open(disk((await dynamic()).slice(0, 1536)))).rejects.toMatchObject({ kind: 'invalid-image' });
    await expect(bench.open(disk((await dynamic()).slice(0, 1000)))).rejects.toMatchObject({ kind: 'invalid-image' });
    // A footer of a fixed disk, but not at its end.
    const moved = (await fixed()).slice(-512);
    await expect(bench.open(disk(new Uint8Array([...moved, ...new Uint8Array(2000)])))).rejects.toMatchObject({ message: 'invalid VPC image' });
    const shortened = (await fixed()).slice(512);
    await expect(bench.open(disk(shortened))).rejects.toMatchObject({ message: /^The disk of .* reaches beyond the end of the file/ });
  });

  test('another option', async () => {
    await expect(new Bench().open(disk(await dynamic()), { force_size_calc: 'auto' })).rejects.toMatchObject({ message: "Invalid size calculation mode: 'auto'" });
  });
});

test('sizes depend on the creator, or on the option', async () => {
  const bench = new Bench();
  const sizeOf = async (creator: string, options = {}): Promise<number> => {
    const node = await bench.open(disk(patched(await dynamic(), { footer: { 28: ascii(creator), 48: u64(10 << 20) } })), options);
    const { size } = node;
    await bench.graph.release(node);
    return size;
  };
  for (const creator of ['vpc ', 'vs  ', 'qemu', 'abcd']) expect(await sizeOf(creator)).toBe(10514432);
  for (const creator of ['win ', 'qem2', 'd2v ', 'tap\0', 'CTXS']) expect(await sizeOf(creator)).toBe(10 << 20);
  expect(await sizeOf('vpc ', { force_size_calc: 'current_size' })).toBe(10 << 20);
  expect(await sizeOf('win ', { force_size_calc: 'chs' })).toBe(10514432);
  expect(bench.warnings).toEqual([]);
  // Nobody knows that this one goes by its geometry: what would be out of sight is spoken of.
  const node = await bench.open(disk(patched(await dynamic(), { footer: { 28: ascii('vbox'), 48: u64(11 << 20) } })));
  expect(node.size).toBe(10514432);
  expect(bench.warnings).toEqual([expect.stringMatching(/10514432 bytes of its geometry .* 11534336 bytes/)]);
});

test('of sizes, what is left of a sector does not count, and only what nobody knows of is spoken of', async () => {
  const bench = new Bench();
  const open = async (footer: Record<number, readonly number[]>, options = {}): Promise<number> => (await bench.open(disk(patched(await dynamic(), { footer })), options)).size;
  expect(await open({ 28: ascii('win '), 48: u64((10 << 20) + 100) })).toBe(10 << 20);
  // No geometry, and the largest there is, say nothing.
  expect(await open({ 28: ascii('vpc '), 48: u64(10 << 20), 56: [0, 0, 0, 0] })).toBe(10 << 20);
  expect(await open({ 28: ascii('vpc '), 48: u64(10 << 20), 56: [255, 255, 16, 255] })).toBe(10 << 20);
  for (const creator of ['vpc ', 'vs  ', 'qemu']) expect(await open({ 28: ascii(creator), 48: u64(11 << 20) })).toBe(10514432);
  expect(await open({ 28: ascii('vbox'), 48: u64(11 << 20) }, { force_size_calc: 'chs' })).toBe(10514432);
  expect(await open({ 28: ascii('vbox'), 48: u64(10514432 + 511) })).toBe(10514432);
  expect(bench.warnings).toEqual([]);
});

test('minor versions do not matter', async () => {
  for (const patches of [{ footer: { 12: u32(0x10007) } }, { header: { 24: u32(0x10007) } }]) {
    await expect(new Bench().open(disk(patched(await dynamic(), patches)))).resolves.toBeDefined();
  }
});

test('opening an image to write to it changes nothing, but for a copy of the footer that is an older one', async () => {
  const bench = new Bench();
  for (const bytes of [await dynamic(), await fixed()]) {
    const image = disk(bytes);
    await bench.graph.release(await bench.open(image));
    expectSameBytes(image.toBytes(), bytes);
  }
  const newest = await dynamic();
  const older = patched(newest, { footer: { 24: u32(1) } }).subarray(0, 512);
  const image = disk(new Uint8Array([...older, ...newest.subarray(512)]));
  await bench.graph.release(await bench.open(image));
  expectSameBytes(image.toBytes(), newest);
});

test('footers of 511 bytes', async () => {
  const bench = new Bench();
  const whole = await fixed();
  whole.fill(7, 0, 100);
  const old = whole.slice(0, -1);
  const node = await bench.open(disk(old));
  expectSameBytes(await readAll(node), whole.subarray(0, -512));
  const image = await dynamic();
  const grown = disk(image.slice(0, -1));
  const writer = await bench.open(grown);
  await writeBytes(writer, 5000, new Uint8Array(100).fill(3));
  await bench.graph.release(writer);
  const reader = await bench.open(disk(grown.toBytes()));
  expectSameBytes(await readAll(reader), new Uint8Array(reader.size).fill(3, 5000, 5100));
});

test('a fixed disk whose guest wrote an image into it stays one', async () => {
  const bench = new Bench();
  const outer = await fixed(4 << 20);
  outer.set(await dynamic(1 << 20));
  const node = await bench.open(disk(outer));
  expectSameBytes(await readAll(node), outer.subarray(0, -512));
  expect(node.size).toBe(outer.length - 512);
});

test('sectors that a dynamic disk does not hold read as zeroes, and writing adds to them', async () => {
  const bench = new Bench();
  const image = await bench.create(10 << 20, { force_size: true });
  const node = await bench.open(image);
  const content = prng(4).bytes(2 << 20);
  await writeBytes(node, 0, content);
  await bench.graph.release(node);
  // Every other byte of the bitmap is cleared: eight sectors are there, eight are not.
  const bytes = image.toBytes();
  for (let at = 0; at < 512; at += 2) bytes[2048 + at] = 0;
  const partial = disk(bytes);
  const model = content.slice();
  for (let at = 0; at < 512; at += 2) model.fill(0, at * 4096, (at + 1) * 4096);
  const random = prng(5);
  const writer = await bench.open(partial);
  expectSameBytes((await readAll(writer)).subarray(0, 2 << 20), model);
  expect(await writer.extent(4096, 1 << 20)).toMatchObject({ length: 4096, data: true });
  expect(await writer.extent(8192 + 100, 1 << 20)).toMatchObject({ length: 3996, zero: true, data: false });
  for (let step = 0; step < 40; step++) {
    const piece = random.bytes(1 + random.below(9000));
    const offset = random.below((2 << 20) - piece.length);
    await writeBytes(writer, offset, piece);
    model.set(piece, offset);
  }
  expectSameBytes((await readAll(writer)).subarray(0, 2 << 20), model);
  await bench.graph.release(writer);
  expectSameBytes((await readAll(await bench.open(partial))).subarray(0, 2 << 20), model);
});

test('any damage gives an image or a BlockError, and reading as well', async () => {
  const bench = new Bench(UNTRUSTED);
  const image = await dynamic();
  await fc.assert(
    fc.asyncProperty(
      fc.record({ at: fc.integer({ min: 0, max: 1567 }), bytes: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 8 }), sums: fc.boolean() }),
      async ({ at, bytes, sums }) => {
        const where = at < 512 ? { footer: { [Math.min(at, 500)]: bytes } } : at < 1536 ? { header: { [Math.min(at - 512, 1000)]: bytes } } : { raw: { [at]: bytes } };
        const damaged = disk(patched(image, sums ? where : { raw: { [at]: bytes } }));
        try {
          const node = await bench.open(damaged, { backing: null }, { readOnly: true });
          const buffer = new Uint8Array(65536);
          await node.read(Math.max(0, node.size - 65536), buffer, 0, Math.min(node.size, 65536));
          await bench.graph.release(node);
        } catch (error) {
          if (!(error instanceof BlockError)) throw error;
        }
      },
    ),
    { seed: 7, numRuns: 400 },
  );
});
