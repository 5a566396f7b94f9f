/** Power cuts: at any moment the image opens, and what was flushed is there. */
import { BlockGraph } from '@blk/core-graph';
import { MemoryDisk, provePowerCuts, recorder, saveDisk, type RecordedOperation } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, differencing } from './support.js';

const oracle = skipUnless('qemu-img');
const SIZE = 6 << 20;

describe.skipIf(oracle.skip)(oracle.title('power cuts'), () => {
  test.each([false, true])('of a dynamic disk, requests late and several at a time: %s', async (late) => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(SIZE, { force_size: true });
    let looked = 0;
    const look = async (left: MemoryDisk, when: string): Promise<void> => {
      if (when === 'cut' && looked++ % 4 !== 0) return;
      // The reference reads it all as well, which fails where the table tells of blocks that are not there.
      saveDisk(left, dir.file('left'));
      const { code, stderr } = await qemuImg('convert', '-f', 'vpc', '-O', 'raw', dir.file('left'), dir.file('raw'));
      if (code !== 0) throw new Error(stderr);
    };
    const subject = bench.subject(look);
    await provePowerCuts(subject, disk, { seed: late ? 3 : 2, cuts: 12, steps: 25, longest: 3 << 20, late });
  });

  test.each([1024, 65536])('of a differencing disk with blocks of %i bytes', async (blockSize) => {
    const bench = new Bench();
    const size = 1 << 20;
    const parent = await bench.create(size, { subformat: 'fixed', force_size: true }, 'parent');
    for (let sector = 0; sector < size / 512; sector++) parent.content.write(sector * 512, new Uint8Array(512).fill(1 + (sector % 250)), 0, 512);
    const backing = { driver: 'vpc', file: parent.definition };
    const subject = bench.subject(undefined, { backing });
    for (const late of [false, true]) {
      const disk = new MemoryDisk({ content: differencing(parent.toBytes(), 'parent', { blockSize }) });
      await provePowerCuts(subject, disk, { seed: blockSize, cuts: 25, steps: 50, longest: 96 << 10, initial: (sector) => 1 + (sector % 250), late });
    }
  });

  test('of a disk whose copy of the footer was damaged before', async () => {
    const bench = new Bench();
    const damaged = new MemoryDisk({ content: (await bench.create(SIZE, { force_size: true })).toBytes().fill(0, 0, 512) });
    const recording = recorder(damaged);
    const node = await bench.open(damaged);
    await node.write(0, new Uint8Array(512).fill(1), 0, 512);
    await bench.graph.release(node);
    // The copy has to be there before the footer at the end is written over, whatever else reached the disk.
    for (let moment = 0; moment <= recording.now; moment++) {
      for (const survives of [() => true, () => false, ({ offset }: RecordedOperation) => offset !== 0]) {
        await expect(bench.content(recording.cut(moment, survives))).resolves.toHaveLength(SIZE);
      }
    }
  });

  test('both programs go on where the footer at the end is lost, and ours puts it back', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(SIZE, { force_size: true });
    const whole = disk.toBytes();
    for (const keep of [whole.length - 512, whole.length - 100]) {
      const shortened = new MemoryDisk({ content: whole.slice(0, keep) });
      await bench.graph.release(await bench.open(shortened));
      expect(Buffer.from(shortened.toBytes().subarray(-512)).equals(whole.subarray(0, 512))).toBe(true);
    }
    // The copy at the beginning is put right as well, before anything else.
    const damaged = new MemoryDisk({ content: whole.slice().fill(0, 0, 512) });
    await bench.graph.release(await bench.open(damaged, {}, { readOnly: true }));
    expect(damaged.toBytes()[0]).toBe(0);
    await bench.graph.release(await bench.open(damaged));
    expect(Buffer.from(damaged.toBytes()).equals(whole)).toBe(true);
    saveDisk(damaged, dir.file('image'));
    expect((await qemuImg('info', '-f', 'vpc', dir.file('image'))).code).toBe(0);
  });

  test('on storage that does not grow, blocks are zero whatever was there, until there is no more space', async () => {
    const bench = new Bench();
    const content = (await bench.create(SIZE, { force_size: true })).toBytes();
    const full = new Uint8Array(2560 + 2 * (2 << 20) + 2 * 512 + 700).fill(0xee);
    full.set(content);
    const device = new MemoryDisk({ content: full, growable: false });
    const node = await bench.open(device);
    await node.write(1000, new Uint8Array(10).fill(1), 0, 10);
    await node.write(5 << 20, new Uint8Array(10).fill(2), 0, 10);
    await expect((async () => node.write(3 << 20, new Uint8Array(10), 0, 10))()).rejects.toMatchObject({ kind: 'no-space' });
    await bench.graph.release(node);
    const expected = new Uint8Array(SIZE).fill(1, 1000, 1010).fill(2, 5 << 20, (5 << 20) + 10);
    const again = await new BlockGraph({ drivers: [bench.disks.driver, ...bench.graph.drivers.values()] }).open({ driver: 'vpc', file: device.definition });
    const bytes = new Uint8Array(SIZE);
    await again.read(0, bytes, 0, SIZE);
    expect(Buffer.from(bytes).equals(expected)).toBe(true);
  });

  test('a block whose space could not be made zero is made so when it is asked for again', async () => {
    const bench = new Bench();
    const full = new Uint8Array(2560 + (2 << 20) + 512 + 700).fill(0xee);
    full.set((await bench.create(SIZE, { force_size: true })).toBytes());
    const device = new MemoryDisk({ content: full, growable: false });
    let failures = 3;
    device.use({ before: ({ verb }) => {
      if (verb === 'writeZeroes' && failures-- > 0) throw Object.assign(new Error('no answer'), { code: 'EIO' });
      return undefined;
    } });
    const node = await bench.open(device);
    const write = async (): Promise<void> => { await node.write(1000, new Uint8Array(10).fill(1), 0, 10); };
    const bytes = new Uint8Array(4096);
    await expect(write()).rejects.toThrow('no answer');
    await expect((async () => node.flush())()).rejects.toThrow('no answer');
    await expect((async () => node.read(0, bytes, 0, bytes.length))()).rejects.toThrow('no answer');
    await write();
    await node.read(0, bytes, 0, bytes.length);
    expect(Buffer.from(bytes).equals(Buffer.alloc(4096).fill(1, 1000, 1010))).toBe(true);
    await bench.graph.release(node);
  });
});
