/** Damaged and hostile structures, sector sizes, parents. */
import { BlockError, UNTRUSTED } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng, readAll, writeBytes } from '@blk/driver-conformance';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BAT, Bench, differencing, ITEMS, METADATA, patched, u32, u64, type Patches } from './support.js';

const MIB = 1 << 20;
const image = async (size = 5 * MIB): Promise<Uint8Array> => (await new Bench().create(size, { block_size: MIB })).toBytes();
const disk = (content: Uint8Array): MemoryDisk => new MemoryDisk({ content });

/** `[name, patches, kind, message]`. */
const refused: [string, Patches, string, RegExp][] = [
  ['another magic', { raw: { 0: [0] } }, 'invalid-image', /^Image is not in vhdx format/],
  ['no whole header', { raw: { 0x10100: [1], 0x20100: [1] } }, 'invalid-image', /^No valid VHDX header found/],
  ['another version', { header: { 66: [2, 0] } }, 'unsupported', /^Unsupported version 2 of the VHDX header/],
  ['another log version', { header: { 64: [1, 0] } }, 'unsupported', /^Unsupported version 1 of the VHDX log/],
  ['a log at an odd place', { header: { 72: u64(MIB + 1) } }, 'invalid-image', /^The log of 1048576 bytes cannot lie at 1048577/],
  ['a log without length', { header: { 68: u32(0) } }, 'invalid-image', /^The log of 0 bytes/],
  ['a log over the block table', { header: { 68: u32(2 * MIB) } }, 'invalid-image', /^The block table lies over the log/],
  ['a log that is empty and should not be', { header: { 48: [1] } }, 'invalid-image', /^The log is corrupt/],
  ['a log beyond the end', { header: { 48: [1], 72: u64(2 ** 50) } }, 'invalid-image', /^The log of .* cannot lie at/],
  ['no whole region table', { raw: { 0x30100: [1], 0x40100: [1] } }, 'invalid-image', /^No valid region table/],
  ['very many regions', { regions: { 8: u32(5000) } }, 'invalid-image', /^No valid region table/],
  ['an unknown region that is needed', { regions: { 48: [1] } }, 'unsupported', /^The image needs the region 8b7ca201-/],
  ['no metadata', { regions: { 8: u32(1) } }, 'invalid-image', /^The image has no metadata region/],
  ['no block table', { regions: { 16: [1], 44: u32(0) } }, 'invalid-image', /^The image has no block table/],
  ['the same region twice', { regions: { 48: [0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 8] } }, 'invalid-image', /^No valid region/],
  ['a region at an odd place', { regions: { 32: u64(BAT + 4096) } }, 'invalid-image', /^The block table of .* cannot lie/],
  ['a region over the headers', { regions: { 32: u64(0) } }, 'invalid-image', /^The (block table|header section)/],
  ['a region beyond the end', { regions: { 32: u64(2 ** 40) } }, 'invalid-image', /^The block table of .* cannot lie/],
  ['a region at 2^63', { regions: { 32: u64(2 ** 63) } }, 'invalid-image', /^The block table of .* cannot lie/],
  ['no metadata table', { raw: { [METADATA]: [0] } }, 'invalid-image', /^Invalid metadata table/],
  ['an unknown item that is needed', { raw: { [METADATA + 32]: [1] } }, 'unsupported', /^The image needs the metadata item/],
  ['an item outside', { raw: { [METADATA + 48]: u32(MIB) } }, 'invalid-image', /^The metadata item .* cannot lie at 1048576/],
  ['a missing item', { raw: { [METADATA + 10]: [1, 0] } }, 'invalid-image', /^The image has no/],
  ['an item inside of the table', { raw: { [METADATA + 48]: u32(0) } }, 'invalid-image', /^The metadata item .* of 8 bytes cannot lie at 0$/],
  ['an item that passes the end of its region', { raw: { [METADATA + 48]: u32(MIB - 4) } }, 'invalid-image', /^The metadata item .* cannot lie at 1048572$/],
  ['half an item', { raw: { [METADATA + 52]: u32(4) } }, 'invalid-image', /^The file parameters of 4 bytes cannot lie/],
  ['the same item twice', { raw: { [METADATA + 64]: [0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b] } }, 'invalid-image', /is there twice$/],
  ['very many items', { raw: { [METADATA + 10]: [0, 8] } }, 'invalid-image', /^Invalid metadata table/],
  ['blocks of 3 MiB', { raw: { [ITEMS]: u32(3 * MIB) } }, 'invalid-image', /^Invalid block size 3145728/],
  ['blocks of 512 MiB', { raw: { [ITEMS]: u32(512 * MIB) } }, 'invalid-image', /^Invalid block size/],
  ['no block size', { raw: { [ITEMS]: u32(0) } }, 'invalid-image', /^Invalid block size 0/],
  ['sectors of 1024 bytes', { raw: { [ITEMS + 32]: u32(1024) } }, 'invalid-image', /^Invalid logical sector size 1024/],
  ['half a sector', { raw: { [ITEMS + 8]: u64(5 * MIB + 100) } }, 'invalid-image', /no whole sectors/],
  ['a huge disk', { raw: { [ITEMS + 8]: u64(2 ** 46 + 512) } }, 'too-large', /beyond the limit of 64 TiB/],
  ['a disk larger than its table', { raw: { [ITEMS + 8]: u64(2 ** 40) } }, 'invalid-image', /has no room/],
  ['a block in a state of no meaning', { raw: { [BAT]: [5] } }, 'invalid-image', /^Block 0 has the state 5/],
  ['a block held in part without a parent', { raw: { [BAT]: [7] } }, 'invalid-image', /^Block 0 has the state 7/],
  ['a block beyond the end', { raw: { [BAT]: u64(100 * MIB + 6) } }, 'invalid-image', /^Block 0 at 104857600 reaches beyond the end/],
  ['a block over the headers', { raw: { [BAT]: u64(6) } }, 'invalid-image', /lies over the header section/],
  ['a block over the table', { raw: { [BAT]: u64(BAT + 6) } }, 'invalid-image', /lies over the block table/],
];

describe('refused', () => {
  test.each(refused)('%s', async (_name, patches, kind, message) => {
    const opening = new Bench().open(disk(patched(await image(), patches)));
    await expect(opening).rejects.toMatchObject({ kind, message: expect.stringMatching(message) as string });
  });

  test('blocks over each other, and far away', async () => {
    const bytes = await image();
    const longer = new Uint8Array(bytes.length + 4 * MIB);
    longer.set(bytes);
    const open = (raw: Record<number, number[]>): Promise<unknown> => new Bench().open(disk(patched(longer, { raw })));
    await expect(open({ [BAT]: u64(bytes.length + 6), [BAT + 16]: u64(bytes.length + 6) })).rejects.toMatchObject({ message: /^The block at .* lies over the block at/ });
    await expect(open({ [BAT]: [6, 0, 0, 0, 0, 0, 0, 0x80] })).rejects.toMatchObject({ message: /reaches beyond the end/ });
    await expect(open({ [BAT]: u64(bytes.length + 6), [BAT + 16]: u64(bytes.length + MIB + 6) })).resolves.toBeDefined();
  });

  test('blocks of several MiB that lie over each other in part', async () => {
    const bytes = (await new Bench().create(8 * MIB, { block_size: 2 * MIB })).toBytes();
    const longer = new Uint8Array(bytes.length + 4 * MIB);
    longer.set(bytes);
    const open = (second: number): Promise<unknown> => new Bench().open(disk(patched(longer, { raw: { [BAT]: u64(bytes.length + 6), [BAT + 8]: u64(bytes.length + second + 6) } })));
    await expect(open(MIB)).rejects.toMatchObject({ message: `The block at ${bytes.length + MIB} lies over the block at ${bytes.length}` });
    await expect(open(2 * MIB)).resolves.toBeDefined();
  });

  test('a block over a region that others know', async () => {
    const bytes = await image();
    const longer = new Uint8Array(bytes.length + 2 * MIB);
    longer.set(bytes);
    const other = { 8: u32(3), 80: [1], 96: u64(bytes.length), 104: u32(MIB) };
    const open = (place: number): Promise<unknown> => new Bench().open(disk(patched(longer, { regions: other, raw: { [BAT]: u64(place + 6) } })));
    await expect(open(bytes.length)).rejects.toMatchObject({ message: expect.stringMatching(/ lies over the region 00000001-/) as string });
    await expect(open(bytes.length + MIB)).resolves.toBeDefined();
  });

  test('an item of more than a MiB, in a region that has the room for it', async () => {
    const large = disk(patched(await image(), { regions: { 72: u32(64 * MIB) }, raw: { [METADATA + 52]: u32(32 * MIB) } }));
    large.content.resize(METADATA + 64 * MIB);
    await expect(new Bench().open(large)).rejects.toMatchObject({ message: expect.stringMatching(/of 33554432 bytes cannot lie/) as string });
  });

  test('short files', async () => {
    const bytes = await image();
    await expect(new Bench().open(disk(bytes.slice(0, 65_636)))).rejects.toMatchObject({ message: /^No valid VHDX header found/ });
    for (const length of [0, 100, 70_000, MIB, 2 * MIB, 3 * MIB]) await expect(new Bench().open(disk(bytes.slice(0, length)))).rejects.toBeInstanceOf(BlockError);
  });

  test('blocks so scattered that it takes more memory than the policy allows to look at their places', async () => {
    const scattered = disk(patched(await image(), { raw: Object.fromEntries([0, 1, 2].map((block) => [BAT + block * 8, u64(2 ** 36 * (block + 1) + 6)])) }));
    scattered.content.resize(2 ** 40);
    const open = (maxMetadataBytes: number): Promise<unknown> => new Bench({ ...UNTRUSTED, maxMetadataBytes }).open(scattered, {}, { readOnly: true });
    await expect(open(3 * 8192)).rejects.toMatchObject({ kind: 'policy', message: expect.stringMatching(/^The blocks lie so scattered/) as string });
    await expect(open(4 * 8192)).resolves.toBeDefined();
  });
});

test('a file that ends inside of its last MiB, but behind all that is in use', async () => {
  const bench = new Bench();
  const whole = await image(4 * MIB + 512 * 1024);
  expectSameBytes(await bench.content(disk(whole.slice(0, ITEMS + 64))), new Uint8Array(4 * MIB + 512 * 1024));
  // Of the last block there is as much as the disk has.
  const bytes = new Uint8Array(whole.length + 512 * 1024);
  bytes.set(patched(whole, { raw: { [BAT + 32]: u64(whole.length + 6) } }));
  bytes.fill(7, whole.length);
  expectSameBytes(await bench.content(disk(bytes)), new Uint8Array(4 * MIB + 512 * 1024).fill(7, 4 * MIB));
  await expect(bench.open(disk(bytes.slice(0, -1)))).rejects.toMatchObject({ message: expect.stringMatching(/^Block 4 at .* reaches beyond the end/) as string });
});

test('the largest disk there is', async () => {
  const bench = new Bench();
  expect((await bench.open(await bench.create(2 ** 46, { block_state_zero: false }))).size).toBe(2 ** 46);
});

test('one of two headers, and one of two region tables, is enough', async () => {
  for (const raw of [{ 0x10100: [1] }, { 0x20100: [1] }, { 0x30100: [1] }, { 0x40100: [1] }]) {
    const bench = new Bench();
    const damaged = disk(patched(await image(), { raw }));
    const node = await bench.open(damaged);
    await writeBytes(node, 4096, new Uint8Array(5000).fill(7));
    await bench.graph.release(node);
    expectSameBytes(await readAll(await bench.open(damaged)), new Uint8Array(5 * MIB).fill(7, 4096, 9096));
  }
});

test('sectors of 4096 bytes', async () => {
  const bench = new Bench();
  const native = disk(patched(await image(), { raw: { [ITEMS + 32]: u32(4096), [ITEMS + 36]: u32(4096) } }));
  const node = await bench.open(native);
  expect(node.limits.alignment).toBe(4096);
  const model = new Uint8Array(5 * MIB);
  const random = prng(2);
  for (let step = 0; step < 20; step++) {
    const piece = random.bytes(1 + random.below(20_000));
    const offset = random.below(model.length - piece.length);
    await writeBytes(node, offset, piece);
    model.set(piece, offset);
  }
  await bench.graph.release(node);
  expectSameBytes(await readAll(await bench.open(native)), model);
});

test('all states of blocks without data read as zeroes', async () => {
  const bytes = patched(await image(), { raw: { [BAT]: [0], [BAT + 8]: [1], [BAT + 16]: [2], [BAT + 24]: [3] } });
  expectSameBytes(await readAll(await new Bench().open(disk(bytes))), new Uint8Array(5 * MIB));
});

describe('differencing disks', () => {
  const setUp = async (names: Record<string, string>, linkage?: string): Promise<{ bench: Bench; model: Uint8Array; child: MemoryDisk; id: string }> => {
    const bench = new Bench();
    const parent = await bench.create(5 * MIB, { block_size: MIB }, 'parent.vhdx');
    const model = prng(9).bytes(5 * MIB);
    const node = await bench.open(parent);
    await writeBytes(node, 0, model);
    const id = (node.driver as unknown as { dataWriteId: string }).dataWriteId;
    await bench.graph.release(node);
    const content = prng(10).bytes(MIB);
    const odd = (sector: number): boolean => sector % 3 === 1 || (sector > 500 && sector < 900);
    const bytes = differencing(await image(), {
      names: { parent_linkage: `{${(linkage ?? id).toUpperCase()}}`, ...names },
      blocks: [
        { block: 0, state: 6, content },
        { block: 1, state: 7, content, sectors: odd },
        { block: 2, state: 2 },
      ],
    });
    model.set(content, 0);
    for (let sector = 0; sector < 2048; sector++) if (odd(sector)) model.set(content.subarray(sector * 512, (sector + 1) * 512), MIB + sector * 512);
    model.fill(0, 2 * MIB, 3 * MIB);
    const child = bench.disks.put('child.vhdx');
    child.content.write(0, bytes, 0, bytes.length);
    return { bench, model, child, id };
  };
  const openChild = (bench: Bench): ReturnType<Bench['open']> => bench.graph.open('memory:child.vhdx', { format: 'vhdx', readOnly: true });

  test.each([{ relative_path: '.\\parent.vhdx' }, { absolute_win32_path: 'C:\\x\\parent.vhdx' }])('over the parent named by %o', async (names) => {
    const { bench, model } = await setUp(names);
    const node = await openChild(bench);
    expectSameBytes(await readAll(node), model);
    expect(await node.extent(MIB + 512, 4096)).toMatchObject({ length: 512, allocated: true });
    expect(await node.extent(MIB, 4096)).toMatchObject({ length: 512, allocated: false });
  });

  test.each([
    ['a path that is no URL', { relative_path: 'a:parent.vhdx' }, './a:parent.vhdx'],
    ['folders of their own', { relative_path: '.\\.\\sub\\parent.vhdx' }, 'sub/parent.vhdx'],
    ['an empty relative path', { relative_path: '', absolute_win32_path: 'C:\\x\\parent.vhdx' }, 'parent.vhdx'],
    ['a volume', { volume_path: '\\\\?\\Volume{1}\\x\\parent.vhdx' }, 'parent.vhdx'],
    ['a zero behind the name', { relative_path: 'parent.vhdx\0rest' }, 'parent.vhdx'],
  ])('a parent named by %s', async (_what, names, filename) => {
    const bytes = differencing(await image(), { names, blocks: [] });
    const node = await new Bench().open(disk(bytes), { backing: null }, { readOnly: true });
    expect(node.driver.recordedBacking).toEqual({ filename, format: 'vhdx' });
  });

  test('a parent that was written to once since, as the second identifier tells', async () => {
    const { bench, id } = await setUp({ relative_path: 'parent.vhdx' });
    const names = { relative_path: 'parent.vhdx', parent_linkage: '{11111111-2222-3333-4444-555555555555}', parent_linkage2: `{${id}}` };
    const bytes = differencing(await image(), { names, blocks: [] });
    bench.disks.put('child.vhdx').content.write(0, bytes, 0, bytes.length);
    await expect(openChild(bench)).resolves.toBeDefined();
  });

  test('refused: locators that make no sense, and blocks in part without a bitmap', async () => {
    const LOCATOR = ITEMS + 4096;
    const bytes = differencing(await image(), { names: { relative_path: 'parent.vhdx' }, blocks: [{ block: 0, state: 7 }] });
    const open = (raw: Record<number, readonly number[]>): Promise<unknown> => new Bench().open(disk(patched(bytes, { raw })), { backing: null }, { readOnly: true });
    await expect(open({})).resolves.toBeDefined();
    await expect(open({ [LOCATOR]: [0] })).rejects.toMatchObject({ message: 'The parent of the image is of a kind that is not known' });
    for (const raw of [{ [LOCATOR + 18]: [65, 0] }, { [LOCATOR + 20]: u32(2 ** 31) }, { [LOCATOR + 28]: [255, 255] }, { [LOCATOR + 32]: [0, 0xd8] }]) {
      await expect(open(raw)).rejects.toMatchObject({ kind: 'invalid-image', message: 'Invalid parent locator' });
    }
    await expect(open({ [BAT + 4096 * 8]: u64(0) })).rejects.toMatchObject({ message: 'Block 0 is held in part, but has no sector bitmap' });
  });

  test('bitmaps and entries of blocks behind the first 4 GiB', async () => {
    const bench = new Bench();
    const large = await bench.create(9 * 2 ** 30, { block_size: MIB, block_state_zero: false });
    const end = 6 * MIB;
    const small = differencing(large.toBytes(), { names: { relative_path: 'parent.vhdx' }, blocks: [] });
    const bytes = new Uint8Array(end + 2 * MIB);
    bytes.set(small.subarray(0, 4 * MIB));
    // The sixth of the second chunk: behind one entry of a bitmap; in the bitmap of its chunk it has bytes 1280 to 1535.
    const BLOCK = 4096 + 5;
    bytes.fill(0, BAT, BAT + MIB);
    bytes.set(u64(end + 7), BAT + (BLOCK + 1) * 8);
    bytes.set(u64(end + MIB + 6), BAT + (2 * 4097 - 1) * 8);
    bytes.fill(7, end, end + MIB);
    bytes.fill(0x0f, end + MIB + 1280, end + MIB + 1536);
    const node = await bench.open(disk(bytes), { backing: null }, { readOnly: true });
    const found = new Uint8Array(3 * MIB);
    await node.read((BLOCK - 1) * MIB, found, 0, found.length);
    const expected = new Uint8Array(3 * MIB);
    for (let sector = 0; sector < 2048; sector++) if (sector % 8 < 4) expected.fill(7, MIB + sector * 512, MIB + sector * 512 + 512);
    expectSameBytes(found, expected);
  });

  test('refused: to be written, another parent, no name', async () => {
    const { bench, child } = await setUp({ relative_path: 'parent.vhdx' });
    await expect(bench.open(child)).rejects.toMatchObject({ message: 'Differencing VHDX images can only be read' });
    const changed = await setUp({ relative_path: 'parent.vhdx' }, '11111111-2222-3333-4444-555555555555');
    await expect(openChild(changed.bench)).rejects.toMatchObject({ message: /^The parent has the identifier/ });
    await expect(openChild((await setUp({})).bench)).rejects.toMatchObject({ message: 'The differencing image does not name its parent' });
  });
});

test('any damage gives an image or a BlockError, and reading as well', async () => {
  const bench = new Bench(UNTRUSTED);
  const whole = await image();
  const areas = [0x10000, 0x20000, 0x30000, BAT, METADATA, ITEMS, MIB];
  await fc.assert(
    fc.asyncProperty(
      fc.record({ area: fc.constantFrom(...areas), at: fc.integer({ min: 0, max: 200 }), bytes: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 8 }) }),
      async ({ area, at, bytes }) => {
        const where = area === 0x10000 ? { header: { [at]: bytes } } : area === 0x30000 ? { regions: { [at]: bytes } } : { raw: { [area + at]: bytes } };
        try {
          const node = await bench.open(disk(patched(whole, where)), { backing: null }, { readOnly: true });
          const buffer = new Uint8Array(65536);
          await node.read(Math.max(0, node.size - 65536), buffer, 0, Math.min(node.size, 65536));
          await bench.graph.release(node);
        } catch (error) {
          if (!(error instanceof BlockError)) throw error;
        }
      },
    ),
    { seed: 7, numRuns: 200 },
  );
});
