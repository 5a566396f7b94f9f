/** Damaged images: refused by name where they are opened, described and repaired where they are checked. */
import { writeFileSync } from 'node:fs';
import { UNTRUSTED, type Repair } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng, readAll, saveDisk } from '@blk/driver-conformance';
import { checkImage, expectContent, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { checkVdiBytes } from './judge.js';
import { Bench, handMade, sparse } from './support.js';

type Edit = readonly [at: number, value: number, bits?: 32 | 64];
const FREE = 0xffff_ffff;

/** 10 MiB with blocks 0, 3 and 5 in that order in the file. */
async function sample(edits: readonly Edit[] = []): Promise<MemoryDisk> {
  const bench = new Bench();
  const disk = await bench.create(10 << 20);
  const node = await bench.open(disk);
  for (const block of [0, 3, 5]) await node.write(block << 20, new Uint8Array(65536).fill(block + 1), 0, 65536);
  await bench.graph.release(node);
  return edited(disk, edits);
}

function edited(disk: MemoryDisk, edits: readonly Edit[]): MemoryDisk {
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const [at, value, bits] of edits) {
    if (bits === 64) view.setBigUint64(at, BigInt(value), true);
    else view.setUint32(at, value, true);
  }
  return new MemoryDisk({ content: bytes });
}

const check = (disk: MemoryDisk, repair?: Repair): ReturnType<Bench['check']> => new Bench().check(disk, repair);

/** Edits of the header that the reference refuses as well. */
const BOTH: [string, Edit[], string][] = [
  ['signature', [[0x40, 1]], 'Image not in VDI format (bad signature 00000001)'],
  ['version', [[0x44, 0x20001]], 'unsupported VDI image (version 2.1)'],
  ['map unaligned', [[0x154, 513]], 'unsupported VDI image (unaligned block map offset 0x201)'],
  ['data unaligned', [[0x158, 1025]], 'unsupported VDI image (unaligned data offset 0x401)'],
  ['sector size', [[0x168, 4096]], 'unsupported VDI image (sector size 4096 is not 512)'],
  ['a disk larger than the map', [[0x170, (10 << 20) + 1, 64]], 'unsupported VDI image (disk size 10486272, image bitmap has room for 10485760)'],
  ['a huge disk', [[0x170, 2 ** 62, 64]], 'Unsupported VDI image size (size is 0x4000000000000000, max supported is 0x1fffff8000000)'],
  ['too few blocks', [[0x180, 9]], 'unsupported VDI image (disk size 10485760, image bitmap has room for 9437184)'],
  ['too many blocks', [[0x180, FREE]], 'unsupported VDI image (too many blocks 4294967295, max is 536870784)'],
  ['one block too many', [[0x180, 0x1fff_ff81]], 'unsupported VDI image (too many blocks 536870785, max is 536870784)'],
  ['a disk that is just too large', [[0x170, 0x1_ffff_f800_0001, 64]], 'Unsupported VDI image size (size is 0x1fffff8000001, max supported is 0x1fffff8000000)'],
  ['link, its last byte', [[0x1b4, 0x0b00_0000]], 'unsupported VDI image (non-NULL link UUID)'],
  ['parent, its last byte', [[0x1c4, 0x0b00_0000]], 'unsupported VDI image (non-NULL parent UUID)'],
  ['link', [[0x1a8, 11]], 'unsupported VDI image (non-NULL link UUID)'],
  ['parent', [[0x1b8, 11]], 'unsupported VDI image (non-NULL parent UUID)'],
];
/** What the reference opens. */
const STRICTER: typeof BOTH = [
  ['header size', [[0x48, 100]], 'invalid VDI image (header size 100 is less than 384)'],
  ['header size, a byte short', [[0x48, 0x17f]], 'invalid VDI image (header size 383 is less than 384)'],
  ['undo', [[0x4c, 3]], 'unsupported VDI image (undo image)'],
  ['differencing', [[0x4c, 4]], 'unsupported VDI image (differencing image)'],
  ['type', [[0x4c, 9]], 'unsupported VDI image (image type 9)'],
  ['block size 0', [[0x178, 0]], 'invalid VDI image (block size 0 is no multiple of 512 up to 1 GiB)'],
  ['odd block size', [[0x178, 1000]], 'invalid VDI image (block size 1000 is no multiple of 512 up to 1 GiB)'],
  ['huge blocks', [[0x178, 2 ** 30 + 512]], 'invalid VDI image (block size 1073742336 is no multiple of 512 up to 1 GiB)'],
  ['block metadata', [[0x17c, 512]], 'unsupported VDI image (512 bytes of metadata in each block)'],
  ['map over the header', [[0x154, 0]], 'invalid VDI image (block map offset 0x0 lies before 0x200)'],
  ['blocks over the map', [[0x158, 512]], 'invalid VDI image (data offset 0x200 lies before 0x228)'],
  ['map behind the end', [[0x154, 2 ** 31], [0x158, 2 ** 31 + 1024]], 'invalid VDI image (block map reaches to 2147483688, beyond the end of the file at 3146752)'],
  ['entry too large', [[0x204, 10]], 'invalid VDI image (block index 1 too large, is 10 of 10)'],
  ['block used twice', [[0x204, 1]], 'invalid VDI image (block 1 of the file is used twice, the second time for block index 3)'],
  ['block behind the end', [[0x204, 7]], 'invalid VDI image (block index 1 reaches to 8389632, beyond the end of the file at 3146752)'],
];

describe('hostile images', () => {
  test.each([...BOTH, ...STRICTER])('%s', async (_name, edits, message) => {
    await expect(new Bench().open(await sample(edits))).rejects.toThrow(message);
  });

  test('cut short anywhere, an image is refused', async () => {
    const bytes = (await sample()).toBytes();
    for (const length of [0, 70, 511, 512, 540, 1023, 1024, 1 << 20, bytes.length - 512]) {
      const disk = new MemoryDisk({ content: bytes.slice(0, length) });
      await expect(new Bench().open(disk), `${length}`).rejects.toMatchObject({ kind: 'invalid-image' });
    }
  });

  test('a file with holes all over, more than may be kept in mind, is refused by the policy; one without is not', async () => {
    const blocks = 20 * 65536;
    const bench = new Bench({ ...UNTRUSTED, maxMetadataBytes: 65536 });
    const every = (step: number): number[] => Array.from({ length: blocks }, (_, at) => (at < blocks / step ? at * step : FREE));
    const open = (entries: readonly number[]): Promise<unknown> => bench.open(new MemoryDisk({ content: sparse(blocks * 512, 512, entries) }), {}, { readOnly: true });
    await expect(open(every(2))).rejects.toMatchObject({ kind: 'policy', message: expect.stringMatching(/^The file has holes all over between the 1310720 blocks/) as string });
    await expect(open(every(1))).resolves.toBeDefined();
  });

  test('any header and map give an image or an error, and so does what is done to them', async () => {
    const random = prng(5);
    const bytes = handMade(20 * 4096, 4096, [0, FREE, 2, 1, FREE - 1, ...new Array<number>(15).fill(FREE)]).toBytes();
    for (let run = 0; run < 400; run++) {
      const copy = bytes.slice(0, random.below(8) === 0 ? random.below(bytes.length) : bytes.length);
      for (let edit = 0; edit <= random.below(3); edit++) {
        const at = random.below(4) === 0 ? 1024 + random.below(80) : 0x40 + random.below(0x188);
        copy[at] = random.pick([0, 1, 0xff, random.below(256)]);
      }
      const bench = new Bench();
      try {
        const node = await bench.open(new MemoryDisk({ content: copy }));
        expect(node.size).toBeLessThan(2 ** 50);
        const buffer = new Uint8Array(Math.min(node.size, 1 << 20));
        await node.read(0, buffer, 0, buffer.length);
        if (buffer.length > 0) await node.write(0, buffer, 0, buffer.length);
        await bench.graph.release(node);
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
      try {
        const { result } = await check(new MemoryDisk({ content: copy }), 'all');
        expect(result.checkErrors).toBe(0);
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
    }
  });
});

/** Edits, and the findings. */
const DAMAGE: [string, Edit[], string[]][] = [
  ['nothing', [], []],
  ['a zero block', [[0x204, FREE - 1]], []],
  ['too many counted', [[0x184, 5]], ['ERROR: allocated blocks mismatch, is 3, should be 5']],
  ['too few counted', [[0x184, 1]], ['ERROR: allocated blocks mismatch, is 3, should be 1']],
  ['an entry too large', [[0x200, 11]], ['ERROR: block index 0 too large, is 11', 'ERROR: allocated blocks mismatch, is 2, should be 3']],
  ['an entry just too large', [[0x200, 10]], ['ERROR: block index 0 too large, is 10', 'ERROR: allocated blocks mismatch, is 2, should be 3']],
  ['an entry of no kind', [[0x204, 0xffff_fffd]], ['ERROR: block index 1 too large, is 4294967293']],
  ['a block used twice', [[0x200, 1]], ['ERROR: block index 1 also used by 1']],
  ['a block used four times', [[0x200, 2], [0x204, 2], [0x208, 2], [0x184, 5]], ['ERROR: block index 2 also used by 2', 'ERROR: block index 2 also used by 2', 'ERROR: block index 2 also used by 2']],
];

const oracle = skipUnless('qemu-img');
describe.skipIf(oracle.skip)(oracle.title('check'), () => {
  test.each(DAMAGE)('%s: found as by the reference', async (_name, edits, lines) => {
    using dir = tempDir();
    const disk = await sample(edits);
    saveDisk(disk, dir.file('image'));
    const { stdout, stderr } = await qemuImg('check', '-f', 'vdi', '--output=json', dir.file('image'));
    const found = await check(disk);
    expect(found.lines).toEqual(lines);
    expect(stderr.split('\n').filter((line) => line !== '')).toEqual(lines);
    expect(found.result.corruptions).toBe((JSON.parse(stdout) as { corruptions?: number }).corruptions ?? 0);
  });

  test.each(BOTH)('%s: refused in the same words', async (_name, edits, message) => {
    using dir = tempDir();
    saveDisk(await sample(edits), dir.file('image'));
    expect((await qemuImg('info', '-f', 'vdi', dir.file('image'))).stderr).toContain(message);
  });

  test('repair counts anew and moves blocks into holes; what the disk holds stays', async () => {
    using dir = tempDir();
    const size = 8 << 20;
    const random = prng(3);
    for (const entries of [[7, 1, FREE, 4], [0, 1, 2], [5, FREE, FREE, 6, 0], [3]]) {
      const disk = handMade(size, 1 << 20, [...entries, ...new Array<number>(8 - entries.length).fill(FREE)]);
      const bench = new Bench();
      const before = await bench.open(disk, {}, { readOnly: true });
      const content = await readAll(before);
      await bench.graph.release(before);
      const wrong = edited(disk, [[0x184, random.pick([0, 8, 20])]]);
      const { result } = await check(wrong, 'all');
      expect(result).toMatchObject({ corruptions: 0, corruptionsFixed: 1 });
      checkVdiBytes(wrong);
      saveDisk(wrong, dir.file('image'));
      await checkImage(dir.file('image'), 'vdi');
      await expectContent(dir.file('image'), 'vdi', content);
      const after = await bench.open(wrong);
      expectSameBytes(await readAll(after), content);
      await bench.graph.release(after);
    }
  });

  test('what can only be guessed is not repaired', async () => {
    const disk = await sample([[0x200, 1], [0x184, 9]]);
    const before = disk.toBytes();
    const { result } = await check(disk, 'all');
    expect(result).toMatchObject({ corruptions: 2, corruptionsFixed: 0 });
    expect(Buffer.compare(disk.toBytes(), before)).toBe(0);
  });

  test('leaks only: a count that is too high is put right, one that is too low is not', async () => {
    expect((await check(await sample([[0x184, 9]]), 'leaks')).result).toMatchObject({ corruptions: 0, corruptionsFixed: 1 });
    expect((await check(await sample([[0x184, 1]]), 'leaks')).result).toMatchObject({ corruptions: 1, corruptionsFixed: 0 });
    // It counts enough, but not as far as blocks lie.
    expect((await check(handMade(4 << 20, 1 << 20, [0, 3, FREE, FREE]), 'leaks')).result).toMatchObject({ corruptions: 1, corruptionsFixed: 0 });
  });

  test('a block behind what the header counts is found, though the reference does not', async () => {
    using dir = tempDir();
    const disk = handMade(4 << 20, 1 << 20, [0, 3, FREE, FREE]);
    writeFileSync(dir.file('image'), disk.toBytes());
    await checkImage(dir.file('image'), 'vdi');
    expect((await check(disk)).lines).toEqual(['ERROR: allocated blocks reach to 4, should reach to 2']);
  });
});

test.each([[3 << 19], [(2 << 20) + 512], [4608]])('repair moves blocks of %d bytes whole, and nothing of those beside them', async (blockSize) => {
  const random = prng(blockSize);
  const size = 6 * blockSize - 512;
  const disk = handMade(size, blockSize, [FREE, 4, 1, FREE, 2, 5]);
  const bytes = disk.toBytes();
  bytes.set(random.bytes(bytes.length - 4096), 4096);
  const wrong = new MemoryDisk({ content: bytes });
  const bench = new Bench();
  const content = await bench.content(wrong);
  const { result } = await check(wrong, 'all');
  expect(result).toMatchObject({ corruptions: 0, corruptionsFixed: 1 });
  checkVdiBytes(wrong);
  expectSameBytes(await bench.content(wrong), content);
  expect((await check(wrong)).lines).toEqual([]);
});

test('the last block need not be there behind the end of the disk, but up to it', async () => {
  const size = 3 * 4608 + 512;
  const whole = handMade(size, 4608, [0, 1, 2, 3]).toBytes();
  const cut = (bytes: number): MemoryDisk => new MemoryDisk({ content: whole.slice(0, whole.length - bytes) });
  expectSameBytes(await new Bench().content(cut(4096)), await new Bench().content(cut(0)));
  expect((await check(cut(4096))).lines).toEqual([]);
  const message = `block index 3 reaches to ${whole.length - 4096}, beyond the end of the file at ${whole.length - 4097}`;
  await expect(new Bench().open(cut(4097))).rejects.toThrow(message);
  expect((await check(cut(4097))).lines).toEqual([`ERROR: ${message}`]);
});

test('places that nobody uses are taken first, and read as zeroes around what is written', async () => {
  const bench = new Bench();
  const disk = handMade(10 * 4096, 4096, [0, 3, ...new Array<number>(8).fill(FREE)]);
  const bytes = disk.toBytes();
  bytes.fill(0xee, 4096 + 4096, 4096 + 3 * 4096);
  const dirty = new MemoryDisk({ content: bytes });
  const node = await bench.open(dirty);
  const expected = await readAll(node);
  for (const block of [5, 6, 7]) {
    expected.fill(9, block * 4096 + 100, block * 4096 + 300);
    await node.write(block * 4096 + 100, new Uint8Array(200).fill(9), 0, 200);
  }
  await bench.graph.release(node);
  checkVdiBytes(dirty);
  expect(dirty.size).toBe(4096 + 5 * 4096);
  const again = await bench.open(dirty);
  expectSameBytes(await readAll(again), expected);
  await bench.graph.release(again);
  expect((await check(dirty)).lines).toEqual([]);
});

test('a file that can not grow is full when it is full, and stays as it is', async () => {
  const bench = new Bench();
  const content = handMade(10 * 4096, 4096, [0, 1, ...new Array<number>(8).fill(FREE)]).toBytes();
  const disk = new MemoryDisk({ content, growable: false });
  const node = await bench.open(disk);
  await expect((async () => node.write(5 * 4096, new Uint8Array(10), 0, 10))()).rejects.toMatchObject({ kind: 'no-space' });
  await bench.graph.release(node);
  expect(Buffer.compare(disk.toBytes(), content)).toBe(0);
});
