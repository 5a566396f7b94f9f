/** Power cuts: at any moment the image opens, its log is replayed where there is one, and what was flushed is there. */
import { expectSameBytes, MemoryDisk, prng, provePowerCuts, readAll, recorder, saveDisk, writeBytes } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, compareWith } from './support.js';

const oracle = skipUnless('qemu-img');

describe.skipIf(oracle.skip)(oracle.title('power cuts'), () => {
  test.each([false, true])('requests late and several at a time: %s', async (late) => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(5 << 20, { block_size: 1 << 20 });
    let looked = 0;
    const look = async (left: MemoryDisk): Promise<void> => {
      if (looked++ % 4 !== 0) return;
      // The reference replays the log, or finds none, and reads it all.
      saveDisk(left, dir.file('left'));
      for (const words of [['check', '-r', 'all', '-f', 'vhdx'], ['convert', '-f', 'vhdx', '-O', 'raw']]) {
        const { code, stderr, stdout } = await qemuImg(...words, dir.file('left'), ...(words[0] === 'convert' ? [dir.file('raw')] : []));
        if (code !== 0) throw new Error(stderr + stdout);
      }
    };
    const subject = bench.subject(look);
    await provePowerCuts(subject, disk, { seed: late ? 3 : 2, cuts: 16, steps: 20, longest: 1 << 20, late });
  });

  test('a log that was not put into place: ours replays it in memory and in the file, the reference in the file, with the same content', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(5 << 20, { block_size: 1 << 20 });
    const node = await bench.open(disk);
    await writeBytes(node, 0, new Uint8Array(1000).fill(1));
    await node.flush();
    const recording = recorder(disk);
    const content = prng(1).bytes(2 << 20);
    await writeBytes(node, 2 << 20, content);
    await node.flush();
    // Of the last transaction, the changes of the table are not there; the log entry is.
    const last = recording.operations.findLast(({ verb, offset }) => verb === 'write' && offset === 2 << 20);
    const left = recording.cut(recording.now, (change) => change !== last);
    left.content.write(2 << 20, recording.base.toBytes().subarray(2 << 20, (2 << 20) + 4096), 0, 4096);
    const model = new Uint8Array(5 << 20).fill(1, 0, 1000);
    model.set(content, 2 << 20);
    expect(last).toBeDefined();
    const before = left.toBytes();
    const reader = await bench.open(left, {}, { readOnly: true });
    expect(Buffer.from(await readAll(reader)).equals(model)).toBe(true);
    expect(Buffer.from(left.toBytes()).equals(before)).toBe(true);
    // Whoever takes the bytes from the file itself would miss what the log has.
    expect(await reader.driver.extent?.(2 << 20, 512)).toMatchObject({ data: true, hostOffset: -1 });
    saveDisk(left, dir.file('theirs'));
    const refused = await qemuImg('check', '-f', 'vhdx', dir.file('theirs'));
    expect(refused.stderr).toContain('contains a log that needs to be replayed');
    expect(await qemuImg('check', '-r', 'all', '-f', 'vhdx', dir.file('theirs'))).toMatchObject({ code: 0 });
    await compareWith(dir.file('theirs'), model);
    await expect(bench.graph.open({ driver: 'vhdx', file: left.definition }, { readOnly: true, checking: true })).rejects.toMatchObject({
      message: /contains a log that needs to be replayed/,
    });
    const writer = await bench.open(left);
    expect(await writer.driver.extent?.(2 << 20, 512)).toMatchObject({ data: true, hostOffset: expect.any(Number) as number });
    await bench.graph.release(writer);
    saveDisk(left, dir.file('ours'));
    await compareWith(dir.file('ours'), model);
  });

  test('on storage that does not grow, blocks are zero whatever was there, until there is no more space', async () => {
    const bench = new Bench();
    const content = (await bench.create(5 << 20, { block_size: 1 << 20 })).toBytes();
    const full = new Uint8Array(content.length + (2 << 20) + 700).fill(0xee);
    full.set(content);
    const device = new MemoryDisk({ content: full, growable: false });
    const node = await bench.open(device);
    await writeBytes(node, 1000, new Uint8Array(10).fill(1));
    await writeBytes(node, 4 << 20, new Uint8Array(10).fill(2));
    await expect((async () => node.write(3 << 20, new Uint8Array(10), 0, 10))()).rejects.toMatchObject({ kind: 'no-space' });
    await bench.graph.release(node);
    const expected = new Uint8Array(5 << 20).fill(1, 1000, 1010).fill(2, 4 << 20, (4 << 20) + 10);
    expect(Buffer.from(await readAll(await bench.open(device, {}, { readOnly: true }))).equals(expected)).toBe(true);
  });

  test('a block whose space could not be made zero is made so when it is asked for again, and by the next flush', async () => {
    const bench = new Bench();
    const content = (await bench.create(5 << 20, { block_size: 1 << 20 })).toBytes();
    const full = new Uint8Array(content.length + (2 << 20)).fill(0xee);
    full.set(content);
    const device = new MemoryDisk({ content: full, growable: false });
    let failures = 2;
    device.use({ before: ({ verb }) => {
      if (verb === 'writeZeroes' && failures-- > 0) throw Object.assign(new Error('no answer'), { code: 'EIO' });
      return undefined;
    } });
    const node = await bench.open(device);
    const write = async (offset: number): Promise<void> => { await node.write(offset, new Uint8Array(10).fill(1), 0, 10); };
    await expect(write(1000)).rejects.toThrow('no answer');
    await expect((async () => node.flush())()).rejects.toThrow('no answer');
    await write(1000);
    failures = 1;
    await expect(write(3 << 20)).rejects.toThrow('no answer');
    await node.flush();
    await bench.graph.release(node);
    expectSameBytes(await readAll(await bench.open(device, {}, { readOnly: true })), new Uint8Array(5 << 20).fill(1, 1000, 1010));
  });
});
