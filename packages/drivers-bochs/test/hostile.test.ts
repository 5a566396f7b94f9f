/** Damaged images: refused by name where they are opened, or an error where the damage is met. */
import { writeFileSync } from 'node:fs';
import { UNTRUSTED } from '@blk/core-graph';
import { MemoryDisk, prng } from '@blk/driver-conformance';
import { bochsImage } from '@blk/image-writers';
import { qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseHeader } from '../src/header.js';
import { Bench, sampleBytes } from './support.js';

const CONTENT = sampleBytes(1, 1 << 20);
const IMAGE = bochsImage(CONTENT);
const CATALOG = 512;

type Edit = readonly [at: number, value: number | bigint];

function edited(edits: readonly Edit[], length = IMAGE.length): Uint8Array {
  const bytes = IMAGE.slice(0, length);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of edits) {
    if (typeof value === 'bigint') view.setBigUint64(at, value, true);
    else view.setUint32(at, value, true);
  }
  return bytes;
}

/** Edits that the reference refuses as well. */
const BOTH: [string, Edit[], string][] = [
  ['magic', [[0, 0]], 'Image not in Bochs format'],
  ['another type', [[32, 0]], 'Image not in Bochs format'],
  ['another subtype', [[48, 0x6f64_6e55]], 'Image not in Bochs format'],
  ['another version', [[64, 0x3_0000]], 'Image not in Bochs format'],
  ['tiny extents', [[80, 0]], 'Extent size must be at least 512'],
  ['odd extents', [[80, 1536]], 'Extent size 1536 is not a power of two'],
  ['huge extents', [[80, 2 ** 31]], 'Extent size 2147483648 is too large'],
  ['a huge catalog', [[72, 0x7fff_ffff]], 'Catalog size is too large'],
  ['a small catalog', [[72, 63]], 'Catalog size is too small for this disk size'],
  ['a huge disk', [[88, 2n ** 62n]], 'Catalog size is too small for this disk size'],
];
/** What the reference opens. */
const STRICTER: typeof BOTH = [
  ['a catalog over the header', [[68, 64]], 'A header of 64 bytes does not hold its own fields'],
  ['no bitmap', [[76, 0]], 'A bitmap of 0 bytes is too small for an extent, which needs 4'],
  ['a catalog beyond the end', [[72, 0x10_0000]], 'The catalog would end at 4194816, beyond the end of the file'],
];

describe('hostile images', () => {
  test.each([...BOTH, ...STRICTER])('%s', async (_name, edits, message) => {
    await expect(new Bench().openBytes(edited(edits))).rejects.toThrow(message);
  });

  test.each([[0, 'Image not in Bochs format'], [100, 'Image not in Bochs format'], [600, 'The catalog would end at 768']])('cut after %i bytes', async (length, message) => {
    await expect(new Bench().openBytes(edited([], length))).rejects.toThrow(message);
  });

  test('opened for writing: refused', async () => {
    await expect(new Bench().open(new MemoryDisk({ content: IMAGE }))).rejects.toMatchObject({ kind: 'read-only', message: 'Image is read-only' });
  });

  test('catalogs beyond the policy are not read', async () => {
    await expect(new Bench({ ...UNTRUSTED, maxMetadataBytes: 200 }).openBytes(IMAGE)).rejects.toMatchObject({ kind: 'policy' });
  });

  test('extents that are not in the file are errors where they are met', async () => {
    const lost = await new Bench().openBytes(edited([[CATALOG, 0x1000_0000]]));
    await expect((async () => lost.read(0, new Uint8Array(512), 0, 512))()).rejects.toMatchObject({ kind: 'io', message: /^The bitmap of an extent at 0x[0-9a-f]+ reaches beyond the end/ });
    await expect((async () => lost.extent(0, 512))()).rejects.toMatchObject({ kind: 'io' });
    const end = bochsImage(new Uint8Array(16384).fill(1));
    const cut = await new Bench().openBytes(end.subarray(0, -1000));
    await expect((async () => cut.read(15_000, new Uint8Array(1000), 0, 1000))()).rejects.toMatchObject({ kind: 'io', message: /^A sector at 0x[0-9a-f]+ reaches beyond the end/ });
    await cut.read(0, new Uint8Array(15_000), 0, 15_000);
  });

  test('a bitmap that the end of the file cuts is an error, and not the zeroes of sectors that were never written', async () => {
    const extentSize = 8 << 20;
    const image = bochsImage(new Uint8Array(extentSize).fill(1), { extentSize });
    // A bit for each sector, and then the sectors.
    const place = image.length - extentSize - 2048;
    for (const [length, thing] of [[place + 2047, 'The bitmap of an extent'], [place + 2048, 'A sector']] as const) {
      const node = await new Bench().openBytes(image.subarray(0, length));
      await expect((async () => node.read(0, new Uint8Array(512), 0, 512))()).rejects.toMatchObject({ kind: 'io', message: expect.stringMatching(`^${thing} at 0x[0-9a-f]+ reaches beyond the end`) as string });
    }
  });

  test('any header is a geometry or an error', () => {
    const numbers = fc.integer({ min: 0, max: 0xffff_ffff });
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 23 }), numbers), { maxLength: 4 }), fc.integer({ min: 0, max: 512 }), (edits, length) => {
      const bytes = edited(edits.map(([at, value]) => [64 + 4 * (at % 8), value]), length < 400 ? 512 : length);
      try {
        const { size, extentSize, entries } = parseHeader(bytes);
        expect(size <= extentSize * entries).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
    }), { seed: 1 });
  });

  test('any damage gives an image or an error, and so does what is read of it', async () => {
    const random = prng(5);
    let opened = 0;
    for (let run = 0; run < 200; run++) {
      const copy = IMAGE.slice(0, random.below(6) === 0 ? random.below(IMAGE.length) : IMAGE.length);
      for (let edit = 0; edit <= random.below(3); edit++) copy[random.pick([64 + random.below(32), CATALOG + random.below(256), random.below(copy.length)])] = random.pick([0, 1, 2, 0x80, 0xff, random.below(256)]);
      try {
        const node = await new Bench().openBytes(copy);
        opened++;
        const length = Math.min(node.size, 2 << 20);
        await node.read(0, new Uint8Array(length), 0, length);
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
    }
    expect(opened).toBeGreaterThan(50);
  });
});

const oracle = skipUnless('qemu-img', 'qemu-io');
describe.skipIf(oracle.skip)(oracle.title('the reference'), () => {
  test.each(BOTH)('%s: refused in the same words', async (_name, edits, message) => {
    using dir = tempDir();
    writeFileSync(dir.file('image'), edited(edits));
    expect((await qemuImg('info', '-f', 'bochs', dir.file('image'))).stderr).toContain(message);
  });

  test('refuses writing in the same words', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('image'), IMAGE);
    expect((await qemuIo(dir.file('image'), ['write 0 512'], { format: 'bochs' })).stderr).toContain('Image is read-only');
  });
});
