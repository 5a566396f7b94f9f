/** Inflating in Node and in browsers: the same bytes, the same refusals. */
import { deflateRawSync, deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import * as browser from '../src/platform/deflate.js';
import * as node from '../src/platform/deflate-node.js';
import { makeInflate } from '../src/platform/inflate-engine.js';
import { StreamError } from '../src/stream-error.js';

const SIZE = 65536;
const cluster = sample(1);

/** Bytes that deflate to some part of their length. */
function sample(seed: number): Uint8Array {
  let state = seed;
  return new Uint8Array(SIZE).map((_, at) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return at % 300 < 200 ? at % 7 : state >>> 24;
  });
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

describe.each([
  ['node', node],
  ['browser', browser],
])('%s', (_name, platform) => {
  test('gives the bytes back, whatever follows the stream', async () => {
    const packed = deflateRawSync(cluster);
    const followed = new Uint8Array(packed.length + 300).fill(0xaa);
    followed.set(packed);
    for (const bytes of [packed, followed]) {
      expect(same(platform.inflateRaw(bytes, SIZE), cluster)).toBe(true);
      const into = new Uint8Array(SIZE + 20).fill(0x55);
      await platform.inflateRawInto(new Uint8Array(bytes), into, 10, SIZE);
      expect(same(into.subarray(10, SIZE + 10), cluster)).toBe(true);
      // Nothing beside its place is touched.
      expect([...into.subarray(0, 10), ...into.subarray(SIZE + 10)].every((byte) => byte === 0x55)).toBe(true);
    }
  });

  test('bears a bomb, refuses rubbish, and does not take less for enough', () => {
    const bomb = deflateRawSync(new Uint8Array(8 << 20));
    let inflated = new Uint8Array(0);
    try {
      inflated = new Uint8Array(platform.inflateRaw(bomb, SIZE));
    } catch (error) {
      expect(error).toBeInstanceOf(StreamError);
    }
    // So much of it, or an error; never more.
    expect(inflated.length).toBeLessThanOrEqual(SIZE);
    const into = new Uint8Array(SIZE);
    expect(() => platform.inflateRaw(new Uint8Array(100).fill(0xff), SIZE)).toThrow(StreamError);
    expect(() => platform.inflateRawInto(new Uint8Array(100).fill(0xff), into, 0, SIZE)).toThrow('can not be inflated');
    expect(() => platform.inflateRawInto(new Uint8Array(deflateRawSync(new Uint8Array(1000))), into, 0, SIZE)).toThrow(StreamError);
  });
});

describe.each([
  ['node', node.inflateZlibInto],
  ['browser', browser.inflateZlibInto],
  ...[true, false].map((direct): [string, typeof node.inflateZlibInto] => {
    const inflate = makeInflate('zlib', direct);
    const whole: typeof node.inflateZlibInto = (bytes, into, start, size) => {
      if (inflate(bytes, into, start, size) !== size) throw new StreamError('is short');
    };
    return [`an engine, direct: ${direct}`, whole];
  }),
])('zlib streams, %s', (_name, inflateZlibInto) => {
  const packed = new Uint8Array(deflateSync(cluster));
  const changed = (at: number): Uint8Array => packed.map((byte, index) => (index === (at + packed.length) % packed.length ? byte ^ 1 : byte));

  test('gives the bytes back, whatever follows the stream', async () => {
    for (const bytes of [packed, new Uint8Array([...packed, 1, 2, 3])]) {
      const into = new Uint8Array(SIZE + 20).fill(0x55);
      await inflateZlibInto(bytes, into, 10, SIZE);
      expect(same(into.subarray(10, SIZE + 10), cluster)).toBe(true);
      expect([...into.subarray(0, 10), ...into.subarray(SIZE + 10)].every((byte) => byte === 0x55)).toBe(true);
    }
  });

  test.each([
    ['a wrong checksum', changed(-1), SIZE], ['no checksum', packed.subarray(0, -4), SIZE], ['half a checksum', packed.subarray(0, -2), SIZE],
    ['another header', changed(0), SIZE], ['half a stream', packed.subarray(0, 20_000), SIZE], ['nothing', new Uint8Array(0), SIZE],
    ['more than was asked for', packed, SIZE - 1], ['less than was asked for', packed, SIZE + 1], ['a damaged byte', changed(15_000), SIZE],
  ])('refuses %s', async (_defect, bytes, size) => {
    await expect((async () => inflateZlibInto(bytes, new Uint8Array(SIZE + 20), 0, size))()).rejects.toThrow();
  });
});

describe.each([true, false])('an engine, direct: %s', (direct) => {
  test('fills its place and no more, reports what there was, and recovers from rubbish', () => {
    const inflate = makeInflate('raw', direct);
    const packed = deflateRawSync(cluster);
    for (let round = 0; round < 3; round++) {
      const into = new Uint8Array(SIZE + 20).fill(0x55);
      expect(inflate(packed, into, 10, SIZE)).toBe(SIZE);
      expect(same(into.subarray(10, SIZE + 10), cluster)).toBe(true);
      expect([...into.subarray(0, 10), ...into.subarray(SIZE + 10)].every((byte) => byte === 0x55)).toBe(true);
      expect(inflate(deflateRawSync(new Uint8Array(1000)), into, 0, SIZE)).toBe(1000);
      expect(inflate(packed.subarray(0, 100), into, 0, SIZE)).toBeLessThan(SIZE);
      expect(() => inflate(new Uint8Array(100).fill(0xff), into, 0, SIZE)).toThrow();
      expect(() => inflate(packed, into, 30, SIZE)).toThrow(RangeError);
    }
  });

  test('takes the first bytes of a stream that holds more, or refuses it', () => {
    const inflate = makeInflate('raw', direct);
    const into = new Uint8Array(SIZE + 1000).fill(0x55);
    const longer = deflateRawSync(new Uint8Array(1 << 20).fill(3));
    if (direct) expect(inflate(longer, into, 0, SIZE)).toBe(SIZE);
    else expect(() => inflate(longer, into, 0, SIZE)).toThrow();
    expect(into.subarray(SIZE).every((byte) => byte === 0x55)).toBe(true);
  });
});

describe('threads', () => {
  test('take their part of much work, and find the same errors', async () => {
    const rubbish = new Uint8Array(100).fill(0xff);
    const clusters = Array.from({ length: 256 }, (_, at) => sample(at + 1));
    const packed = clusters.map((bytes) => new Uint8Array(deflateRawSync(bytes)));
    let inThreads = 0;
    let bad = 0;
    const results = packed.map(async (bytes, at) => {
      const into = new Uint8Array(SIZE);
      // Of both formats, in turns.
      const zlib = at % 2 === 1 ? new Uint8Array(deflateSync(clusters[at])) : undefined;
      const inflate = zlib === undefined ? node.inflateRawInto : node.inflateZlibInto;
      const done = inflate(at % 50 === 49 ? rubbish.slice() : (zlib ?? bytes), into, 0, SIZE);
      if (done !== undefined) {
        inThreads++;
        await done;
      }
      expect(same(into, clusters[at])).toBe(true);
    });
    for (const result of await Promise.allSettled(results)) {
      if (result.status === 'fulfilled') continue;
      expect(result.reason).toBeInstanceOf(StreamError);
      bad++;
    }
    expect(bad).toBe(5);
    expect(inThreads).toBeGreaterThan(0);
  });
});

test('what is written has the window that was asked for, and browsers refuse to write', async () => {
  const far = new Uint8Array(16384);
  let state = 7;
  for (let at = 0; at < 8192; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    far[at] = state >>> 24;
  }
  far.copyWithin(8192, 0, 8192);
  // The second half repeats the first from further away than a window of 4 KiB.
  const narrow = await node.deflateRaw(far, { windowBits: 12 });
  const wide = await node.deflateRaw(far);
  expect(narrow.length).toBeGreaterThan(wide.length + 4000);
  await expect(browser.deflateRaw(far)).rejects.toThrow('needs node:zlib');
  const back = new Uint8Array(far.length);
  await node.inflateZlibInto(await node.deflateZlib(far), back, 0, far.length);
  expect(same(back, far)).toBe(true);
  await expect(browser.deflateZlib(far)).rejects.toThrow('needs node:zlib');
});
