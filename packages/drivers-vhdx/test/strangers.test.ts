/** Images by a writer that shares nothing with the driver and is proved by libvhdi and the reference: other layouts, logs of several entries, parents. */
import { expectSameBytes, MemoryDisk, prng, readAll } from '@blk/driver-conformance';
import { VHDX_ID, vhdxImage, VhdxState, type VhdxBlock } from '@blk/image-writers';
import { skipUnless, tempDir } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Bench, compareWith } from './support.js';

const oracle = skipUnless('qemu-img');
const MIB = 2 ** 20;
const SIZE = 5 * MIB + 4096;
const CONTENT = prng(1).bytes(SIZE).fill(0, MIB, 2 * MIB);
const ALL_STATES: readonly VhdxBlock['state'][] = [VhdxState.notPresent, VhdxState.undefined, VhdxState.zero, VhdxState.unmapped, VhdxState.present, VhdxState.present];

describe('images of others', () => {
  test.each([{}, { blockSize: 4 * MIB }, { sectorSize: 4096 }, { blockSize: 2 * MIB, sectorSize: 4096 }] as const)('%o', async (options) => {
    expectSameBytes(await new Bench().content(new MemoryDisk({ content: vhdxImage(CONTENT, options) })), CONTENT);
  });

  test('blocks in all states', async () => {
    const model = CONTENT.slice().fill(0, 0, 4 * MIB);
    const content = vhdxImage(CONTENT, { blocks: (block) => ({ state: ALL_STATES[block] }) });
    expectSameBytes(await new Bench().content(new MemoryDisk({ content })), model);
  });

  // The last ones pass the end of the log, between two entries or inside of one.
  test.each([[1, 0], [2, 0], [5, 0], [5, 40_960], [1, 1_044_480], [3, 1_032_192], [5, 1_036_288]])('a log of %i entries is replayed, the last one over those before: in memory where the image is only read, else in the file; from %i on', async (logEntries, logStart) => {
    const bench = new Bench();
    const disk = new MemoryDisk({ content: vhdxImage(CONTENT, { logEntries, logStart }) });
    const before = disk.toBytes();
    expectSameBytes(await bench.content(disk), CONTENT);
    expectSameBytes(disk.toBytes(), before);
    await bench.graph.release(await bench.open(disk));
    expectSameBytes(await bench.content(disk), CONTENT);
    if (oracle.skip) return;
    using dir = tempDir();
    writeFileSync(dir.file('disk.vhdx'), disk.toBytes());
    await compareWith(dir.file('disk.vhdx'), CONTENT);
  });

  test('a differencing disk has single sectors of its own', async () => {
    const bench = new Bench();
    const above = prng(2).bytes(SIZE);
    const has = (sector: number): boolean => sector % 7 < 3;
    const blocks: readonly VhdxBlock[] = [{ state: VhdxState.present }, { state: VhdxState.partly, has }, { state: VhdxState.notPresent }, { state: VhdxState.partly, has }];
    const parent = { linkage: VHDX_ID, names: { relative_path: '.\\parent.vhdx' } };
    bench.disks.put('parent.vhdx', { content: vhdxImage(CONTENT) });
    bench.disks.put('child.vhdx', { content: vhdxImage(above, { blocks: (block) => blocks[block % 4], parent }) });
    const seen = CONTENT.slice();
    for (let sector = 0; sector < SIZE / 512; sector++) {
      const { state, has: own = () => true } = blocks[Math.floor(sector / 2048) % 4];
      if (state !== VhdxState.notPresent && own(sector % 2048)) seen.set(above.subarray(sector * 512, sector * 512 + 512), sector * 512);
    }
    const node = await bench.graph.open('memory:child.vhdx', { format: 'vhdx', readOnly: true });
    expectSameBytes(await readAll(node), seen);
    await bench.graph.release(node);
    bench.disks.put('parent.vhdx', { content: vhdxImage(CONTENT, { id: '11111111-2222-4333-8444-555555555555' }) });
    await expect(bench.graph.open('memory:child.vhdx', { format: 'vhdx', readOnly: true })).rejects.toMatchObject({ message: /The parent has the identifier/ });
  });
});
