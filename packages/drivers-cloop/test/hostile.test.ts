/** Damaged images: refused by name where they are opened, or an error where the damage is met. */
import { writeFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { UNTRUSTED } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng } from '@blk/driver-conformance';
import { cloopImage, sampleContent } from '@blk/image-writers';
import { qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseHeader, parseOffsets } from '../src/header.js';
import { Bench } from './support.js';

const CONTENT = sampleContent(1, 4 * 65536);
const IMAGE = cloopImage(CONTENT);
const TABLE = 136;

type Edit = readonly [at: number, value: number, bits: 32 | 64];

function edited(edits: readonly Edit[], length = IMAGE.length): Uint8Array {
  const bytes = IMAGE.slice(0, length);
  const view = new DataView(bytes.buffer);
  for (const [at, value, bits] of edits) {
    if (bits === 32) view.setUint32(at, value);
    else view.setBigUint64(at, BigInt(value));
  }
  return bytes;
}

/** Edits that the reference refuses as well. */
const BOTH: [string, Edit[], string][] = [
  ['no block size', [[128, 0, 32]], 'block_size cannot be zero'],
  ['an odd block size', [[128, 1000, 32]], 'block_size 1000 must be a multiple of 512'],
  ['a huge block size', [[128, 2 ** 31, 32]], 'block_size 2147483648 must be 64 MB or less'],
  ['too many blocks', [[132, 0xffff_ffff, 32]], 'n_blocks 4294967295 must be 536870911 or less'],
  ['too large a table', [[132, 0x1000_0000, 32]], 'image requires too many offsets, try increasing block size'],
  ['offsets that fall', [[TABLE + 8, 5, 64]], 'offsets not monotonically increasing at index 1, image file is corrupt'],
  ['an offset far away', [[TABLE + 8, 2 ** 40, 64]], 'invalid compressed block size at index 1, image file is corrupt'],
  ['an offset beyond numbers', [[TABLE + 8 * 4, 2 ** 62, 64]], 'invalid compressed block size at index 4, image file is corrupt'],
];

describe('hostile images', () => {
  test.each(BOTH)('%s', async (_name, edits, message) => {
    await expect(new Bench().openBytes(edited(edits))).rejects.toThrow(message);
  });

  test.each([[0, 'block_size cannot be zero'], [128, 'block_size cannot be zero'], [133, 'The header would end at 136'], [140, 'The table of offsets would end at 176, beyond the end of the file at 140']])(
    'cut after %i bytes', async (length, message) => {
      await expect(new Bench().openBytes(edited([], length))).rejects.toThrow(message);
    },
  );

  test('opened for writing: refused', async () => {
    await expect(new Bench().open(new MemoryDisk({ content: IMAGE }))).rejects.toMatchObject({ kind: 'read-only', message: 'Image is read-only' });
    const node = await new Bench().open(new MemoryDisk({ content: IMAGE }), { 'auto-read-only': true });
    expect(node.readOnly).toBe(true);
  });

  test('tables beyond the policy are not read', async () => {
    const bytes = new Uint8Array(2 << 20);
    bytes.set(edited([[132, 200_000, 32]], 136));
    await expect(new Bench({ ...UNTRUSTED, maxMetadataBytes: 1 << 20 }).openBytes(bytes)).rejects.toMatchObject({ kind: 'policy' });
  });

  test('damaged blocks are errors where they are met; the others are read', async () => {
    const offsets = [0, 1, 2, 3, 4].map((index) => Number(new DataView(IMAGE.buffer).getBigUint64(TABLE + 8 * index)));
    const damages: [Uint8Array, RegExp][] = [
      [edited([[offsets[1] + 20, 0, 32]]), /^Compressed block 1 at 0x[0-9a-f]+ (can not be inflated|holds)/],
      [edited([[offsets[2] - 4, 0, 32]]), /^Compressed block 1 at 0x[0-9a-f]+ can not be inflated/],
      [edited([[TABLE + 8, offsets[2], 64]]), /^Compressed block 1 at 0x[0-9a-f]+ has no bytes/],
      [edited([[TABLE + 8, offsets[1] + 3, 64]]), /^Compressed block 1 at/],
    ];
    for (const [bytes, message] of damages) {
      const node = await new Bench().openBytes(bytes);
      for (const [offset, length] of [[65536, 65536], [70_000, 10]]) {
        const buffer = new Uint8Array(length);
        await expect((async () => node.read(offset, buffer, 0, length))()).rejects.toMatchObject({ kind: 'io', message: expect.stringMatching(message) as string });
      }
      const buffer = new Uint8Array(1000);
      await node.read(3 * 65536, buffer, 0, 1000);
      expectSameBytes(buffer, CONTENT.subarray(3 * 65536, 3 * 65536 + 1000));
    }
    const cut = await new Bench().openBytes(edited([], IMAGE.length - 5));
    await expect((async () => cut.read(3 * 65536, new Uint8Array(10), 0, 10))()).rejects.toMatchObject({ kind: 'io', message: /beyond the end of the file/ });
  });

  test('streams that hold more or less than a block are errors; what follows a stream is borne', async () => {
    const one = (stream: Uint8Array): Uint8Array => {
      const bytes = new Uint8Array(152 + stream.length);
      const view = new DataView(bytes.buffer);
      bytes.set(IMAGE.subarray(0, 128));
      view.setUint32(128, 1024);
      view.setUint32(132, 1);
      view.setBigUint64(136, 152n);
      view.setBigUint64(144, BigInt(bytes.length));
      bytes.set(stream, 152);
      return bytes;
    };
    for (const length of [1000, 1025, 5000]) {
      await expect(new Bench().contentOf(one(deflateSync(new Uint8Array(length).fill(97))))).rejects.toMatchObject({ kind: 'io' });
    }
    const stream = deflateSync(new Uint8Array(1024).fill(97));
    expectSameBytes(await new Bench().contentOf(one(new Uint8Array([...stream, 1, 2, 3]))), new Uint8Array(1024).fill(97));
  });

  test('a table of several megabytes, and streams behind 4 GiB', async () => {
    const streams = Array.from({ length: 256 }, (_, value) => deflateSync(new Uint8Array(512).fill(value)));
    const blocks = 300_000;
    const head = new Uint8Array(TABLE + 8 * (blocks + 1));
    head.set(IMAGE.subarray(0, 128));
    const view = new DataView(head.buffer);
    view.setUint32(128, 512);
    view.setUint32(132, blocks);
    const kinds = Array.from({ length: blocks }, (_, index) => (index * 7) & 0xff);
    const packed = Buffer.concat(kinds.map((kind) => streams[kind]));
    const first = 5 * 2 ** 30;
    let offset = first;
    for (let index = 0; index <= blocks; index++) {
      view.setBigUint64(TABLE + 8 * index, BigInt(offset));
      if (index < blocks) offset += streams[kinds[index]].length;
    }
    const disk = new MemoryDisk({ size: offset });
    disk.content.write(0, head, 0, head.length);
    disk.content.write(first, packed, 0, packed.length);
    const node = await new Bench().open(disk, {}, { readOnly: true });
    expect(node.size).toBe(blocks * 512);
    // A mebibyte of the table tells of 131072 blocks.
    for (const index of [0, 131_071, 131_072, 131_073, 262_143, 262_144, blocks - 1]) {
      const buffer = new Uint8Array(512);
      await node.read(index * 512, buffer, 0, 512);
      expectSameBytes(buffer, new Uint8Array(512).fill(kinds[index]));
    }
  });

  test('any header is a geometry or an error', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 140 }), fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 0xffff_ffff }), (bytes, size, count) => {
      if (bytes.length >= 136) {
        new DataView(bytes.buffer, bytes.byteOffset).setUint32(128, size);
        new DataView(bytes.buffer, bytes.byteOffset).setUint32(132, count);
      }
      try {
        const { blockSize, blocks } = parseHeader(bytes);
        expect(blockSize % 512 === 0 && blockSize > 0 && blockSize * blocks <= 2 ** 52).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
    }), { seed: 1 });
    fc.assert(fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 9 }), (values) => {
      const bytes = new Uint8Array(8 * values.length);
      for (const [index, value] of values.entries()) new DataView(bytes.buffer).setBigUint64(8 * index, value);
      const offsets = new Float64Array(values.length);
      try {
        parseOffsets(bytes, offsets, 0);
        for (let index = 1; index < offsets.length; index++) expect(offsets[index] - offsets[index - 1]).toBeGreaterThanOrEqual(0);
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
    }), { seed: 2 });
  });

  test('any damage gives the bytes that were meant, or an error', async () => {
    const random = prng(9);
    let opened = 0;
    for (let run = 0; run < 150; run++) {
      const copy = IMAGE.slice(0, random.below(6) === 0 ? random.below(IMAGE.length) : IMAGE.length);
      for (let edit = 0; edit <= random.below(3); edit++) copy[random.pick([128 + random.below(8), 136 + random.below(40), random.below(copy.length)])] ^= 1 << random.below(8);
      try {
        const node = await new Bench().openBytes(copy);
        opened++;
        const buffer = new Uint8Array(Math.min(node.size, CONTENT.length));
        await node.read(0, buffer, 0, buffer.length);
        // Checksums see to it that no other bytes are taken for the content.
        for (let at = 0; at + 65536 <= buffer.length; at += 65536) {
          const block = buffer.subarray(at, at + 65536);
          expect([0, 1, 2, 3].some((index) => Buffer.compare(block, CONTENT.subarray(index * 65536, (index + 1) * 65536)) === 0)).toBe(true);
        }
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
    }
    expect(opened).toBeGreaterThan(30);
  });
});

const oracle = skipUnless('qemu-img', 'qemu-io');
describe.skipIf(oracle.skip)(oracle.title('the reference'), () => {
  test.each(BOTH)('%s: refused in the same words', async (_name, edits, message) => {
    using dir = tempDir();
    writeFileSync(dir.file('image'), edited(edits));
    expect((await qemuImg('info', '-f', 'cloop', dir.file('image'))).stderr).toContain(message);
  });

  test('refuses writing in the same words', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('image'), IMAGE);
    expect((await qemuIo(dir.file('image'), ['write 0 512'], { format: 'cloop' })).stderr).toContain('Image is read-only');
  });
});
