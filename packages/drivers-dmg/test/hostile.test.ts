/** Damaged images: refused by name where they are opened, or an error where the damage is met. */
import { writeFileSync } from 'node:fs';
import { crc32 } from '@blk/compression';
import { UNTRUSTED, type Repair } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng } from '@blk/driver-conformance';
import { dmgContent, dmgImage, packLzfse, sampleContent, type DmgChunk } from '@blk/image-writers';
import { qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseBlockTable } from '../src/block-table.js';
import { parsePlist } from '../src/plist.js';
import { tablesOfFork, tablesOfList } from '../src/tables.js';
import { parseTrailer } from '../src/trailer.js';
import { crc32OfZeroes } from '../src/zero-sum.js';
import { Bench, mixture } from './support.js';

const CONTENT = sampleContent(1, 64 * 512);
const CHUNKS: DmgChunk[] = [{ kind: 'zlib', content: CONTENT }, { kind: 'zero', sectors: 5 }, { kind: 'raw', content: CONTENT.subarray(0, 512) }];
const IMAGE = dmgImage([{ chunks: CHUNKS }]);
const FORK = dmgImage([{ chunks: CHUNKS }], { resourceFork: true });

/** Changes of the trailer: `[place, value]`, of 64 bits. */
type Edit = readonly [at: number, value: bigint];

function edited(image: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const bytes = image.slice();
  for (const [at, value] of edits) new DataView(bytes.buffer).setBigUint64(bytes.length - 512 + at, value);
  return bytes;
}

/** The image with rows of its table changed, wherever that is. */
function withRow(row: number, field: 'type' | 'start' | 'sectors' | 'offset' | 'length', value: bigint): Uint8Array {
  const bytes = FORK.slice();
  const at = Buffer.from(bytes).indexOf('mish') + 204 + 40 * row;
  const view = new DataView(bytes.buffer);
  if (field === 'type') view.setUint32(at, Number(value));
  else view.setBigUint64(at + { start: 8, sectors: 16, offset: 24, length: 32 }[field], value);
  return bytes;
}

const message = (text: string | RegExp): object => ({ name: 'BlockError', message: typeof text === 'string' ? expect.stringContaining(text) as string : expect.stringMatching(text) as string });

/** What the reference refuses in the same words. */
const BOTH: [string, Uint8Array, string][] = [
  ['an empty file', new Uint8Array(0), 'dmg file must be at least 512 bytes long'],
  ['no trailer', IMAGE.subarray(0, -512), 'Could not locate UDIF trailer in dmg file'],
  ['too much behind the trailer', new Uint8Array([...IMAGE, ...new Uint8Array(600)]), 'Could not locate UDIF trailer in dmg file'],
  ['a chunk of too many sectors', withRow(1, 'sectors', 131_073n), 'sector count 131073 for chunk 0 is larger than max (131072)'],
  ['a chunk of too many bytes', withRow(1, 'length', 67_108_865n), 'length 67108865 for chunk 0 is larger than max (67108864)'],
];
/** What it refuses without saying why, or opens. */
const OTHERS: [string, Uint8Array, string][] = [
  ['neither a list nor a fork', edited(IMAGE, [[224, 0n]]), 'The image has neither a property list nor a resource fork'],
  ['a list beyond the end', edited(IMAGE, [[216, 2n ** 60n]]), 'The property list at 0x1000000000000000'],
  ['a huge list', edited(IMAGE, [[224, 2n ** 62n]]), 'reaches beyond the end of the file'],
  ['a list in the wrong place', edited(IMAGE, [[216, 0n]]), 'The property list'],
  ['a fork beyond the end', edited(FORK, [[40, 2n ** 60n]]), 'The resource fork at 0x1000000000000000'],
  ['a short fork', edited(FORK, [[48, 200n]]), 'The resource fork refers to'],
  ['a data fork beyond the end', edited(IMAGE, [[24, 2n ** 60n]]), 'The data fork at 0x1000000000000000'],
  ['a huge disk', edited(IMAGE, [[492, 2n ** 62n]]), 'A disk of 4611686018427387904 sectors is too large'],
  ['several segments', edited(IMAGE, [[56, 0x1_0000_0003n]]), 'The image is one of 3 segment files, which are not supported'],
  ['chunks over each other', withRow(2, 'start', 3n), 'Two chunks hold sector 3'],
  ['a chunk beyond all disks', withRow(1, 'start', 2n ** 63n), 'Block table 0 has a number beyond all disks'],
  ['no table', FORK.map((byte, at) => (at === Buffer.from(FORK).indexOf('mish') ? 0 : byte)), 'Block table 0 does not begin with mish'],
  ['an encrypted image', new Uint8Array(Buffer.concat([Buffer.from('encrcdsa'), Buffer.alloc(1000)])), 'Encrypted disk images are not supported'],
];

describe('hostile images', () => {
  test.each([...BOTH, ...OTHERS])('%s', async (_name, image, text) => {
    await expect(new Bench().openBytes(image)).rejects.toMatchObject(message(text));
  });

  test('opened for writing: refused', async () => {
    await expect(new Bench().open(new MemoryDisk({ content: IMAGE }))).rejects.toMatchObject({ kind: 'read-only', message: 'Image is read-only' });
  });

  test('tables beyond the policy are not read', async () => {
    await expect(new Bench({ ...UNTRUSTED, maxMetadataBytes: 1000 }).openBytes(IMAGE)).rejects.toMatchObject({ kind: 'policy' });
  });

  test.each<[string, Uint8Array, number, RegExp]>([
    ['of an unknown type', withRow(1, 'type', 5n), 0, /^The chunk at sector 0 is of the unknown type 5/],
    ['of another type', withRow(1, 'type', 0x8000_0006n), 0, /^The chunk at sector 0 can not be inflated/],
    ['beyond the end', withRow(1, 'offset', 2n ** 40n), 0, /^The chunk at sector 0 ends at \d+, beyond the end of the file/],
    ['cut', withRow(1, 'length', 100n), 0, /^The chunk at sector 0 (can not be inflated|holds)/],
    ['that is somewhere else', withRow(2, 'start', 100n), 66 * 512, /^The chunk at sector 6[46] is missing: no table describes it/],
    ['raw and short', withRow(3, 'length', 100n), 69 * 512 + 200, /^The chunk at sector 69 has 100 bytes for 1 sectors/],
  ])('a chunk %s is an error where it is met', async (_name, image, offset, text) => {
    const bench = new Bench();
    const node = await bench.openBytes(image);
    for (const [at, length] of [[offset, 10], [0, node.size]]) {
      await expect((async () => node.read(at, new Uint8Array(length), 0, length))()).rejects.toMatchObject({ kind: 'io', ...message(text) });
    }
    expect(bench.warnings).toEqual(image[0] === 0 ? [] : /unknown/.test(String(text)) ? ['warning: Image contains chunks of unknown type 5, accessing them will result in I/O errors'] : []);
  });

  test('chunks of many unknown types: a few are told', async () => {
    const image = dmgImage([{ chunks: Array.from({ length: 20 }, () => ({ kind: 'zlib', content: CONTENT }) as const) }], { resourceFork: true });
    const rows = Buffer.from(image).indexOf('mish') + 204;
    // A remark is in front of them.
    for (let row = 1; row <= 20; row++) new DataView(image.buffer, image.byteOffset).setUint32(rows + 40 * row, 100 + row);
    const bench = new Bench();
    await bench.openBytes(image);
    expect(bench.warnings.length).toBe(8);
  });

  test('a raw chunk that has not all its bytes has no place in the file: what follows there is not its own', async () => {
    const places = async (image: Uint8Array): Promise<number[]> => {
      const node = await new Bench().openBytes(image);
      return [(await node.extent(69 * 512, 512)).hostOffset, (await node.extent(70 * 512 - 100, 100)).hostOffset];
    };
    const [start, end] = await places(FORK);
    expect(FORK.subarray(start, start + 512)).toEqual(CONTENT.subarray(0, 512));
    expect(end).toBe(start + 412);
    expect(await places(withRow(3, 'length', 511n))).toEqual([-1, -1]);
  });

  test('a run of zeroes is told as one, and ends where no table describes the disk', async () => {
    const image = dmgImage([{ chunks: [{ kind: 'zero', sectors: 10 }, { kind: 'ignore', sectors: 7 }, { kind: 'zero', sectors: 20 }, { kind: 'zero', sectors: 30 }, { kind: 'zlib', content: CONTENT }, { kind: 'adc', content: CONTENT }] }], { resourceFork: true });
    const extents = async (bytes: Uint8Array): Promise<readonly (readonly [sectors: number, zero: boolean])[]> => {
      const node = await new Bench().openBytes(bytes);
      const found: [number, boolean][] = [];
      for (let at = 0; at < node.size; ) {
        const { length, zero } = await node.extent(at, node.size - at);
        found.push([length / 512, zero]);
        at += length;
      }
      return found;
    };
    expect(await extents(image)).toEqual([[67, true], [128, false]]);
    // Without its third chunk; a remark is in front of them.
    new DataView(image.buffer, image.byteOffset).setBigUint64(Buffer.from(image).indexOf('mish') + 204 + 40 * 3 + 16, 0n);
    expect(await extents(image)).toEqual([[17, true], [20, false], [30, true], [128, false]]);
  });

  test('a check tells how far it is, in bytes of the file and of what is unpacked', async () => {
    const node = await new Bench().open(new MemoryDisk({ content: IMAGE }), {}, { checking: true, readOnly: true });
    const told: number[][] = [];
    await node.driver.check?.({ repair: 'none', progress: (done, total) => { told.push([done, total]); } });
    const data = Number(new DataView(IMAGE.buffer).getBigUint64(IMAGE.length - 512 + 32));
    const total = data + 65 * 512;
    expect(told).toEqual([[data, total], [data + 64 * 512, total], [total, total]]);
  });

  test('what a check finds', async () => {
    expect((await new Bench().checkBytes(IMAGE)).result).toMatchObject({ corruptions: 0, totalClusters: 3, allocatedClusters: 2, compressedClusters: 1 });
    const raw = IMAGE.slice();
    // The raw chunk is the last of the data fork.
    const end = Number(new DataView(IMAGE.buffer).getBigUint64(IMAGE.length - 512 + 32));
    raw[end - 1] ^= 1;
    const found = await new Bench().checkBytes(raw);
    expect(found.lines).toEqual([expect.stringMatching(/^ERROR The data fork has the checksum 0x/), expect.stringMatching(/^ERROR Block table 0 has the checksum 0x/)]);
    expect(found.result.corruptions).toBe(2);
    const zlib = IMAGE.slice();
    zlib[100] ^= 1;
    expect((await new Bench().checkBytes(zlib)).lines).toEqual([expect.stringMatching(/^ERROR The data fork/), expect.stringMatching(/^ERROR The chunk at sector 0/)]);
    expect((await new Bench().checkBytes(edited(IMAGE, [[360, 0n]]))).lines).toEqual([expect.stringMatching(/^ERROR The image has the checksum 0x/)]);
    const node = await new Bench().openBytes(IMAGE);
    await expect(node.driver.check?.({ repair: 'all' satisfies Repair })).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

test('a check tells of checksums of other kinds, and unpacks all chunks whether there are any', async () => {
  const image = dmgImage([{ chunks: [{ kind: 'zlib', content: CONTENT }, { kind: 'raw', content: CONTENT }] }], { resourceFork: true });
  const table = Buffer.from(image).indexOf('mish');
  const trailer = image.length - 512;
  const typed = (type: number): Uint8Array => {
    const bytes = image.slice();
    for (const at of [table + 64, trailer + 80, trailer + 352]) new DataView(bytes.buffer).setUint32(at, type);
    return bytes;
  };
  expect(await new Bench().checkBytes(image)).toMatchObject({ lines: [], result: { corruptions: 0 } });
  expect(await new Bench().checkBytes(typed(0))).toMatchObject({ lines: [], result: { corruptions: 0 } });
  const told = ['The data fork', 'Block table 0', 'The image'].map((what) => `${what} has a checksum of type 4, which is not verified`);
  expect(await new Bench().checkBytes(typed(4))).toMatchObject({ lines: told, result: { corruptions: 0 } });
  const damaged = typed(0);
  damaged[100] ^= 1;
  expect(await new Bench().checkBytes(damaged)).toMatchObject({ lines: [expect.stringMatching(/^ERROR The chunk at sector 0/)], result: { corruptions: 1 } });
});

test('petabytes of zeroes are checked at once', async () => {
  const image = dmgImage([{ chunks: [{ kind: 'zlib', content: CONTENT }, { kind: 'zero', sectors: 1 }] }], { resourceFork: true });
  const table = Buffer.from(image).indexOf('mish');
  const view = new DataView(image.buffer, image.byteOffset);
  const sectors = 2n ** 43n;
  const first = BigInt(CONTENT.length / 512);
  // A remark is in front, and the other chunk.
  view.setBigUint64(table + 204 + 80 + 16, sectors);
  view.setBigUint64(table + 16, first + sectors);
  view.setBigUint64(image.length - 512 + 492, first + sectors);
  const { lines } = await new Bench().checkBytes(image);
  expect(lines).toEqual([expect.stringMatching(/^ERROR Block table 0 has the checksum 0x/)]);
});

test('the checksum of zeroes is that of as many zeroes', () => {
  const random = prng(1);
  for (const length of [0, 1, 2, 7, 512, 4095, 100_000, random.below(1_000_000)]) {
    const before = crc32(random.bytes(9));
    expect(crc32OfZeroes(before, length)).toBe(crc32(new Uint8Array(length), before));
  }
});

describe('parsers', () => {
  const blockErrorOr = (parse: () => unknown): void => {
    try {
      parse();
    } catch (error) {
      expect(error).toMatchObject({ name: 'BlockError' });
    }
  };

  test('any bytes are what they should be, or an error', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), fc.nat(), (bytes, size) => { blockErrorOr(() => parseTrailer(bytes, size)); }), { seed: 1 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => { blockErrorOr(() => tablesOfFork(bytes)); }), { seed: 2 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => { blockErrorOr(() => tablesOfList(bytes)); }), { seed: 3 });
    const rows = fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 5, 0x8000_0005, 0xffff_ffff), fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 4, maxLength: 4 })), { maxLength: 4 });
    fc.assert(fc.property(rows, fc.nat(8), (found, more) => {
      const bytes = new Uint8Array(204 + 40 * found.length);
      const view = new DataView(bytes.buffer);
      bytes.set(Buffer.from('mish'));
      view.setUint32(4, 1);
      view.setUint32(200, found.length + (more > 6 ? more : 0));
      for (const [index, [type, numbers]] of found.entries()) {
        view.setUint32(204 + 40 * index, type);
        for (const [place, value] of numbers.entries()) view.setBigUint64(204 + 40 * index + 8 + 8 * place, value);
      }
      blockErrorOr(() => parseBlockTable(bytes, 0, 0));
    }), { seed: 4 });
    const tags = fc.array(fc.constantFrom('<plist>', '</plist>', '<dict>', '</dict>', '<array>', '</array>', '<key>a</key>', '<data>AAAA</data>', '<string/>', '&', '<!-- -->', '<', '>', '<true/>'), { maxLength: 20 });
    fc.assert(fc.property(tags, (parts) => { blockErrorOr(() => parsePlist(parts.join(''))); }), { seed: 5 });
  });

  test('one block table under many names is refused before it is read as many times', () => {
    const table = 4000;
    const references = 65536;
    const map = 16 + 4 + table;
    const bytes = new Uint8Array(map + 30 + 8 + references * 12);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 16);
    view.setUint32(4, map);
    view.setUint32(16, table);
    view.setUint16(map + 24, 28);
    bytes.set(Buffer.from('blkx'), map + 30);
    view.setUint16(map + 34, references - 1);
    view.setUint16(map + 36, 10);
    expect(() => tablesOfFork(bytes)).toThrow('The resource fork has block tables that lie over each other');
    view.setUint16(map + 34, 2);
    expect(tablesOfFork(bytes).map(({ length }) => length)).toEqual([table, table, table]);
  });

  test('property lists: what is read, and what is not', () => {
    expect(parsePlist('<?xml version="1.0"?><!DOCTYPE plist PUBLIC "a" "b">\n<plist version="1.0"><!-- > --><dict><key>a&amp;b</key><array><string>x&lt;</string><integer>5</integer><true/></array></dict></plist>'))
      .toEqual(new Map([['a&b', ['x<', '5', '']]]));
    for (const [text, why] of [
      ['<!DOCTYPE plist [<!ENTITY a "b">]><plist><string>&a;</string></plist>', 'has declarations of its own'],
      ['<plist><string>&a;</string></plist>', 'refers to the unknown entity &a;'],
      [`<plist>${'<array>'.repeat(1000)}`, 'is nested too deeply'],
      ['<plist><dict><string>a</string></dict></plist>', 'has <string> where <key> was expected'],
      ['<plist><string>a</strong></plist>', 'does not end <string>'],
      ['<plist><string>a', 'does not end <string>'],
      ['<html>', 'has <html> where <plist> was expected'],
      ['hello <plist>', 'has text where a tag was expected'],
      ['', 'ends early'],
    ]) {
      expect(() => parsePlist(text), text).toThrow(`The property list ${why}`);
    }
  });

  test('any damage to an image gives what was meant, or an error; a check tells', async () => {
    const random = prng(5);
    const partitions = mixture(2, 300);
    const content = dmgContent(partitions);
    for (const options of [{}, { resourceFork: true }]) {
      const image = dmgImage(partitions, options);
      let opened = 0;
      let silent = 0;
      for (let run = 0; run < 80; run++) {
        const copy = image.slice();
        for (let edit = 0; edit <= random.below(2); edit++) copy[random.pick([copy.length - 1 - random.below(512), random.below(copy.length)])] = random.pick([0, 1, 0x7f, 0xff, random.below(256)]);
        try {
          const node = await new Bench().openBytes(copy);
          opened++;
          const bytes = new Uint8Array(Math.min(node.size, content.length));
          await node.read(0, bytes, 0, bytes.length);
          if (Buffer.compare(bytes, content.subarray(0, bytes.length)) === 0) continue;
          // Raw chunks have nothing that would tell but the checksums.
          if ((await new Bench().checkBytes(copy)).result.corruptions === 0) silent++;
        } catch (error) {
          expect(error).toMatchObject({ name: 'BlockError' });
        }
      }
      expect(opened).toBeGreaterThan(20);
      // Whoever changes a place in a table changes no checksum of content: only where the content seems to be.
      expect(silent).toBeLessThanOrEqual(2);
    }
  });

  test('streams that lie about themselves are errors, and take no memory', async () => {
    const bomb = packLzfse(new Uint8Array(1 << 20).fill(5));
    const chunk: DmgChunk = { kind: 'other', type: 0x8000_0007, content: new Uint8Array(512), packed: bomb };
    await expect(new Bench().contentOf(dmgImage([{ chunks: [chunk] }]))).rejects.toMatchObject({ kind: 'io' });
    expectSameBytes(await new Bench().contentOf(dmgImage([{ chunks: [{ kind: 'other', type: 0x8000_0007, content: new Uint8Array(1 << 20).fill(5), packed: bomb }] }])), new Uint8Array(1 << 20).fill(5));
  });
});

const oracle = skipUnless('qemu-img', 'qemu-io');
describe.skipIf(oracle.skip)(oracle.title('the reference'), () => {
  test.each(BOTH)('%s: refused in the same words', async (_name, image, text) => {
    using dir = tempDir();
    writeFileSync(dir.file('image'), image);
    expect((await qemuImg('info', '-f', 'dmg', dir.file('image'))).stderr).toContain(text);
  });

  test('refuses writing in the same words', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('image'), IMAGE);
    expect((await qemuIo(dir.file('image'), ['write 0 512'], { format: 'dmg' })).stderr).toContain('Image is read-only');
  });
});
