/** Disks of ESX: VMFS, COWD and seSparse extents, over parents, read and written; damaged ones, and those that are devices. */
import { readFileSync } from 'node:fs';
import { BlockError, UNTRUSTED, type BlockNode } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, provePowerCuts, readAll, scribble } from '@blk/driver-conformance';
import { cowdExtent, sampleContent, seSparseExtent, vmdkDescriptor, type GrainState } from '@blk/image-writers';
import { checkImage, expectContent, imageInfo, prng, qemuImg, scribbleWithQemuIo, skipUnless, tempDir } from '@blk/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCowdHeader } from '../src/cowd-extent.js';
import { checkVolatileHeader, parseSeSparseHeader } from '../src/sesparse-header.js';
import { Bench, edited, type Edit } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
/** Two tables of seSparse or of COWD with grains of 4 KiB, and a part of a grain at the end. */
const SIZE = (17 << 20) + 1536;
const PARENT = { contentId: '11111111', filename: 'parent.vmdk' };
const KINDS = { VMFSSPARSE: 'vmfsSparse', SESPARSE: 'seSparse', VMFS: 'vmfs' } as const;
type Kind = keyof typeof KINDS;

function descriptor(kind: Kind, size: number, parent?: typeof PARENT): Uint8Array {
  const extents = [`RW ${size / 512} ${kind} "disk-extent.vmdk"`];
  return new TextEncoder().encode(vmdkDescriptor({ createType: KINDS[kind], extents, ...(parent === undefined ? {} : { parent }) }));
}

/** A disk of one extent. */
function disk(bench: Bench, kind: Kind, extent: Uint8Array, size = SIZE, parent?: typeof PARENT): MemoryDisk {
  bench.disks.put('disk-extent.vmdk', { content: extent });
  bench.disks.put('disk.vmdk', { content: descriptor(kind, size, parent) });
  bench.note('disk.vmdk', 'disk-extent.vmdk');
  return bench.disks.get('disk.vmdk');
}

/** The parent, all of whose bytes are 0x77. */
function putParent(bench: Bench): void {
  bench.disks.put('parent-flat.vmdk', { content: new Uint8Array(SIZE).fill(0x77) });
  bench.disks.put('parent.vmdk', {
    content: new TextEncoder().encode(vmdkDescriptor({ createType: 'vmfs', contentId: PARENT.contentId, extents: [`RW ${SIZE / 512} VMFS "parent-flat.vmdk"`] })),
  });
  bench.note('parent.vmdk', 'parent-flat.vmdk');
}

const content = sparseContent();
const states: readonly GrainState[] = ['stored', 'hole', 'zero', 'unmapped', 'stored'];

describe('reading', () => {
  test.each([
    ['VMFSSPARSE', {}, cowdExtent], ['VMFSSPARSE', { grainSize: 65536, seed: 4 }, cowdExtent], ['VMFSSPARSE', { grainSize: 1536, seed: 6 }, cowdExtent],
    ['SESPARSE', {}, seSparseExtent], ['SESPARSE', { seed: 5 }, seSparseExtent],
  ] as const)('%s with %o', async (kind, options, make) => {
    const bench = new Bench();
    expectSameBytes(await bench.content(disk(bench, kind, make(content, options))), content);
  });

  test('grains of every state, over a parent', async () => {
    for (const [kind, make] of [['SESPARSE', seSparseExtent], ['VMFSSPARSE', cowdExtent]] as const) {
      const bench = new Bench();
      putParent(bench);
      const state = (grain: number): GrainState => (kind === 'SESPARSE' ? states[(grain * 7) % 5] : states[(grain * 7) % 2]);
      disk(bench, kind, make(content, { state, seed: 1, ...(kind === 'SESPARSE' ? {} : { grainSize: 4096 }) }), SIZE, PARENT);
      const node = await bench.graph.open('memory:disk.vmdk', { format: 'vmdk', readOnly: true });
      const meant = content.slice();
      for (let grain = 0; grain * 4096 < SIZE; grain++) if (state(grain) !== 'stored') meant.fill(state(grain) === 'hole' ? 0x77 : 0, grain * 4096, (grain + 1) * 4096);
      expectSameBytes(await readAll(node), meant);
      await bench.graph.release(node);
    }
  });

  test('an extent that a flat one follows', async () => {
    const bench = new Bench();
    bench.disks.put('a', { content: cowdExtent(content.subarray(0, 1 << 20)) });
    bench.disks.put('b', { content: content.slice(1 << 20, 3 << 20) });
    const extents = ['RW 2048 VMFSSPARSE "a"', 'RW 4096 VMFS "b"'];
    bench.disks.put('disk.vmdk', { content: new TextEncoder().encode(vmdkDescriptor({ createType: 'vmfsSparse', extents })) });
    expectSameBytes(await bench.content(bench.disks.get('disk.vmdk')), content.subarray(0, 3 << 20));
  });
});

describe.skipIf(oracle.skip)(oracle.title('beside the reference'), () => {
  test.each([{}, { grainSize: 65536, seed: 3 }])('turns of writing here and there, COWD with %o', async (options) => {
    using dir = tempDir();
    const model = content.slice(0, (5 << 20) + 1536);
    // The reference (7.2) writes over the header where a grain has no table yet, which ours makes.
    for (let at = 0; at < model.length; at += 2 << 20) model[at] = 1;
    const random = prng(9);
    const made = new Bench();
    disk(made, 'VMFSSPARSE', cowdExtent(model, options), model.length);
    made.save(dir.path);
    for (let turn = 0; turn < 2; turn++) {
      const bench = new Bench();
      await scribble(bench, bench.load(dir.path, 'disk.vmdk'), model, random);
      bench.save(dir.path);
      const extent = readFileSync(dir.file('disk-extent.vmdk'));
      // What ESX writes next has to lie behind all that was written here; the reference does not care.
      if (turn === 0) expect(extent.readUInt32LE(28) * 512).toBe(extent.length);
      await checkImage(dir.file('disk.vmdk'), 'vmdk');
      await scribbleWithQemuIo(dir.file('disk.vmdk'), 'vmdk', model, random);
      await expectContent(dir.file('disk.vmdk'), 'vmdk', model);
    }
  });

  test('written over a parent, COWD', async () => {
    using dir = tempDir();
    const bench = new Bench();
    putParent(bench);
    const model = new Uint8Array(SIZE).fill(0x77);
    disk(bench, 'VMFSSPARSE', cowdExtent(new Uint8Array(SIZE), { grainSize: 8192 }), SIZE, PARENT);
    const backing = { driver: 'vmdk', file: { driver: 'memory', filename: 'memory:parent.vmdk' } };
    await scribble(bench, bench.disks.get('disk.vmdk'), model, prng(12), { backing });
    bench.save(dir.path);
    await expectContent(dir.file('disk.vmdk'), 'vmdk', model);
  });

  test.each([['VMFSSPARSE', cowdExtent], ['SESPARSE', seSparseExtent], ['VMFS', (bytes: Uint8Array): Uint8Array => bytes]] as const)('%s is described alike', async (kind, make) => {
    using dir = tempDir();
    const bench = new Bench();
    disk(bench, kind, make(content));
    bench.save(dir.path);
    const told = await imageInfo(dir.file('disk.vmdk'));
    const node = await bench.graph.open('memory:disk.vmdk', { format: 'vmdk', readOnly: true });
    const about = await node.driver.info?.();
    await bench.graph.release(node);
    expect([about?.clusterSize, node.size]).toEqual([told['cluster-size'], told['virtual-size']]);
    const theirs = JSON.stringify(told['format-specific']).replaceAll(`${dir.path}/`, '');
    expect(JSON.parse(JSON.stringify(about?.specific).replaceAll('memory:', ''))).toEqual(JSON.parse(theirs));
  });

  test('refused alike', async () => {
    using dir = tempDir();
    const good = seSparseExtent(content);
    for (const bytes of [seSparseExtent(content, { replayJournal: true }), edited(good, [[8, 2n]]), edited(good, [[24, 16n]]), edited(good, [[40, 1n]]), edited(good, [[48, 0x100n]]), edited(good, [[48, 0x200n]])]) {
      const bench = new Bench();
      const image = disk(bench, 'SESPARSE', bytes);
      bench.save(dir.path);
      const { code, stderr } = await qemuImg('info', '-f', 'vmdk', dir.file('disk.vmdk'));
      expect(code).toBe(1);
      await expect(bench.open(image, {}, { readOnly: true })).rejects.toMatchObject({ message: `${stderr.trim().replace(/^.*?: .*?: /, '')} (in the extent 'disk-extent.vmdk')` });
    }
  });
});

test('power cuts, COWD: each request in turn, and late and several at a time', async () => {
  const SMALL = 2 << 20;
  for (const [seed, late] of [[1, false], [2, true], [3, true]] as const) {
    const bench = new Bench();
    const extent = new MemoryDisk({ content: cowdExtent(new Uint8Array(SMALL), { grainSize: 4096 }) });
    const look = (left: MemoryDisk): void => {
      expectFreeBehindAll(left.toBytes());
    };
    const subject = {
      open: (left: MemoryDisk, readOnly: boolean): Promise<BlockNode> =>
        bench.open(new MemoryDisk({ content: descriptor('VMFSSPARSE', SMALL) }), { extents: [left.definition] }, { readOnly }),
      release: (node: BlockNode) => bench.graph.release(node),
      look,
    };
    await provePowerCuts(subject, extent, { seed, cuts: 20, steps: 40, longest: 100 << 10, late });
  }
});

test('COWD: no table is made where its directory cannot tell of it', async () => {
  const bench = new Bench();
  const extent = new MemoryDisk({ content: cowdExtent(new Uint8Array(SIZE), { grainSize: 4096 }) });
  extent.content.resize(2 ** 41);
  const open = (readOnly: boolean): Promise<BlockNode> => bench.open(new MemoryDisk({ content: descriptor('VMFSSPARSE', SIZE) }), { extents: [extent.definition] }, { readOnly });
  const node = await open(false);
  await expect((async () => node.write(0, new Uint8Array(4096).fill(1), 0, 4096))()).rejects.toMatchObject({ kind: 'no-space' });
  await bench.graph.release(node);
  const reader = await open(true);
  expectSameBytes(await readAll(reader), new Uint8Array(SIZE));
  await bench.graph.release(reader);
  const entry = new Uint8Array(4);
  extent.content.read(2048, entry, 0, entry.length);
  expect(entry).toEqual(new Uint8Array(4));
});

/** No table and no grain lies where ESX would put what is new. */
function expectFreeBehindAll(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const free = view.getUint32(28, true);
  const table = view.getUint32(2048, true);
  if (table === 0) return;
  let last = table + 31;
  for (let entry = 0; entry < 4096; entry++) {
    const sector = view.getUint32(table * 512 + entry * 4, true);
    if (sector !== 0) last = Math.max(last, sector + 7);
  }
  expect(last).toBeLessThan(free);
}

/** What a defect leads to: of the extent as it was made, with these changes. */
const DIRECTORY = 2048;
const BAD_COWD: [string, Edit[], string][] = [
  ['no magic', [[0, 0, 32]], 'Image not in VMDK format'],
  ['version 2', [[4, 2, 32]], 'Unsupported VMDK version 2'],
  ['grains of nothing', [[16, 0, 32]], 'Invalid granularity, image may be corrupt'],
  ['another size', [[12, 8, 32]], "Extent 'disk-extent.vmdk' holds 4096 bytes, the descriptor tells of 8388608"],
  ['too few tables', [[24, 3, 32]], 'L1 entry size is invalid'],
  ['a directory in the header', [[20, 1, 32]], "The grain directory can't be at 0x200"],
  ['a directory beyond the end', [[20, 0xffff_0000, 32]], 'The grain directory at 0x1fffe000000 reaches beyond the end of the file'],
  ['a table beyond the end', [[DIRECTORY, 0xffff_0000, 32]], 'A grain table at 0x1fffe000000 reaches beyond the end of the file'],
];
const BAD_SE: [string, Edit[], string][] = [
  ['no magic', [[0, 0n]], 'Image not in VMDK format'],
  ['version 2.2', [[8, 0x2_0000_0002n]], 'Unsupported version: 0x0000000200000002'],
  ['grains of 8 KiB', [[24, 16n]], 'Unsupported grain size: 16'],
  ['large tables', [[32, 128n]], 'Unsupported grain table size: 128'],
  ['flags', [[40, 1n]], 'Unsupported flags: 0x0000000000000001'],
  ['what was reserved', [[48, 0x200n], [56, 1n]], 'Unsupported reserved bits: 0x0000000000000200 0x0000000000000001 0x0000000000000000 0x0000000000000000'],
  ['no volatile header', [[512, 0n]], 'the volatile header of the extent is damaged'],
  ['a volatile header beyond the end', [[80, 1n << 30n]], 'The volatile header at 0x8000000000 reaches beyond the end of the file'],
  ['a journal to be replayed', [[512 + 24, 1n]], 'Image is dirty, Replaying journal not supported'],
  ['a disk of 2^73 bytes', [[16, (1n << 64n) - 1n]], 'File too large'],
  ['a short directory', [[136, 0n]], 'L1 entry size is invalid'],
  ['a directory beyond the end', [[128, 1n << 40n]], 'The grain directory at 0x2000000000000 reaches beyond the end of the file'],
  ['an entry of a directory without its mark', [[8 * 512, 5n]], 'Invalid entry of a grain directory: 0x0000000000000005'],
  ['a table that the extent does not have', [[8 * 512, (1n << 60n) + 1n]], 'Invalid entry of a grain directory: 0x1000000000000001'],
];

describe('damaged extents', () => {
  const SMALL = 8 << 20;
  const small = content.subarray(0, SMALL);
  const open = (kind: Kind, extent: Uint8Array, readOnly = true): Promise<BlockNode> => {
    const bench = new Bench(UNTRUSTED);
    return bench.open(new MemoryDisk({ content: descriptor(kind, SMALL) }), { extents: [new MemoryDisk({ content: extent }).definition], backing: null }, { readOnly });
  };

  test.each(BAD_COWD)('COWD: %s', async (_name, edits, message) => {
    await expect(open('VMFSSPARSE', edited(cowdExtent(small), edits))).rejects.toThrow(message);
  });

  test.each(BAD_SE)('seSparse: %s', async (_name, edits, message) => {
    await expect(open('SESPARSE', edited(seSparseExtent(small), edits))).rejects.toThrow(message);
  });

  test('seSparse is only read', async () => {
    await expect(open('SESPARSE', seSparseExtent(small), false)).rejects.toMatchObject({ kind: 'read-only', message: "No write support for seSparse images available (in the extent 'disk-extent.vmdk')" });
  });

  test('entries for grains that can not be are errors where they are met', async () => {
    const table = 9 * 512;
    for (const entry of [1n, 0x4000_0000_0000_0000n, 0x3fff_ffff_ffff_ffffn, 0x3000_0000_0100_0000n]) {
      const node = await open('SESPARSE', edited(seSparseExtent(small), [[table, entry]]));
      await expect((async () => node.read(0, new Uint8Array(512), 0, 512))()).rejects.toBeInstanceOf(BlockError);
      await node.read(SMALL / 2, new Uint8Array(512), 0, 512);
    }
    const node = await open('VMFSSPARSE', edited(cowdExtent(small), [[5 * 512, 2, 32]]));
    await expect((async () => node.read(0, new Uint8Array(512), 0, 512))()).rejects.toThrow("A grain can't be at 0x400");
  });

  test('an extent of ESX without its descriptor, and raw device mappings, are refused by name', async () => {
    const bench = new Bench();
    await expect(bench.open(new MemoryDisk({ content: cowdExtent(small) }), {}, { readOnly: true })).rejects.toMatchObject({ kind: 'unsupported', message: /the descriptor that names it has to be opened/ });
    const text = (createType: string, line: string): MemoryDisk => new MemoryDisk({ content: new TextEncoder().encode(vmdkDescriptor({ createType, extents: [line] })) });
    for (const type of ['vmfsRaw', 'vmfsRDM', 'vmfsRDMP', 'vmfsRawDeviceMap', 'vmfsPassthroughRawDeviceMap', 'fullDevice', 'partitionedDevice']) {
      await expect(bench.open(text(type, 'RW 8 VMFSRDM "x"'), {}, { readOnly: true })).rejects.toThrow(/raw device mapping|Unsupported image type/);
      await expect(bench.open(text(type, 'RW 8 FLAT "x" 0'), {}, { readOnly: true })).rejects.toThrow(`Unsupported image type '${type}'`);
    }
    for (const kind of ['VMFSRDM', 'VMFSRAW']) {
      await expect(bench.open(text('vmfs', `RW 8 ${kind} "x"`), {}, { readOnly: true })).rejects.toMatchObject({ kind: 'unsupported', message: `Unsupported extent type, a raw device mapping, whose data is not in a file: RW 8 ${kind} "x"` });
    }
  });

  test('any bytes are a header or an error', () => {
    const change = fc.array(fc.tuple(fc.nat(210), fc.nat(255)), { maxLength: 12 });
    fc.assert(
      fc.property(change, fc.uint8Array({ maxLength: 600 }), (changes, rest) => {
        for (const [good, parse] of [[cowdHead, parseCowdHeader], [seHead, parseSeSparseHeader], [seHead.slice(512), checkVolatileHeader]] as const) {
          const changed = good.slice();
          for (const [at, value] of changes) changed[at] = value;
          for (const bytes of [changed, rest]) orBlockError(() => { parse(bytes); });
        }
      }),
      { seed: 3 },
    );
  });

  test('whatever bytes are changed, reading gives bytes or an error', async () => {
    const random = prng(17);
    for (let turn = 0; turn < 120; turn++) {
      const [kind, good, head] = turn % 2 === 0 ? (['VMFSSPARSE', cowdExtent(small.subarray(0, 1 << 20), { grainSize: 4096 }), 2600] as const) : (['SESPARSE', seSparseExtent(small.subarray(0, 1 << 20)), 5200] as const);
      for (let count = 0; count <= random.below(4); count++) good[random.below(random.pick([64, 220, head]))] = random.below(256);
      const bench = new Bench({ ...UNTRUSTED, maxMetadataBytes: 1 << 20 });
      try {
        const node = await bench.open(new MemoryDisk({ content: descriptor(kind, 1 << 20) }), { extents: [new MemoryDisk({ content: good }).definition], backing: null }, { readOnly: true });
        await readAll(node).catch(orThrow);
        await bench.graph.release(node);
      } catch (error) {
        orThrow(error);
      }
    }
  });
});

const cowdHead = cowdExtent(new Uint8Array(8 << 20)).slice(0, 2048);
const seHead = seSparseExtent(new Uint8Array(8 << 20)).slice(0, 1024);

function orBlockError(work: () => void): void {
  try {
    work();
  } catch (error) {
    orThrow(error);
  }
}

function orThrow(error: unknown): void {
  if (!(error instanceof BlockError)) throw error;
}

/** Stretches of data with holes between them. */
function sparseContent(): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  const some = sampleContent(1, 6 << 20);
  for (let at = 0, from = 0; at < SIZE - (1 << 20); at += 5 << 20, from += 700_000) bytes.set(some.subarray(from, from + 700_000), at + from % 7000);
  bytes.fill(9, SIZE - 1000);
  return bytes;
}
