/** Inflating in Node and in browsers: the same bytes, the same refusals. */
import { deflateRawSync } from 'node:zlib';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { describe, expect, test } from 'vitest';
import * as browser from '../src/platform/deflate.js';
import * as node from '../src/platform/deflate-node.js';

const random = prng(3);
const cluster = new Uint8Array(65536).map((_, at) => (at % 300 < 200 ? at % 7 : random.below(256)));

describe.each([
  ['node', node],
  ['browser', browser],
])('%s', (_name, platform) => {
  test('gives the cluster back, whatever follows the stream', async () => {
    const packed = await node.deflate(cluster);
    const followed = new Uint8Array(packed.length + 300).fill(0xaa);
    followed.set(packed);
    for (const bytes of [packed, followed]) {
      expectSameBytes(platform.inflate(bytes, cluster.length), cluster);
      expectSameBytes(await platform.inflateAsync(bytes, cluster.length), cluster);
    }
  });

  test('bears a bomb, refuses rubbish, and gives less than a cluster as less', async () => {
    const bomb = deflateRawSync(new Uint8Array(8 << 20));
    // A cluster of it, or an error; never more.
    expect((await platform.inflateAsync(bomb, 65536).catch(() => new Uint8Array(0))).length).toBeLessThanOrEqual(65536);
    expect(() => platform.inflate(new Uint8Array(100).fill(0xff), 65536)).toThrow();
    let short: Uint8Array | undefined;
    try {
      short = platform.inflate(deflateRawSync(new Uint8Array(1000)), 65536);
    } catch {
      short = undefined;
    }
    expect(short === undefined || short.length === 1000).toBe(true);
  });
});

test('what is written has a window of 4 KiB, and browsers refuse to write', async () => {
  const far = new Uint8Array(16384);
  far.set(prng(1).bytes(8192), 0);
  far.copyWithin(8192, 0, 8192);
  // The second half repeats the first from further away than the window.
  expect((await node.deflate(far)).length).toBeGreaterThan(16000);
  await expect(browser.deflate()).rejects.toThrow('needs node:zlib');
});
