/** Disks as Virtual PC and Hyper-V make them, by a writer that shares nothing with the driver and is proved by libvhdi and the reference. */
import { expectSameBytes, MemoryDisk, prng, readAll, writeBytes } from '@blk/driver-conformance';
import { VHD_ID, vhdGeometry, vhdImage } from '@blk/image-writers';
import { expectContent, skipUnless, tempDir } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img');
const MIB = 2 ** 20;
const SIZE = 5 * MIB + 512;
const CONTENT = prng(1).bytes(SIZE).fill(0, 2 * MIB, 4 * MIB);
const disk = (content: Uint8Array): MemoryDisk => new MemoryDisk({ content });

/** As much as the geometry tells. */
const { cylinders, heads, sectors } = vhdGeometry(SIZE);
const BY_GEOMETRY = cylinders * heads * sectors * 512;

const MADE = [
  { creator: 'win ' }, { creator: 'win ', kind: 'fixed' }, { creator: 'win ', blockSize: 512 * 1024 }, { creator: 'win ', blockSize: 65536, cut: true },
  { creator: 'vpc ' }, { creator: 'vpc ', kind: 'fixed' }, { creator: 'vs  ' }, { creator: 'd2v ', blockSize: 8 * MIB },
] as const;

describe('disks of others', () => {
  test.each(MADE)('%o: all that the creator means is read, and what is written is added to it', async (options) => {
    const bench = new Bench();
    const size = options.creator === 'vpc ' || options.creator === 'vs  ' ? BY_GEOMETRY : SIZE;
    const image = disk(vhdImage(CONTENT, options));
    const model = CONTENT.slice(0, size);
    const node = await bench.open(image);
    expectSameBytes(await readAll(node), model);
    for (const [at, byte] of [[700, 3], [2 * MIB + 100, 4], [size - 1000, 5]]) {
      await writeBytes(node, at, new Uint8Array(900).fill(byte));
      model.fill(byte, at, at + 900);
    }
    await bench.graph.release(node);
    expectSameBytes(await bench.content(image), model);
    if (oracle.skip) return;
    using dir = tempDir();
    writeFileSync(dir.file('disk.vhd'), image.toBytes());
    await expectContent(dir.file('disk.vhd'), 'vpc', model);
  });

  test.each(['parent.vhd', '.\\parent.vhd', 'C:\\disks\\parent.vhd'])('a differencing disk over %s has single sectors of its own', async (name) => {
    const bench = new Bench();
    const above = prng(2).bytes(SIZE);
    const has = (sector: number): boolean => sector % 7 < 3 && (sector < 3000 || sector > 9000);
    bench.disks.put('parent.vhd', { content: vhdImage(CONTENT, { creator: 'win ' }) });
    const id = VHD_ID.map((byte) => byte + 100);
    bench.disks.put('child.vhd', { content: vhdImage(above, { kind: 'differencing', creator: 'win ', parent: { id: VHD_ID, name }, id, has, blockSize: 512 * 1024 }) });
    const seen = CONTENT.slice();
    for (let sector = 0; sector < SIZE / 512; sector++) if (has(sector)) seen.set(above.subarray(sector * 512, sector * 512 + 512), sector * 512);
    const node = await bench.graph.open('memory:child.vhd', { format: 'vpc', readOnly: true });
    expectSameBytes(await readAll(node), seen);
    await bench.graph.release(node);
    bench.disks.put('parent.vhd', { content: vhdImage(CONTENT, { creator: 'win ', id }) });
    await expect(bench.graph.open('memory:child.vhd', { format: 'vpc', readOnly: true })).rejects.toMatchObject({ message: /The parent has the identifier/ });
  });
});
