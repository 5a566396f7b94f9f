/** The state of a machine behind the disk: written and read at random, beside the disk, and both ways with the reference. */
import { applySnapshot, takeSnapshot, type BlockNode } from '@blk/core-graph';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { qemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, checkImage, compareWith, done, load, readAll, save, write } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const SIZE = 100 * 1024;
const STATE = 300 * 1024;
const SECTOR = 512;

async function writeState(node: BlockNode, offset: number, bytes: Uint8Array): Promise<void> {
  await done(node.driver.writeVmState?.(offset, bytes, 0, bytes.length));
}

async function readState(node: BlockNode, length = STATE): Promise<Uint8Array> {
  const bytes = new Uint8Array(length).fill(0xab);
  await done(node.driver.readVmState?.(0, bytes, 0, length));
  return bytes;
}

test.each([{}, { refcount_bits: 64 }, { compat: 'v2' }])('beside random writes of the disk: %j', async (options) => {
  const bench = new Bench();
  const base = await bench.create(STATE * 4, {}, 'base');
  const below = await bench.graph.open({ driver: 'qcow2', file: base.definition });
  await write(below, 0, new Uint8Array(STATE * 4).fill(0x77));
  const disk = await bench.create(SIZE, { cluster_size: 512, ...options });
  // The backing file has bytes where the state lies.
  const node = await bench.open(disk, { backing: below });
  const content = new Uint8Array(SIZE).fill(0x77);
  const state = new Uint8Array(STATE);
  const random = prng(11);
  for (let round = 0; round < 120; round++) {
    const where = random.below(2) === 0 ? state : content;
    const offset = random.below(where.length / SECTOR) * SECTOR;
    const bytes = random.bytes(Math.min(where.length - offset, SECTOR * (1 + random.below(9))));
    where.set(bytes, offset);
    if (where === state) await writeState(node, offset, bytes);
    else await write(node, offset, bytes);
    if (round % 20 === 0) expectSameBytes(await readState(node), state);
  }
  expectSameBytes(await readState(node), state);
  expectSameBytes(await readAll(node), content);
  await bench.graph.release(node);
  const again = await bench.open(disk, { backing: below });
  expectSameBytes(await readState(again), state);
  expectSameBytes(await readAll(again), content);
  await bench.graph.release(again);
  await bench.graph.release(below);
});

describe.skipIf(oracle.skip)(oracle.title('the state and the reference'), () => {
  test('both ways, kept by snapshots, given up by the disk that goes on', async () => {
    using dir = tempDir();
    const file = dir.file('image');
    const bench = new Bench();
    const disk = await bench.create(1 << 20, { cluster_size: 4096 });
    let node = await bench.open(disk);
    await writeState(node, 0, new Uint8Array(70_144).fill(5));
    await write(node, 0, new Uint8Array(1 << 20).fill(3));
    await takeSnapshot(node, { name: 'with', dateSec: 1_700_000_000, dateNsec: 0 });
    expectSameBytes(await readState(node, 70_144), new Uint8Array(70_144));
    await bench.graph.release(node);
    save(disk, file);
    await checkImage(file);
    await compareWith(file, new Uint8Array(1 << 20).fill(3));

    node = await bench.open(disk);
    await applySnapshot(node, '1');
    await bench.graph.release(node);
    save(disk, file);
    await checkImage(file);
    const theirs = await qemuIo(file, ['read -b -P 5 0 70144', 'read -b -P 0 70144 512', 'write -b -P 6 512 1024'], { format: 'qcow2' });
    expect(theirs).toMatchObject({ code: 0, stdout: expect.not.stringContaining('failed') as string });

    node = await bench.open(load(file));
    const expected = new Uint8Array(70_144).fill(5).fill(6, 512, 1536);
    expectSameBytes(await readState(node, 70_144), expected);
    await bench.graph.release(node);
  });

  test('is not written where the image is only read', async () => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20);
    const node = await bench.open(disk, {}, true);
    await expect(writeState(node, 0, new Uint8Array(512))).rejects.toMatchObject({ kind: 'read-only' });
    expectSameBytes(await readState(node, 512), new Uint8Array(512));
    await bench.graph.release(node);
  });
});
