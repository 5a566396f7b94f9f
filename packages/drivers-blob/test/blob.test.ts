import { BlockGraph, openImage, type Definition } from '@blk/core-graph';
import { expectSameBytes, prng, runReadmeExample } from '@blk/driver-conformance';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blob, blobSource, MemorySource, type BlobSource } from '../src/index.js';

/** A Blob that counts what is asked of it, and can be told to fail. */
class Counted extends Blob {
  slices: [number, number][] = [];
  trouble: 'none' | 'fails' | 'short' = 'none';

  override slice(start = 0, end = this.size): Blob {
    this.slices.push([start, end]);
    if (this.trouble === 'fails') {
      return Object.assign(new Blob(), { arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) });
    }
    return super.slice(start, this.trouble === 'short' ? end - 1 : end);
  }
}

describe('a Blob', () => {
  it('does what the README shows', async () => {
    expect(await runReadmeExample(join(import.meta.dirname, '..'), { openImage, blob, blobSource })).toEqual([['hello']]);
  });

  it('fetches windows, and answers at once from them', async () => {
    const bytes = prng(1).fill(new Uint8Array(300_000));
    const source = new Counted([bytes]);
    const graph = new BlockGraph({ drivers: [blob] });
    const node = await graph.open(blobSource(source));
    const buffer = new Uint8Array(200_000);
    await node.read(10, buffer, 0, 100);
    expect(node.read(60_000, buffer, 0, 512)).toBeUndefined();
    await Promise.all([node.read(70_000, buffer, 0, 10), node.read(80_000, buffer, 0, 10)]);
    expect(source.slices).toEqual([[0, 65536], [65536, 131072]]);
    await node.read(65_000, buffer, 0, 65_000);
    expect(source.slices.length).toBe(2);
    expectSameBytes(buffer.subarray(0, 65_000), bytes.subarray(65_000, 130_000));
    await node.read(100, buffer, 0, 200_000);
    expect(source.slices[2]).toEqual([100, 200_100]);
    expectSameBytes(buffer, bytes.subarray(100, 200_100));
    await graph.close();
  });

  it('keeps 16 windows', async () => {
    const source = new Counted([new Uint8Array(20 * 65536)]);
    const graph = new BlockGraph({ drivers: [blob] });
    const node = await graph.open(blobSource(source));
    const buffer = new Uint8Array(1);
    for (let window = 0; window < 17; window++) await node.read(window * 65536, buffer, 0, 1);
    expect(node.read(16 * 65536, buffer, 0, 1)).toBeUndefined();
    expect(node.read(65536, buffer, 0, 1)).toBeUndefined();
    await node.read(0, buffer, 0, 1);
    expect(source.slices.length).toBe(18);
    await graph.close();
  });

  it('says so when it cannot be read any more, and recovers', async () => {
    const source = new Counted([new Uint8Array(200_000)]);
    const graph = new BlockGraph({ drivers: [blob] });
    const node = await graph.open(blobSource(source));
    const buffer = new Uint8Array(100_000);
    for (const trouble of ['fails', 'short'] as const) {
      source.trouble = trouble;
      for (const length of [1, 5000, 100_000]) {
        await expect((async () => node.read(65_530, buffer, 0, length))()).rejects.toMatchObject({ kind: 'io' });
      }
    }
    source.trouble = 'none';
    await node.read(65_530, buffer, 0, 5000);
    await graph.close();
  });

  it('is read-only', async () => {
    await expect(openImage(blobSource(new Blob(['x']), { writable: true }), { drivers: [blob], writable: true })).rejects.toMatchObject({
      kind: 'read-only',
    });
    await expect(openImage(blobSource(new Blob(['x'])), { drivers: [blob], writable: true })).rejects.toMatchObject({ kind: 'read-only' });
  });
});

describe('bytes', () => {
  const whole = prng(2).bytes(1024);
  const kinds: [string, BlobSource][] = [
    ['Uint8Array', whole.slice(8, 1008)],
    ['ArrayBuffer', whole.slice(8, 1008).buffer],
    ['DataView', new DataView(whole.buffer, 8, 1000)],
    ['Float32Array', new Float32Array(whole.slice(8, 1008).buffer)],
    ['SharedArrayBuffer', shared(whole.subarray(8, 1008))],
  ];

  it.each(kinds)('are read from %s', async (_name, source) => {
    const image = await openImage(blobSource(source), { drivers: [blob] });
    expectSameBytes(await image.read(0, 1000), whole.subarray(8, 1008));
    await expect(image.write(0, Uint8Array.of(1))).rejects.toMatchObject({ kind: 'read-only' });
    await image.close();
  });

  it('are written in place, if allowed', async () => {
    const bytes = new Uint8Array(100);
    const image = await openImage(blobSource(bytes, { writable: true }), { drivers: [blob], writable: true });
    await image.write(98, Uint8Array.of(5, 6));
    expect([...bytes.subarray(97)]).toEqual([0, 5, 6]);
    await expect(image.resize(200)).rejects.toMatchObject({ kind: 'unsupported' });
    await image.close();
    await expect(openImage(blobSource(bytes), { drivers: [blob], writable: true })).rejects.toMatchObject({ kind: 'read-only' });
  });

  it.each([null, undefined, 'text', 5, [1, 2], {}])('are not %j', async (source) => {
    const definition: Definition = { driver: 'blob', source };
    await expect(openImage(definition, { drivers: [blob] })).rejects.toMatchObject({ kind: 'invalid-argument', message: /'source'/ });
  });
});

describe('a MemorySource', () => {
  it('grows and shrinks, and what is new is zero', async () => {
    const memory = new MemorySource({ maxSize: 10_000 });
    const image = await openImage(blobSource(memory), { drivers: [blob], writable: true });
    await image.resize(10);
    await image.write(0, new Uint8Array(10).fill(7));
    await image.resize(5);
    await image.resize(8);
    expect([...memory.bytes()]).toEqual([7, 7, 7, 7, 7, 0, 0, 0]);
    await expect(image.resize(10_001)).rejects.toMatchObject({ kind: 'no-space', errno: 'ENOSPC' });
    expect(memory.size).toBe(8);
    await image.close();
  });
});

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}
