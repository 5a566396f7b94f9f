// Long transfers are several requests together: the right bytes at their places, and nothing under way any more when they are over.
import { BlockError, BlockGraph, WriteFlag, type BlockNode, type Completion } from '@blk/core-graph';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import type { NbdServerOptions } from '@blk/nbd';
import { until } from '@blk/oracle';
import { afterEach, describe, expect, it } from 'vitest';
import { nbd } from '../src/index.js';
import { sliceLength } from '../src/slices.js';
import { MemoryDisk, serve, type Served } from './support.js';

const KiB = 1024;
const SIZE = 3 * 1024 * KiB;
const BYTES = prng(11).bytes(SIZE);

/** Notes the requests that reach it; those for `heldAt` wait until they are let go. */
class NotingDisk extends MemoryDisk {
  readonly seen: [number, number][] = [];
  heldAt: number | undefined;
  failsAt: number | undefined;
  letGo: () => void = () => undefined;

  override read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.#note(offset, length, () => super.read(offset, buffer, start, length));
  }
  override write(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.#note(offset, length, () => super.write(offset, buffer, start, length));
  }

  #note(offset: number, length: number, work: () => Completion): Completion {
    this.seen.push([offset, length]);
    if (offset === this.failsAt) throw new BlockError('io', 'broken', { code: 'EIO' });
    if (offset === this.heldAt) return new Promise<void>((resolve) => { this.letGo = resolve; }).then(work);
    return work();
  }
}

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

async function open(disk: MemoryDisk, options: NbdServerOptions = {}, more: object = {}): Promise<{ readonly node: BlockNode; readonly served: Served }> {
  const served = await serve(disk, options);
  cleanup.push(() => served.close());
  const graph = new BlockGraph({ drivers: [nbd] });
  cleanup.push(() => graph.close());
  const node = await graph.open({ driver: 'nbd', server: { type: 'unix', path: served.path }, export: 'disk', ...more });
  return { node, served };
}

const at = ([a]: [number, number], [b]: [number, number]): number => a - b;

describe('a long transfer', () => {
  it('is made of requests of 512 KiB, whose bytes come to their places', async () => {
    const disk = new NotingDisk(BYTES.slice());
    const { node } = await open(disk);
    const buffer = new Uint8Array(SIZE + 7).fill(1);
    await node.read(1000, buffer, 5, 1300 * KiB);
    expectSameBytes(buffer.subarray(5, 5 + 1300 * KiB), BYTES.subarray(1000, 1000 + 1300 * KiB));
    expect([...buffer.subarray(0, 5), ...buffer.subarray(5 + 1300 * KiB)].every((byte) => byte === 1)).toBe(true);
    expect(disk.seen.sort(at)).toEqual([[1000, 512 * KiB], [1000 + 512 * KiB, 512 * KiB], [1000 + 1024 * KiB, 276 * KiB]]);
    disk.seen.length = 0;
    const written = prng(12).bytes(1100 * KiB);
    const place = 512 * KiB;
    await node.write(place, written, 0, written.length, WriteFlag.Fua);
    expectSameBytes(disk.bytes.subarray(place, place + written.length), written);
    expectSameBytes(disk.bytes.subarray(0, place), BYTES.subarray(0, place));
    expectSameBytes(disk.bytes.subarray(place + written.length), BYTES.subarray(place + written.length));
    expect(disk.seen.sort(at)).toEqual([[place, 512 * KiB], [2 * place, 512 * KiB], [3 * place, 76 * KiB]]);
  });

  it('goes over all connections', async () => {
    const { node, served } = await open(new MemoryDisk(BYTES.slice()), {}, { connections: 4 });
    const buffer = new Uint8Array(SIZE);
    await node.read(0, buffer, 0, SIZE);
    expectSameBytes(buffer, BYTES);
    expect(served.server.connections.size).toBe(4);
  });

  it.each(['read', 'write'] as const)('that fails in the middle is over when nothing is under way any more: %s', async (verb) => {
    const disk = new NotingDisk(BYTES.slice());
    const { node } = await open(disk);
    disk.failsAt = 512 * KiB;
    disk.heldAt = 1024 * KiB;
    const buffer = new Uint8Array(SIZE);
    let over = false;
    const done = (verb === 'read' ? node.read(0, buffer, 0, SIZE) : node.write(0, buffer, 0, SIZE, 0)) as Promise<void>;
    const failed = done.then(() => 'done', (error: BlockError) => error.message).finally(() => { over = true; });
    await until(() => disk.seen.length === 6);
    // Everything else has been answered once a later request has.
    await node.read(0, new Uint8Array(512), 0, 512);
    expect(over).toBe(false);
    disk.letGo();
    expect(await failed).toContain('broken');
  });

  it('keeps to what the server takes and prefers', () => {
    const MiB = 1024 * KiB;
    expect(sliceLength({ optimalTransfer: 4096, maxTransfer: 32 * MiB })).toBe(512 * KiB);
    expect(sliceLength({ optimalTransfer: 2 * MiB, maxTransfer: 32 * MiB })).toBe(2 * MiB);
    expect(sliceLength({ optimalTransfer: 4096, maxTransfer: 64 * KiB })).toBe(64 * KiB);
  });
});
