/** zstd in Node and in browsers: the same bytes, the same refusals, and frames that others read. */
import { describe, expect, test } from 'vitest';
import { loadNativeZstd } from '../src/platform/zstd-native.js';
import { ZstdThreads } from '../src/platform/zstd-threads.js';
import { loadZstd } from '../src/platform/zstd-wasm.js';
import * as browser from '../src/platform/zstd.js';
import * as node from '../src/platform/zstd-node.js';
import { StreamError } from '../src/stream-error.js';
import { zstdFrame } from '../src/zstd-frame.js';

const SIZE = 65536;
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

function sample(seed: number, length = SIZE): Uint8Array {
  let state = seed;
  return new Uint8Array(length).map((_, at) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return at % 300 < 200 ? at % 7 : state >>> 24;
  });
}

describe.each([['node', node], ['browser', browser]])('%s', (_name, platform) => {
  test('gives the bytes back, whatever follows the frame', async () => {
    for (const content of [sample(1), new Uint8Array(SIZE), sample(2, 512), sample(3, 2 << 20)]) {
      const packed = await node.deflateZstd(content);
      const followed = new Uint8Array(packed.length + 700).fill(0x28);
      followed.set(packed);
      for (const bytes of [packed, followed]) expect(same(await platform.inflateZstd(bytes, content.length), content)).toBe(true);
    }
  });

  test('never makes more than was asked for, nor less', async () => {
    const packed = await node.deflateZstd(sample(1));
    for (const size of [0, 1, SIZE - 1, SIZE + 1]) {
      await expect((async () => platform.inflateZstd(packed, size))()).rejects.toThrow(`holds ${SIZE} bytes instead of ${size}`);
    }
    // One that says nothing: single blocks that repeat a byte, 128 KiB each.
    const block = (length: number, last: boolean): number[] => {
      const header = (length << 3) | 2 | Number(last);
      return [header & 255, (header >> 8) & 255, header >> 16, 7];
    };
    const bomb = Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, ...Array.from({ length: 1000 }, () => block(131072, false)).flat(), ...block(1, true)]);
    await expect((async () => platform.inflateZstd(bomb, SIZE))()).rejects.toThrow(/holds more than|can not be inflated/);
    const silent = Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, ...block(SIZE, true)]);
    expect(same(await platform.inflateZstd(silent, SIZE), new Uint8Array(SIZE).fill(7))).toBe(true);
    await expect((async () => platform.inflateZstd(silent, SIZE + 1))()).rejects.toThrow(`holds ${SIZE} bytes instead of ${SIZE + 1}`);
  });

  test('any damage gives bytes or a StreamError', async () => {
    const packed = await node.deflateZstd(sample(4));
    let state = 7;
    for (let run = 0; run < 300; run++) {
      const copy = packed.slice(0, run % 3 === 0 ? 1 + ((run * 97) % packed.length) : packed.length);
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      copy[run < 40 ? run % copy.length : (state >>> 8) % copy.length] ^= 1 + (state % 255);
      try {
        expect((await platform.inflateZstd(copy, SIZE)).length).toBe(SIZE);
      } catch (error) {
        expect(error).toBeInstanceOf(StreamError);
      }
    }
  });
});

describe('frames', () => {
  const frame = (...bytes: number[]): Uint8Array => Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, ...bytes]);
  test.each([
    ['nothing', new Uint8Array(0), 'no zstd frame begins there'],
    ['another magic', Uint8Array.of(1, 2, 3, 4, 5, 6), 'no zstd frame begins there'],
    ['a reserved bit', frame(0x28, 1), 'a reserved bit is set'],
    ['a large window', frame(0x00, 0xff, 0, 0, 0), 'its window is too large'],
    ['a dictionary', frame(0x21, 9, 1, 0), 'it needs a dictionary'],
    ['a header cut short', frame(0xe0, 1), 'its header is cut short'],
    ['no block', frame(0x20, 5), 'it is cut short'],
    ['a block of a kind that is reserved', frame(0x20, 5, 0x07, 0, 0), 'a block is of no known kind'],
    ['a block cut short', frame(0x20, 5, 0x29, 0, 0, 1, 2), 'it is cut short'],
  ])('with %s', (_name, bytes, reason) => {
    expect(() => zstdFrame(bytes, 5)).toThrow(`can not be inflated: ${reason}`);
  });

  test('end where they say, with a checksum behind them or not', () => {
    const plain = frame(0x20, 5, 0x29, 0, 0, 1, 2, 3, 4, 5);
    expect(zstdFrame(Uint8Array.from([...plain, 9, 9]), 5)).toEqual(plain);
    const summed = frame(0x24, 5, 0x29, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    expect(zstdFrame(Uint8Array.from([...summed, 9, 9]), 5)).toEqual(summed);
  });
});

const contents = Array.from({ length: 40 }, (_, at) => sample(at + 1));

test('many at a time, each with its own result', async () => {
  const packed = await Promise.all(contents.map((content) => node.deflateZstd(content)));
  for (const [at, bytes] of packed.entries()) expect(same(await node.inflateZstd(bytes, SIZE), contents[at])).toBe(true);
});

test('many small ones at once, more than koffi takes', async () => {
  const clusters = Array.from({ length: 1000 }, (_, at) => sample(at + 1, 512));
  const packed = await Promise.all(clusters.map((content) => node.deflateZstd(content)));
  for (const [at, bytes] of packed.entries()) expect(same(await node.inflateZstd(bytes, 512), clusters[at])).toBe(true);
});

test('threads with WebAssembly serve where nothing else does', async () => {
  const threads = new ZstdThreads();
  const zstd = await loadZstd();
  const packed = await Promise.all(contents.map((content) => threads.compress(content)));
  for (const [at, bytes] of packed.entries()) {
    expect(same(zstd.decompress(bytes, SIZE), contents[at])).toBe(true);
    expect(same(await node.inflateZstd(bytes, SIZE), contents[at])).toBe(true);
  }
  await expect((async () => zstd.decompress(packed[0].subarray(0, 100), SIZE))()).rejects.toThrow();
});

test('the system\'s own gives the same', async () => {
  const native = await loadNativeZstd();
  if (native === undefined) return;
  const zstd = await loadZstd();
  for (const content of contents) {
    const packed = await native.compress(content);
    expect(same(zstd.decompress(packed, SIZE), content)).toBe(true);
    const into = new Uint8Array(SIZE + 10).fill(7);
    expect(native.decompress(zstd.compress(content, 3), into, 5, SIZE)).toBe(SIZE);
    expect(same(into.subarray(5, SIZE + 5), content)).toBe(true);
    expect([into[4], into[SIZE + 5]]).toEqual([7, 7]);
    expect(() => native.decompress(packed.subarray(0, 100), into, 0, SIZE)).toThrow('the frame is damaged');
    expect(() => native.decompress(packed, into, 0, SIZE - 1)).toThrow('the frame is damaged');
    expect(() => native.decompress(packed, into, 11, SIZE)).toThrow(RangeError);
    expect(() => native.decompressAside(packed, into, 11, SIZE)).toThrow(RangeError);
    await expect(native.decompressAside(packed.subarray(0, 100), into, 0, SIZE)).rejects.toThrow('can not be inflated');
  }
});

test('many into one buffer: each in its place, damage told of its own', async () => {
  const clusters = Array.from({ length: 60 }, (_, at) => sample(at + 1, 4096));
  const packed = await Promise.all(clusters.map((content) => node.deflateZstd(content)));
  const shared = new Uint8Array(4096);
  const into = new Uint8Array(clusters.length * 4096 + 1);
  const results = await Promise.allSettled(packed.map(async (bytes, at) => {
    // The memory that a stream came in is somebody else's after the call.
    shared.set(bytes);
    if (at === 7) shared[bytes.length - 3] ^= 0xff;
    const done = node.inflateZstdInto(shared.subarray(0, at === 8 ? bytes.length - 5 : bytes.length), into, at * 4096, 4096);
    shared.fill(0);
    await done;
  }));
  for (const [at, content] of clusters.entries()) {
    if (at === 8) expect(results[at]).toMatchObject({ status: 'rejected', reason: { name: 'StreamError' } });
    else if (at !== 7) expect(same(into.subarray(at * 4096, (at + 1) * 4096), content)).toBe(true);
  }
  expect(into[clusters.length * 4096]).toBe(0);
});

test('browsers can not compress', async () => {
  await expect(browser.deflateZstd(sample(1))).rejects.toThrow('compressing with zstd needs Node');
});
