/** What is made is read by libvhdi and by the reference, which share no code with each other or with us. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { expectContent, prng, qemuImg, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { VHDX_ID, vhdxImage, VhdxState, type VhdxBlock } from '../src/index.js';
import { LIBVHDI } from './libvhdi.js';

const oracle = skipUnless('qemu-img');
const libvhdi = skipUnless('pyvhdi');
const MIB = 2 ** 20;
const SIZE = 5 * MIB + 4096;
const CONTENT = prng(1).bytes(SIZE).fill(0, MIB, 2 * MIB);

async function expectByLibvhdi(files: readonly string[], content: Uint8Array): Promise<void> {
  const { stdout, stderr } = await run('/usr/bin/python3', ['-c', LIBVHDI, ...files]);
  expect(stdout + stderr).toBe(`${createHash('sha256').update(content).digest('hex')}\n`);
}

describe.skipIf(libvhdi.skip)(libvhdi.title('read by libvhdi'), () => {
  test.each([{}, { blockSize: 4 * MIB }, { sectorSize: 4096 }] as const)('%o', async (options) => {
    using dir = tempDir();
    writeFileSync(dir.file('disk.vhdx'), vhdxImage(CONTENT, options));
    await expectByLibvhdi([dir.file('disk.vhdx')], CONTENT);
  });

  test('a differencing disk', async () => {
    using dir = tempDir();
    const above = prng(2).bytes(SIZE);
    const has = (sector: number): boolean => (sector >> 3) % 5 < 2;
    const blocks: readonly VhdxBlock[] = [{ state: VhdxState.present }, { state: VhdxState.partly, has }, { state: VhdxState.notPresent }, { state: VhdxState.partly, has }];
    const child = vhdxImage(above, { blocks: (block) => blocks[block % 4], parent: { linkage: VHDX_ID, names: { relative_path: '.\\parent.vhdx' } } });
    writeFileSync(dir.file('parent.vhdx'), vhdxImage(CONTENT));
    writeFileSync(dir.file('child.vhdx'), child);
    const seen = CONTENT.slice();
    for (let sector = 0; sector < SIZE / 512; sector++) {
      const { state, has: own = () => true } = blocks[Math.floor(sector / 2048) % 4];
      if (state !== VhdxState.notPresent && own(sector % 2048)) seen.set(above.subarray(sector * 512, sector * 512 + 512), sector * 512);
    }
    await expectByLibvhdi([dir.file('child.vhdx'), dir.file('parent.vhdx')], seen);
  });
});

describe.skipIf(oracle.skip)(oracle.title('read by the reference'), () => {
  test.each([{}, { blockSize: 4 * MIB }] as const)('%o', async (options) => {
    using dir = tempDir();
    writeFileSync(dir.file('disk.vhdx'), vhdxImage(CONTENT, options));
    await expectContent(dir.file('disk.vhdx'), 'vhdx', CONTENT);
  });

  test.each([[1, 0], [3, 0], [1, 1_044_480], [3, 1_036_288]])('with a log of %i entries, which it puts into place; from %i on', async (logEntries, logStart) => {
    using dir = tempDir();
    const file = dir.file('disk.vhdx');
    writeFileSync(file, vhdxImage(CONTENT, { logEntries, logStart }));
    expect((await qemuImg('check', '-f', 'vhdx', file)).stderr).toContain('contains a log that needs to be replayed');
    expect(await qemuImg('check', '-f', 'vhdx', '-r', 'all', file)).toMatchObject({ code: 0 });
    await expectContent(file, 'vhdx', CONTENT);
  });
});
