/** Damaged images, checked: what is found, in whose words, what the reference says, and what is repaired. */
import { readFileSync, writeFileSync } from 'node:fs';
import { BlockError, UNTRUSTED } from '@blk/core-graph';
import { MemoryDisk, prng, recorder } from '@blk/driver-conformance';
import { cowdExtent, sampleContent, seSparseExtent, vmdkDescriptor } from '@blk/image-writers';
import { createImage, qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, COPY, DIRECTORY, edited, sample, TABLE, type Edit } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const COPY_TABLE = COPY + 512;
/** Of a disk of 8 MiB with grains from 64 KiB on: what is changed, what is found, and whether the reference finds it as well. */
const DAMAGE: [string, Edit[], string[], boolean][] = [
  ['nothing', [], [], false],
  ['a grain beyond the end', both(0, 0x7fff_ffff), ['ERROR: cluster offset for sector 0 points after EOF'], true],
  ['a grain at the end', both(1, 640), ['ERROR: cluster offset for sector 128 points after EOF'], true],
  ['a grain that the end cuts', both(1, 600), ['ERROR: cluster offset for sector 128 points after EOF'], false],
  ['a grain that is another’s as well', both(1, 128), ['ERROR: cluster for sector 128 shares its place at 0x10000 with another'], false],
  ['a grain that overlaps the one before', both(2, 200), ['ERROR: cluster for sector 256 shares its place at 0x19000 with another'], false],
  ['a grain that reaches into the next', both(0, 192), ['ERROR: two grains share the place at 0x20000'], false],
  ['a grain over the tables', both(0, 26), ['ERROR: cluster for sector 0 lies over the tables, at 0x3400'], false],
  ['a grain over the descriptor', both(0, 2), ['ERROR: cluster for sector 0 lies over the tables, at 0x400'], false],
  ['other redundant tables', [[COPY_TABLE + 8, 384, 32]], ['ERROR: the redundant grain table 0 is not the same as the first'], false],
  ['a table in the first directory only', [[COPY, 0, 32]], ['ERROR: grain table 0 is in one of the two directories only'], false],
  ['a damaged redundant directory', [[COPY, 0xff00_0000, 32]], [expectDamaged('the redundant grain directory')], false],
  ['a damaged directory', [[DIRECTORY, 0xff00_0000, 32]], [expectDamaged('the grain directory')], false],
];

/** An entry of the table and of its copy. */
function both(entry: number, sector: number): Edit[] {
  return [[TABLE + entry * 4, sector, 32], [COPY_TABLE + entry * 4, sector, 32]];
}

function expectDamaged(thing: string): string {
  return `ERROR: ${thing} is damaged: A grain table at 0x1fe00000000 reaches beyond the end of the file at 327680`;
}

describe('checks', () => {
  test.each(DAMAGE)('%s', async (_name, edits, found) => {
    const { result, lines } = await new Bench().check(await sample({}, edits));
    expect(lines).toEqual(found);
    expect(result).toMatchObject({ corruptions: found.length, checkErrors: 0, leaks: 0 });
  });

  test('grains of other places than multiples of their length do not overlap', async () => {
    const { lines } = await new Bench().check(await sample({}, [...both(0, 129), ...both(1, 257), ...both(80, 385), ...both(81, 0)]));
    expect(lines).toEqual([]);
    const crossing = await new Bench().check(await sample({}, [...both(0, 128), ...both(1, 380), ...both(80, 384), ...both(81, 0)]));
    expect(crossing.lines).toEqual(['ERROR: two grains share the place at 0x30000']);
  });

  test('redundant tables are made the same as the first where all may be repaired, and nothing else is', async () => {
    const disk = await sample({}, [[COPY_TABLE + 8, 384, 32]]);
    const whole = await sample();
    expect((await new Bench().check(disk, 'leaks')).result).toMatchObject({ corruptions: 1, corruptionsFixed: 0 });
    const recording = recorder(disk);
    const bench = new Bench();
    const node = await bench.open(disk, {}, { checking: true });
    const lines: string[] = [];
    const result = await node.driver.check?.({ repair: 'all', finding: (text) => lines.push(text) });
    const writes = recording.operations.filter(({ verb }) => verb === 'write');
    expect(writes.map((write) => recording.isStable(write, recording.now))).toEqual([true]);
    await bench.graph.release(node);
    expect(lines).toEqual(['Repairing: the redundant grain table 0 is not the same as the first']);
    expect(result).toMatchObject({ corruptions: 0, corruptionsFixed: 1 });
    expect((await new Bench().check(disk)).lines).toEqual([]);
    expect(Buffer.compare(withoutText(disk), withoutText(whole))).toBe(0);
    const cut = await sample({}, both(0, 0x7fff_ffff));
    const before = cut.toBytes();
    expect((await new Bench().check(cut, 'all')).result).toMatchObject({ corruptions: 1, corruptionsFixed: 0 });
    expect(Buffer.compare(cut.toBytes(), before)).toBe(0);
  });

  test('compressed grains at other places, or cut off', async () => {
    const disk = await sample({ subformat: 'streamOptimized' });
    expect((await new Bench().check(disk)).lines).toEqual([]);
    const bytes = disk.toBytes();
    const view = new DataView(bytes.buffer);
    const first = view.getUint32(TABLE, true);
    const swapped = edited(bytes, both(1, first));
    expect((await new Bench().check(new MemoryDisk({ content: swapped }))).lines).toEqual([`ERROR: cluster for sector 128: Grain at 0x${(first * 512).toString(16)} belongs to sector 0, not to 128`]);
    const beyond = edited(bytes, both(0, 0x7fff_ffff));
    expect((await new Bench().check(new MemoryDisk({ content: beyond }))).lines[0]).toMatch(/^ERROR: cluster for sector 0: Grain at 0xfffffffe00 lies beyond the end of the file/);
  });

  test.each([['VMFSSPARSE', cowdExtent, 5 * 512, 4], ['SESPARSE', seSparseExtent, 9 * 512, 8]] as const)('%s', async (kind, make, table, bytes) => {
    const content = sampleContent(5, 1 << 20).fill(1, 0, 8192);
    const check = (extent: Uint8Array): ReturnType<Bench['check']> => {
      const bench = new Bench();
      bench.disks.put('e', { content: extent });
      return bench.check(new MemoryDisk({ content: new TextEncoder().encode(vmdkDescriptor({ createType: 'vmfsSparse', extents: ['RW 8 ZERO', `RW 2048 ${kind} "e"`] })) }));
    };
    const good = make(content);
    expect((await check(good)).lines).toEqual([]);
    const twice = good.slice();
    twice.copyWithin(table + bytes, table, table + bytes);
    const grain = kind === 'SESPARSE' ? 8 : 1;
    expect((await check(twice)).lines).toEqual([expect.stringMatching(new RegExp(`^ERROR: cluster for sector ${8 + grain} shares its place at 0x[0-9a-f]+ with another$`))]);
    expect((await check(good.subarray(0, good.length - 512))).lines).toEqual([expect.stringMatching(/^ERROR: cluster offset for sector \d+ points after EOF$/)]);
  });

  test('tables in thousands of places take no more memory than they may', async () => {
    const tables = 1000;
    const header: Edit[] = [[0, 'KDMV'], [4, 1, 32], [8, 1, 32], [12, tables], [20, 1], [44, 1, 32], [56, 4], [64, 8], [73, '\n \r\n']];
    const directory = Array.from({ length: tables }, (_, table): Edit => [2048 + table * 4, 20 + (table % 2) * 2, 32]);
    const disk = new MemoryDisk({ content: edited(new Uint8Array(16384), [...header, ...directory]) });
    expect((await new Bench().check(disk)).lines).toEqual([]);
    const { lines, result } = await new Bench({ ...UNTRUSTED, maxMetadataBytes: 4096 }).check(disk);
    expect(lines).toEqual(['Whether grains overlap was not looked at: that takes more memory than the limit of 4096 bytes']);
    expect(result.checkErrors).toBe(1);
  });

  test('an image in use is checked as it is, and not repaired', async () => {
    const bench = new Bench();
    const node = await bench.open(await bench.create(8 << 20));
    await node.write(0, new Uint8Array(1 << 20).fill(1), 0, 1 << 20);
    expect(await node.driver.check?.({ repair: 'none' })).toMatchObject({ corruptions: 0 });
    await expect((async () => node.driver.check?.({ repair: 'all' }))()).rejects.toMatchObject({ kind: 'unsupported' });
    await bench.graph.release(node);
  });

  test('any damage is found, or none is; never anything but lines', async () => {
    const good = (await sample()).toBytes();
    const random = prng(23);
    for (let turn = 0; turn < 150; turn++) {
      const bytes = good.slice();
      for (let change = 0; change <= random.below(4); change++) bytes[random.below(random.pick([80, 600, 16384]))] = random.below(256);
      const { warnings } = await new Bench({ ...UNTRUSTED, maxMetadataBytes: 1 << 20 }).check(new MemoryDisk({ content: bytes })).then(() => ({ warnings: [] }), (error: unknown) => {
        if (!(error instanceof BlockError)) throw error;
        return { warnings: [error.message] };
      });
      expect(warnings.every((line) => line !== '')).toBe(true);
    }
  });
});

/** But for the identifier of the content. */
function withoutText(disk: MemoryDisk): Uint8Array {
  return disk.toBytes().slice(COPY);
}

describe('a redundant directory that does not fit', () => {
  test('is not written to, where a table would be written over the header; read all the same', async () => {
    for (const at of [COPY, DIRECTORY]) {
      const disk = await sample({}, [[at, 0, 32]]);
      const before = disk.toBytes();
      await expect(new Bench().open(disk)).rejects.toMatchObject({ kind: 'invalid-image', message: /Grain table 0 is in one of the two grain directories only/ });
      await new Bench().content(disk);
      expect(Buffer.compare(disk.toBytes(), before)).toBe(0);
    }
  });

  test.each([['the data', 128], ['the descriptor', 1], ['the directory', DIRECTORY / 512]])('is not written to, where it leads to %s; read all the same', async (_name, sector) => {
    const disk = await sample({}, [[COPY, sector, 32]]);
    await expect(new Bench().open(disk)).rejects.toMatchObject({ kind: 'invalid-image', message: /^A grain table at 0x[0-9a-f]+ lies over what is in use; the image can be read/ });
    expect((await new Bench().content(disk)).subarray(0, 131072).every((byte) => byte === 1)).toBe(true);
  });

  test('does not keep the image from being read, where it is damaged', async () => {
    const disk = await sample({}, [[COPY, 0xff00_0000, 32]]);
    expect((await new Bench().content(disk)).subarray(0, 131072).every((byte) => byte === 1)).toBe(true);
    await expect(new Bench().open(disk)).rejects.toMatchObject({ kind: 'invalid-image' });
  });
});

describe.skipIf(oracle.skip)(oracle.title('beside the reference'), () => {
  test.each(DAMAGE)('%s: what the reference finds is found here, in its words', async (_name, edits, found, theirs) => {
    using dir = tempDir();
    writeFileSync(dir.file('x.vmdk'), (await sample({}, edits)).toBytes());
    const { code, stdout, stderr } = await qemuImg('check', '-f', 'vmdk', dir.file('x.vmdk'));
    expect(code).toBe(theirs ? 1 : 0);
    expect(`${stdout}${stderr}`).toContain(theirs ? found[0] : 'No errors were found on the image.');
  });

  test.each(['monolithicSparse', 'twoGbMaxExtentSparse', 'streamOptimized', 'monolithicFlat'])('what it wrote is found whole: %s', async (subformat) => {
    using dir = tempDir();
    await createImage(dir.file('x.vmdk'), 'vmdk', 64 << 20, '-o', `subformat=${subformat}`);
    if (subformat === 'streamOptimized') {
      writeFileSync(dir.file('raw'), sampleContent(2, 8 << 20));
      await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', dir.file('raw'), dir.file('x.vmdk'));
    } else await qemuIo(dir.file('x.vmdk'), ['write -P 1 0 1M', 'write -P 2 40M 700k', 'write -z 20M 2M'], { format: 'vmdk' });
    const bench = new Bench();
    expect((await bench.check(bench.load(dir.path, 'x.vmdk'))).lines).toEqual([]);
    expect(readFileSync(dir.file('x.vmdk')).length).toBeGreaterThan(0);
  });
});

describe('what a repair leaves alone', () => {
  test.each<[string, Edit[], string]>([
    ['a first table that has less than the other', emptied(), 'ERROR: the redundant grain table 0 is not the same as the first'],
    ['a first table that is damaged', [[TABLE, 0x7fff_ffff, 32]], 'ERROR: the redundant grain table 0 is not the same as the first'],
    ['a redundant directory that leads into the data', [[COPY, 128, 32]], 'ERROR: the redundant grain table 0 is not the same as the first'],
    ['a redundant directory that leads to the descriptor', [[COPY, 1, 32]], 'ERROR: the redundant grain table 0 is not the same as the first'],
    ['a redundant directory that leads to the directory', [[COPY, DIRECTORY / 512, 32]], 'ERROR: the redundant grain table 0 is not the same as the first'],
  ])('%s', async (_name, edits, line) => {
    const disk = await sample({}, edits);
    const before = disk.toBytes();
    const { result, lines } = await new Bench().check(disk, 'all');
    expect(lines).toContain(line);
    expect(result).toMatchObject({ corruptionsFixed: 0 });
    expect(Buffer.compare(disk.toBytes(), before)).toBe(0);
  });
});

/** The first table without entries; the other one has them. */
function emptied(): Edit[] {
  return Array.from({ length: 128 }, (_, entry) => [TABLE + entry * 4, 0, 32] as const);
}
