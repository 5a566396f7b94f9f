/** What is made is read by libvhdi and by the reference, which share no code with each other or with us. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { expectContent, prng, qemuImg, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { sampleContent, VHD_ID, vhdGeometry, vhdImage } from '../src/index.js';
import { LIBVHDI } from './libvhdi.js';

const oracle = skipUnless('qemu-img');
const libvhdi = skipUnless('pyvhdi');
const MIB = 2 ** 20;
const SIZE = 5 * MIB + 512;

async function expectByLibvhdi(files: readonly string[], content: Uint8Array): Promise<void> {
  const { stdout, stderr } = await run('/usr/bin/python3', ['-c', LIBVHDI, ...files]);
  expect(stdout + stderr).toBe(`${createHash('sha256').update(content).digest('hex')}\n`);
}

const CONTENT = sampleContent(1, SIZE).fill(0, 2 * MIB, 4 * MIB);

describe.skipIf(libvhdi.skip)(libvhdi.title('read by libvhdi'), () => {
  test.each([{}, { creator: 'win ' }, { kind: 'fixed' }, { kind: 'fixed', creator: 'win ' }, { blockSize: 65536 }] as const)('%o', async (options) => {
    using dir = tempDir();
    writeFileSync(dir.file('disk.vhd'), vhdImage(CONTENT, options));
    await expectByLibvhdi([dir.file('disk.vhd')], CONTENT);
  });

  test.each(['parent.vhd', '.\\parent.vhd', 'C:\\disks\\parent.vhd'])('a differencing disk over %s', async (name) => {
    using dir = tempDir();
    const [below, above] = [CONTENT, prng(2).bytes(SIZE)];
    // libvhdi takes what follows in a byte of the bitmap to be like the first sector there that is the child's.
    const has = (sector: number): boolean => (sector >> 3) % 5 < 2 && sector >= 704;
    writeFileSync(dir.file('parent.vhd'), vhdImage(below));
    const child = vhdImage(above, { kind: 'differencing', parent: { id: VHD_ID, name }, id: VHD_ID.map((byte) => byte + 100), has });
    writeFileSync(dir.file('child.vhd'), child);
    const seen = below.slice();
    for (let sector = 0; sector < SIZE / 512; sector++) if (has(sector)) seen.set(above.subarray(sector * 512, sector * 512 + 512), sector * 512);
    await expectByLibvhdi([dir.file('child.vhd'), dir.file('parent.vhd')], seen);
  });
});

describe.skipIf(oracle.skip)(oracle.title('read by the reference'), () => {
  test.each([{ creator: 'win ' }, { creator: 'win ', kind: 'fixed' }, { creator: 'win ', blockSize: 65536 }, { creator: 'win ', cut: true }] as const)('%o', async (options) => {
    using dir = tempDir();
    writeFileSync(dir.file('disk.vhd'), vhdImage(CONTENT, options));
    await expectContent(dir.file('disk.vhd'), 'vpc', CONTENT);
  });

  test('of Virtual PC, as much as the geometry tells', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('disk.vhd'), vhdImage(CONTENT));
    const { cylinders, heads, sectors } = vhdGeometry(SIZE);
    const { stdout } = await qemuImg('info', '--output=json', '-f', 'vpc', dir.file('disk.vhd'));
    expect(JSON.parse(stdout)).toMatchObject({ 'virtual-size': cylinders * heads * sectors * 512 });
  });
});
