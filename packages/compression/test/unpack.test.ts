/** bzip2, xz, LZFSE and ADC: what other programs and the tests' own encoders packed, and every way to lie about it. */
import { crc32 as zipCrc32 } from 'node:zlib';
import { packAdc, packLzfse, packWith7zz, sampleContent, type LzfseBlock } from '@blk/image-writers';
import { prng, skipUnless } from '@blk/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32, unpackInto, type PackFormat } from '../src/index.js';
import * as browser from '../src/platform/deflate.js';
import { decoders } from '../src/unpack/decoders.js';

const sevenZip = skipUnless('7zz');
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const CONTENTS: Record<string, Uint8Array> = {
  nothing: new Uint8Array(0), 'one byte': Uint8Array.of(7), zeroes: new Uint8Array(300_000), mixed: sampleContent(1, 250_000), noise: prng(1).bytes(70_000),
  'runs of four and five': new Uint8Array(5000).map((_, at) => Math.floor(at / (4 + (Math.floor(at / 40) % 2))) % 3),
};

async function unpack(format: PackFormat, packed: Uint8Array, size: number, by: typeof unpackInto = unpackInto): Promise<Uint8Array> {
  const into = new Uint8Array(size + 20).fill(0x55);
  await by(format, packed, into, 10, size);
  // Nothing beside its place is touched.
  expect([...into.subarray(0, 10), ...into.subarray(size + 10)].every((byte) => byte === 0x55)).toBe(true);
  return into.subarray(10, size + 10);
}

async function expectUnpacked(format: PackFormat, packed: Uint8Array, content: Uint8Array): Promise<void> {
  expect(same(await unpack(format, packed, content.length), content)).toBe(true);
  expect(same(await unpack(format, packed, content.length, browser.unpackInto), content)).toBe(true);
}

describe.skipIf(sevenZip.skip)(sevenZip.title('packed by 7zz'), () => {
  test.each<['bzip2' | 'xz', string[]]>([
    ['bzip2', []], ['bzip2', ['-mx=1']], ['xz', []], ['xz', ['-mx=1']], ['xz', ['-m0=lzma2:lc=0:lp=2:pb=0:d=64k']], ['xz', ['-m0=lzma2:lc=4:lp=0:pb=4']],
  ])('%s %o', async (format, options) => {
    for (const content of Object.values(CONTENTS)) await expectUnpacked(format, packWith7zz(format, content, options), content);
  });

  test.each(['bzip2', 'xz'] as const)('%s: damage anywhere is an error, for there are checksums', (format) => {
    const content = sampleContent(2, 3000);
    const packed = packWith7zz(format, content);
    const decode = decoders[format]();
    const random = prng(3);
    // What follows the content and its checksum is not looked at.
    const end = format === 'xz' ? packed.length - 36 : packed.length;
    for (let run = 0; run < 400; run++) {
      const copy = packed.slice();
      copy[random.below(end)] ^= 1 << random.below(8);
      const into = new Uint8Array(content.length);
      try {
        expect(decode(copy, into, 0, content.length)).toBe(content.length);
        // Bits that fill up the last byte mean nothing.
        expect(same(into, content)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
    for (let length = 0; length < end - 1; length += 7) expect(() => decode(packed.subarray(0, length), new Uint8Array(content.length), 0, content.length)).toThrow();
  });
});

const LZFSE: LzfseBlock[][] = [['raw'], ['lzvn'], ['packed'], ['plain'], ['packed', 'lzvn', 'raw', 'plain']];
test.each(LZFSE.map((blocks) => [blocks]))('lzfse %o', async (blocks) => {
  for (const content of Object.values(CONTENTS)) await expectUnpacked('lzfse', packLzfse(content, blocks), content);
});

test('adc', async () => {
  for (const content of Object.values(CONTENTS)) await expectUnpacked('adc', packAdc(content), content);
});

describe.each<[PackFormat, (content: Uint8Array) => Uint8Array]>([['adc', packAdc], ...LZFSE.map((blocks): [PackFormat, (content: Uint8Array) => Uint8Array] => ['lzfse', (content) => packLzfse(content, blocks)])])('%s', (format, pack) => {
  const content = sampleContent(4, 40_000);
  const packed = pack(content);

  test('a stream that holds more or less than was asked for is an error', async () => {
    for (const size of [0, content.length - 1, content.length + 1]) {
      for (const by of [unpackInto, browser.unpackInto]) await expect((async () => unpack(format, packed, size, by))()).rejects.toThrow();
    }
    await expect((async () => unpack(format, packed.subarray(0, packed.length / 2), content.length))()).rejects.toThrow();
  });

  test('damage is an error, or other bytes; never more of them', () => {
    const decode = decoders[format]();
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { maxLength: 4 }), fc.nat(packed.length), (edits, length) => {
      const copy = packed.slice(0, length % 3 === 0 ? length : packed.length);
      for (const [at, byte] of edits) if (at < copy.length) copy[at] = byte;
      const into = new Uint8Array(content.length + 8).fill(0x55);
      try {
        expect(decode(copy, into, 4, content.length)).toBeLessThanOrEqual(content.length);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
      expect([...into.subarray(0, 4), ...into.subarray(-4)].every((byte) => byte === 0x55)).toBe(true);
    }), { seed: 1, numRuns: 150 });
  });
});

test.each(Object.keys(decoders) as PackFormat[])('%s: any bytes are an error, or a content that fits', (format) => {
  const decode = decoders[format]();
  const heads: Record<PackFormat, number[]> = { adc: [], bzip2: [...Buffer.from('BZh91AY&SY')], lzfse: [...Buffer.from('bvx2')], xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0] };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (rest, withHead) => {
    const into = new Uint8Array(1000);
    try {
      expect(decode(Uint8Array.from([...(withHead ? heads[format] : []), ...rest]), into, 0, 1000)).toBeLessThanOrEqual(1000);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
    }
  }), { seed: 2 });
});

test('threads take their part, and find the same errors', async () => {
  const contents = Array.from({ length: 60 }, (_, at) => sampleContent(at + 10, 200_000));
  const packed = contents.map((content, at) => (at % 2 === 0 ? packAdc(content) : packLzfse(content, ['lzvn'])));
  let inThreads = 0;
  let bad = 0;
  await Promise.all(packed.map(async (bytes, at) => {
    const into = new Uint8Array(200_000);
    try {
      const done = unpackInto(at % 2 === 0 ? 'adc' : 'lzfse', at % 20 === 19 ? bytes.subarray(0, 1000) : bytes, into, 0, 200_000);
      if (done !== undefined) inThreads++;
      await done;
      expect(same(into, contents[at])).toBe(true);
    } catch (error) {
      expect(error).toMatchObject({ name: 'StreamError' });
      bad++;
    }
  }));
  expect(bad).toBe(3);
  expect(inThreads).toBeGreaterThan(0);
});

test('crc32 is that of zip, in one piece and in several', () => {
  for (const content of Object.values(CONTENTS)) {
    expect(crc32(content)).toBe(zipCrc32(content));
    const half = Math.floor(content.length / 3);
    expect(crc32(content.subarray(half), crc32(content.subarray(0, half)))).toBe(zipCrc32(content));
  }
});
