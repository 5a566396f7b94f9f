/** Power cuts: at any moment the image is whole after a check, and what was flushed is there. */
import { expectSameBytes, prng, provePowerCuts, recorder, saveDisk, type MemoryDisk, type PowerCutSubject } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, checkBytes, oldImage, sample, type Edit } from './support.js';

const oracle = skipUnless('qemu-img');

/** An image that was not closed is written to only after a repair, which takes nothing away. */
function subject(bench: Bench, look: (disk: MemoryDisk) => Promise<void> | void): PowerCutSubject {
  return {
    ...bench.subject(look),
    open: async (disk, readOnly) => {
      if (!readOnly) {
        const { lines } = await bench.check(disk, 'all');
        expect(lines.filter((line) => !/^Repairing (image was not closed|space leaked)/.test(line))).toEqual([]);
      }
      return bench.open(disk, {}, { readOnly });
    },
  };
}

test.each([false, true])('requests late and several at a time: %s', async (late) => {
  for (let seed = 1; seed <= 3; seed++) {
    const bench = new Bench();
    const disk = seed === 1 ? oldImage(40) : await bench.create(1 << 20, { cluster_size: 4096 });
    await provePowerCuts(subject(bench, checkBytes), disk, { seed, cuts: 25, steps: 50, longest: 48 << 10, late });
  }
});

describe.skipIf(oracle.skip)(oracle.title('with the reference looking on'), () => {
  test('it finds what ours finds, and repairs it', async () => {
    using dir = tempDir();
    const bench = new Bench();
    let looked = 0;
    const look = async (left: MemoryDisk): Promise<void> => {
      if (looked++ % 4 !== 0) return;
      saveDisk(left, dir.file('left'));
      const { code, stderr } = await qemuImg('check', '-f', 'parallels', dir.file('left'));
      const others = stderr.split('\n').filter((line) => line !== '' && !/^ERROR (image was not closed|space leaked)/.test(line));
      if (code === 1 || others.length > 0) throw new Error(stderr);
      expect((await bench.check(left)).lines).toEqual(stderr.split('\n').filter((line) => line !== ''));
    };
    await provePowerCuts(subject(bench, look), await bench.create(4 << 20), { seed: 7, cuts: 16, steps: 25, longest: 3 << 19 });
  });
});

test('while it is written to, an image says so; closed, it does not', async () => {
  const bench = new Bench();
  const disk = await bench.create(4 << 20);
  const use = (): number => new DataView(disk.toBytes().buffer).getUint32(44, true);
  const node = await bench.open(disk);
  await node.write(0, new Uint8Array(512).fill(1), 0, 512);
  await node.flush();
  expect(use()).toBe(0x746f_6e59);
  await bench.graph.release(node);
  expect(use()).toBe(0);
  const left = await sample([[44, 0x746f_6e59]]);
  await expect(bench.open(left)).rejects.toMatchObject({ kind: 'permission', message: 'parallels: Image was not closed correctly; cannot be opened read/write' });
  expect((await bench.content(left))[3 << 20]).toBe(4);
});

test.each<[string, Edit[], number?]>([
  ['clusters in one place', [[44, 0x746f_6e59], [64, 2], [88, 2]]],
  ['clusters that lie nowhere, the last one as well', [[44, 0x746f_6e59], [76, 900], [84, 0]]],
  ['clusters behind a data offset that is wrong', [[48, 3 * 2048]]],
  ['a cluster that is cut short', [], (3 << 20) + 1000],
])('a repair during which the power is cut is repaired by the next one: %s', async (_name, edits, length) => {
  const bench = new Bench();
  const disk = await sample(edits, length);
  const recording = recorder(disk);
  await bench.check(disk, 'all');
  const content = await bench.content(disk);
  const random = prng(edits.length);
  for (let moment = 0; moment <= recording.now; moment++) {
    for (const left of [recording.cut(moment), recording.cut(moment, () => true), ...Array.from({ length: 6 }, () => recording.crash(moment, random))]) {
      // Before all is as it should be, nobody may take it for that.
      if (edits[0]?.[0] === 44 && left.toBytes()[44] === 0) expect((await bench.check(left)).lines).toEqual([]);
      expect((await bench.check(left, 'all')).result).toMatchObject({ corruptions: 0 });
      expectSameBytes(await bench.content(left), content);
      checkBytes(left);
    }
  }
});

test('it says so before its catalog changes, and ceases to when all that it has is on stable storage', async () => {
  const bench = new Bench();
  const disk = await bench.create(4 << 20, { cluster_size: 4096 });
  const recording = recorder(disk);
  const node = await bench.open(disk);
  await node.write(0, new Uint8Array(512).fill(1), 0, 512);
  await bench.graph.release(node);
  const writes = recording.operations.filter(({ verb }) => verb === 'write');
  const [says, ceases] = writes.filter(({ offset }) => offset < 64);
  const others = writes.filter(({ offset }) => offset >= 64);
  const catalog = others.filter(({ offset }) => offset < 64 + 1024 * 4);
  expect(catalog.length * (others.length - catalog.length)).toBeGreaterThan(0);
  for (const { start } of catalog) expect(recording.isStable(says, start)).toBe(true);
  for (const written of others) expect(recording.isStable(written, ceases.start)).toBe(true);
  expect(recording.isStable(ceases, recording.now)).toBe(true);
});
