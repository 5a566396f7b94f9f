/** Persistent bitmaps: loaded, kept up, stored; both ways with the reference; damaged directories; power cuts. */
import { writeFileSync } from 'node:fs';
import { addBitmap, attachBitmaps, findBitmap, makeBitmap, removeBitmap, TRUSTED, type BlockNode, type DirtyBitmap } from '@blk/core-graph';
import { prng, type MemoryDisk } from '@blk/driver-conformance';
import { qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { either, PowerCuts, type Promised } from './power-cuts.js';
import { Bench, checkImage, done, load, save, write } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const MIB = 1 << 20;

/** The dirty bytes as text: `0+65536 131072+65536`. */
function dirty(bitmap: DirtyBitmap): string {
  const ranges: string[] = [];
  for (let at = bitmap.next(0, true); at >= 0; ) {
    const end = bitmap.next(at, false);
    ranges.push(`${at}+${(end < 0 ? bitmap.size : end) - at}`);
    at = end < 0 ? -1 : bitmap.next(end, true);
  }
  return ranges.join(' ');
}

async function listed(bench: Bench, disk: MemoryDisk): Promise<string[]> {
  const node = await bench.open(disk, {}, true);
  const found = (node.driver.persistentBitmaps?.list ?? []).map(({ name, granularity, flags }) => [name, granularity, ...flags].join(' '));
  await bench.graph.release(node);
  return found;
}

async function withNode<T>(bench: Bench, disk: MemoryDisk, work: (node: BlockNode) => Promise<T> | T, readOnly = false): Promise<T> {
  const node = await bench.open(disk, {}, readOnly);
  try {
    return await work(node);
  } finally {
    await bench.graph.release(node);
  }
}

async function fill(node: BlockNode, offset: number, length: number): Promise<void> {
  await write(node, offset, new Uint8Array(length).fill(1));
}

describe('persistent bitmaps', () => {
  test('are there again after closing, with what was written since', async () => {
    const bench = new Bench();
    const disk = await bench.create(4 * MIB, { cluster_size: 4096 });
    await withNode(bench, disk, async (node) => {
      await addBitmap(node, { name: 'a', persistent: true });
      await addBitmap(node, { name: 'off', persistent: true, disabled: true, granularity: 65536 });
      await addBitmap(node, { name: 'gone', granularity: 512 });
      await fill(node, 5000, 10);
    });
    expect(await listed(bench, disk)).toEqual(['a 4096 auto', 'off 65536']);
    await withNode(bench, disk, async (node) => {
      expect([...node.bitmaps].map(({ name, status, persistent }) => [name, status, persistent])).toEqual([['a', 'active', true], ['off', 'disabled', true]]);
      await fill(node, 2 * MIB, 8192);
      await done(node.discard(3 * MIB, 4096));
      await node.truncate(5 * MIB);
      await fill(node, 5 * MIB - 1, 1);
    });
    await withNode(bench, disk, async (node) => {
      expect(dirty(findBitmap(node, 'a'))).toBe(`4096+4096 ${2 * MIB}+8192 ${3 * MIB}+4096 ${5 * MIB - 4096}+4096`);
      expect(dirty(findBitmap(node, 'off'))).toBe('');
      await removeBitmap(node, 'a');
      expect(node.driver.persistentBitmaps?.list.map(({ name }) => name)).toEqual(['off']);
      await removeBitmap(node, 'off');
    });
    expect(await listed(bench, disk)).toEqual([]);
  });

  test('that a crash left in use are listed, refused, kept, and can be removed', async () => {
    const bench = new Bench();
    const disk = await bench.create(4 * MIB, {});
    await withNode(bench, disk, async (node) => {
      await addBitmap(node, { name: 'a', persistent: true });
      await addBitmap(node, { name: 'b', persistent: true });
    });
    const node = await bench.open(disk);
    const crashed = new Bench();
    const left = await crashed.create(512, {});
    const bytes = disk.toBytes();
    await done(left.write(0, bytes, 0, bytes.length, 0));
    await bench.graph.release(node);
    expect(await listed(crashed, left)).toEqual(['a 65536 in-use auto', 'b 65536 in-use auto']);
    await withNode(crashed, left, async (again) => {
      expect(() => {
        findBitmap(again, 'a').checkUsable();
      }).toThrow("Bitmap 'a' is inconsistent and cannot be used\nTry block-dirty-bitmap-remove to delete this bitmap from disk");
      await expect(again.truncate(5 * MIB)).rejects.toThrow("Bitmap 'a' is inconsistent");
      await removeBitmap(again, 'a');
      await addBitmap(again, { name: 'c', persistent: true });
    });
    expect(await listed(crashed, left)).toEqual(['b 65536 in-use auto', 'c 65536 auto']);
  });

  test('are refused where they can not be stored', async () => {
    const bench = new Bench();
    const v2 = await bench.create(MIB, { compat: 'v2' });
    await withNode(bench, v2, async (node) => {
      await expect(addBitmap(node, { name: 'b', persistent: true })).rejects.toThrow('Cannot store dirty bitmaps in qcow2 v2 files');
    });
    const huge = await bench.create(2 ** 50, {}, 'huge');
    await withNode(bench, huge, async (node) => {
      await expect(addBitmap(node, { name: 'b', persistent: true, granularity: 2 ** 27 })).resolves.toBeDefined();
      const { persistentBitmaps } = node.driver;
      expect(() => persistentBitmaps?.check('c', 65536)).toThrow('Too much space will be occupied by the bitmap. Use larger granularity');
    });
    expect(await listed(bench, huge)).toEqual(['b 134217728 auto']);
  });

  test('are all out of date where a program that does not know them wrote to the image', async () => {
    const bench = new Bench();
    const disk = await bench.create(MIB, {});
    await withNode(bench, disk, (node) => addBitmap(node, { name: 'a', persistent: true }));
    await done(disk.write(95, new Uint8Array(1), 0, 1, 0));
    expect(await listed(bench, disk)).toEqual([]);
    expect(bench.warnings[0]).toContain('a program lacking bitmap support modified this file');
    await withNode(bench, disk, (node) => addBitmap(node, { name: 'new', persistent: true }));
    expect(await listed(bench, disk)).toEqual(['new 65536 auto']);
  });

  test('with extra data are kept as they are, and used where the image says that they may be', async () => {
    const bench = new Bench();
    const disk = await bench.create(MIB, {});
    await withNode(bench, disk, async (node) => {
      await addBitmap(node, { name: '8 bytes +a', persistent: true });
      await addBitmap(node, { name: '8 bytes +b', persistent: true });
      await fill(node, 0, 1);
    });
    // Eight bytes of each name become extra data.
    const directory = placeOfDirectory(disk);
    for (const [at, flags] of [[directory, 2 | 4], [directory + 40, 2]]) {
      const bytes = disk.toBytes().slice(at, at + 24);
      const view = new DataView(bytes.buffer);
      view.setUint32(12, flags);
      view.setUint16(18, 2);
      view.setUint32(20, 8);
      await done(disk.write(at, bytes, 0, 24, 0));
    }
    for (let round = 0; round < 2; round++) {
      await withNode(bench, disk, async (node) => {
        expect([...node.bitmaps].map(({ name, inconsistent }) => [name, inconsistent])).toEqual([['+a', false], ['+b', true]]);
        await fill(node, 65536 * (1 + round), 1);
      });
      const now = placeOfDirectory(disk);
      expect(new TextDecoder().decode(disk.toBytes().slice(now + 24, now + 34))).toBe('8 bytes +a');
      expect(new TextDecoder().decode(disk.toBytes().slice(now + 64, now + 74))).toBe('8 bytes +b');
    }
    await withNode(bench, disk, (node) => {
      expect(dirty(findBitmap(node, '+a'))).toBe('0+196608');
    });
  });
});

function placeOfDirectory(disk: MemoryDisk): number {
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer);
  for (let at = view.getUint32(100); ; at += 8 + Math.ceil(view.getUint32(at + 4) / 8) * 8) {
    if (view.getUint32(at) === 0x2385_2875) return Number(view.getBigUint64(at + 24));
    if (view.getUint32(at) === 0) return 0;
  }
}

describe('damaged directories', () => {
  const cases: readonly [string, 'extension' | 'entry' | 'table', number, readonly number[]][] = [
    ['found bitmaps extension with zero bitmaps', 'extension', 8, [0, 0, 0, 0]],
    ['bitmaps_ext: Reserved field is not zero', 'extension', 12, [0, 0, 0, 1]],
    ['bitmaps_ext: Image has 70000 bitmaps, exceeding the QEMU supported maximum of 65535', 'extension', 8, [0, 1, 0x11, 0x70]],
    ['Less bitmaps found than specified in header extension', 'extension', 8, [0, 0, 0, 9]],
    ['More bitmaps found than specified in header extension', 'extension', 8, [0, 0, 0, 1]],
    ['Requested bitmap directory size is zero', 'extension', 23, [0]],
    ['bitmaps_ext: bitmap directory size (1099511627840) exceeds the maximum supported size (67107840)', 'extension', 16, [0, 0, 1, 0]],
    ['bitmaps_ext: invalid bitmap directory offset', 'extension', 31, [8]],
    ['Bitmap directory lies beyond the end of the file', 'extension', 26, [1]],
    ["Bitmap 'b1' doesn't satisfy the constraints", 'entry', 16, [2]],
    ["Bitmap 'b1' doesn't satisfy the constraints", 'entry', 17, [8]],
    ["Bitmap 'b1' doesn't satisfy the constraints", 'entry', 17, [40]],
    ["Bitmap 'b1' doesn't satisfy the constraints", 'entry', 15, [0x10]],
    ["Bitmap '' doesn't satisfy the constraints", 'entry', 18, [0, 0]],
    ['Broken bitmap directory', 'entry', 18, [7, 0]],
    ['Broken bitmap directory', 'entry', 20, [0xff, 0xff, 0xff, 0xff]],
    ["Bitmap 'b1' doesn't satisfy the constraints", 'entry', 8, [0, 0, 0, 0]],
    ["Bitmap 'b1' doesn't satisfy the constraints", 'entry', 8, [0x70, 0, 0, 0]],
    ["Bitmap 'b1' doesn't satisfy the constraints", 'entry', 7, [1]],
    ['Bitmap already exists: b2', 'entry', 25, [0x32]],
    ["Could not read bitmap 'b1' from image: Invalid argument", 'entry', 11, [5]],
    ["Could not read bitmap_table table from image for bitmap 'b1': Invalid argument", 'entry', 2, [1]],
    ["Could not read bitmap_table table from image for bitmap 'b1': Invalid argument", 'table', 7, [2]],
    ["Could not read bitmap_table table from image for bitmap 'b1': Invalid argument", 'table', 7, [1]],
    ["Could not read bitmap 'b1' from image: Invalid argument", 'table', 2, [1]],
  ];
  /** Damage that lets a bitmap lie behind the end of the file. */
  const BEYOND = /^(entry|table) 2$/;
  test.each(cases)('%s (%s + %d)', async (message, where, at, words) => {
    const bench = new Bench();
    const disk = await bench.create(MIB, {});
    await withNode(bench, disk, async (node) => {
      await addBitmap(node, { name: 'b1', persistent: true });
      await addBitmap(node, { name: 'b2', persistent: true });
      await fill(node, 0, 1);
    });
    const directory = placeOfDirectory(disk);
    const view = new DataView(disk.toBytes().buffer);
    const base = { extension: 504, entry: directory, table: Number(view.getBigUint64(directory)) }[where];
    expect(view.getUint32(504)).toBe(0x2385_2875);
    await done(disk.write(base + at, Uint8Array.from(words), 0, words.length, 0));
    const before = disk.toBytes();
    await expect(bench.open(disk)).rejects.toThrow(message);
    if (BEYOND.test(`${where} ${at}`)) {
      // The disk can be read; what the bitmap recorded is lost.
      const node = await bench.open(disk, {}, true);
      expect(Array.from(node.bitmaps, ({ name, inconsistent }) => ({ name, inconsistent }))).toEqual([{ name: 'b1', inconsistent: true }, { name: 'b2', inconsistent: false }]);
      await bench.graph.release(node);
    } else {
      await expect(bench.open(disk, {}, true)).rejects.toThrow(message);
    }
    expect(Buffer.compare(disk.toBytes(), before)).toBe(0);
  });

  test('bitmaps larger than the policy allows are refused', async () => {
    const bench = new Bench({ ...TRUSTED, maxMetadataBytes: 1 << 20 });
    const disk = await bench.create(2 ** 34, {});
    await withNode(bench, disk, async (node) => {
      for (const name of ['a', 'b', 'c']) attachBitmaps(node, [await makeBitmap(node, { name, persistent: true, granularity: 4096 })]);
    });
    await expect(bench.open(disk)).rejects.toMatchObject({ kind: 'policy' });
  });
});

describe.skipIf(oracle.skip)(oracle.title('persistent bitmaps and the reference'), () => {
  test.each([
    { name: 'clusters of 512', options: { cluster_size: 512 }, size: MIB },
    { name: 'clusters of 4096 over a backing file', options: { cluster_size: 4096, backing_file: 'base', backing_fmt: 'raw' }, size: 4 * MIB },
    { name: 'clusters of 65536, 1-bit refcounts', options: { refcount_bits: 1 }, size: 64 * MIB },
    { name: 'lazy refcounts', options: { lazy_refcounts: true, cluster_size: 1024 }, size: 4 * MIB },
  ])('in turns: $name', async ({ options, size }) => {
    using dir = tempDir();
    const file = dir.file('image');
    const random = prng(size);
    const bench = new Bench();
    let disk = await bench.create(size, options);
    if ('backing_file' in options) writeFileSync(dir.file('base'), new Uint8Array(size));
    const model = new Map<string, { granularity: number; on: boolean; chunks: Set<number> }>();
    const record = (offset: number, length: number): void => {
      for (const { granularity, on, chunks } of model.values()) {
        for (let at = Math.floor(offset / granularity); on && at * granularity < offset + length; at++) chunks.add(at);
      }
    };
    for (let round = 0; round < 8; round++) {
      const ours = round % 2 === 0;
      const name = `b${random.below(3)}`;
      const granularity = 512 << random.below(9);
      const known = model.get(name);
      const writes = Array.from({ length: 4 }, () => ({ offset: 512 * random.below(size / 512 - 64), length: 512 * (1 + random.below(64)) }));
      if (ours) {
        const node = await bench.open(disk, { backing: null });
        if (known === undefined) await addBitmap(node, { name, granularity, persistent: true });
        else if (random.below(3) === 0) await removeBitmap(node, name);
        else findBitmap(node, name).setStatus(known.on ? 'disabled' : 'active');
        if (known === undefined) model.set(name, { granularity, on: true, chunks: new Set() });
        else if (![...node.bitmaps].some((bitmap) => bitmap.name === name)) model.delete(name);
        else known.on = !known.on;
        for (const { offset, length } of writes) {
          record(offset, length);
          await fill(node, offset, length);
        }
        await bench.graph.release(node);
        save(disk, file);
      } else {
        if (known === undefined) {
          await qemuImg('bitmap', '--add', '-g', String(granularity), file, name);
          model.set(name, { granularity, on: true, chunks: new Set() });
        } else {
          await qemuImg('bitmap', known.on ? '--disable' : '--enable', file, name);
          known.on = !known.on;
        }
        await qemuIo(file, writes.map(({ offset, length }) => `write ${offset} ${length}`), { format: 'qcow2' });
        for (const { offset, length } of writes) record(offset, length);
        disk = load(file);
      }
      await checkImage(file);
      const info = JSON.parse((await qemuImg('info', '--output=json', file)).stdout) as { 'format-specific': { data: { bitmaps?: { name: string; granularity: number; flags: string[] }[] } } };
      const expected = [...model].map(([key, value]) => ({ name: key, granularity: value.granularity, flags: value.on ? ['auto'] : [] }));
      const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
      expect((info['format-specific'].data.bitmaps ?? []).sort(byName)).toEqual(expected.sort(byName));
      const reader = await bench.open(disk, { backing: null }, true);
      for (const [key, { granularity: unit, chunks }] of model) {
        const bitmap = findBitmap(reader, key);
        for (let at = 0; at * unit < size; at++) if (bitmap.get(at * unit) !== chunks.has(at)) throw new Error(`round ${round}: bit ${at} of ${key}`);
      }
      await bench.graph.release(reader);
    }
  });

  test('power cuts while they are stored, changed and removed', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('x'.repeat(90)), '');
    for (const [seed, options] of [[1, { cluster_size: 512 }], [2, { cluster_size: 4096 }], [3, { cluster_size: 1024, backing_file: 'x'.repeat(90), backing_fmt: 'raw' }]] as const) {
      const bench = new Bench();
      const disk = await bench.create(256 << 10, options, `image${seed}`);
      const random = prng(seed);
      /** Every bitmap holds what it should, or says that it does not. */
      const right = (expected: ReadonlyMap<string, string>): Promised => (node) => {
        for (const bitmap of node.bitmaps) {
          if (bitmap.inconsistent) continue;
          const wanted = expected.get(bitmap.name ?? '');
          if (wanted !== dirty(bitmap)) throw new Error(`bitmap ${bitmap.name} holds ${dirty(bitmap)}, not ${wanted}`);
        }
      };
      const none: Promised = (node) => {
        for (const bitmap of node.bitmaps) if (!bitmap.inconsistent) throw new Error(`bitmap ${bitmap.name} claims to be right`);
      };
      const complete = (expected: ReadonlyMap<string, string>): Promised => async (node) => {
        await right(expected)(node);
        if (node.readOnly) expect([...node.bitmaps].filter(({ inconsistent }) => !inconsistent).length).toBe(expected.size);
      };
      const cuts = new PowerCuts(bench, disk, none, { open: { backing: null } });
      let before = complete(new Map());
      for (let session = 0; session < 4; session++) {
        const expected = new Map<string, string>();
        cuts.promise(either(before, none));
        const node = await bench.open(disk, { backing: null });
        cuts.promise(none);
        if (session < 3) await addBitmap(node, { name: `b${session}`, persistent: true, granularity: 512 });
        for (let count = 0; count < 3; count++) await fill(node, 512 * random.below(500), 512);
        if (session === 2) await removeBitmap(node, 'b0');
        if (session === 3) for (const name of ['b1', 'b2']) await removeBitmap(node, name);
        for (const bitmap of node.bitmaps) expected.set(bitmap.name ?? '', dirty(bitmap));
        before = complete(expected);
        await cuts.during(none, before, () => bench.graph.release(node));
      }
      await cuts.prove({ seed, most: 150, folder: dir, sample: 5 });
    }
  });
});
