// Disks that formats hold as they are, and that are long enough to be copied from file to file past the formats' own reading.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { BlockGraph } from '@blk/core-graph';
import { allDrivers } from '@blk/drivers-all';
import { prng, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { oursIn, reference } from './img-support.js';

const oracle = skipUnless('qemu-img');

const MIB = 1 << 20;
/** Beyond what is read and written before it is worth while. */
const SIZE = 57 * MIB;

const FORMATS: readonly (readonly [format: string, options: readonly string[]])[] = [
  ['vdi', []], ['parallels', []], ['qed', []], ['qcow2', []], ['vhdx', []], ['vhdx', ['subformat=fixed']], ['vpc', ['force_size=on']], ['vpc', ['force_size=on', 'subformat=fixed']],
  ['vmdk', []], ['vmdk', ['subformat=twoGbMaxExtentFlat']],
];

describe.skipIf(oracle.skip)(oracle.title('long disks in plain formats become raw'), () => {
  test.each(FORMATS)('%s %j', async (format, options) => {
    using dir = tempDir();
    const content = disk();
    writeFileSync(dir.file('plain'), content);
    const { code, stderr } = await qemuImg('convert', '-f', 'raw', '-O', format, ...options.flatMap((option) => ['-o', option]), dir.file('plain'), dir.file('image'));
    expect(code, stderr).toBe(0);
    // A new file, and one that has something else in it.
    writeFileSync(dir.file('used'), Buffer.alloc(SIZE, 0xee));
    for (const [target, ...words] of [['new'], ['used', '-n'], ['used', '-n', '-S', '0']]) {
      expect(await oursIn(['convert', '-f', format, '-O', 'raw', ...words, 'image', target], dir.path), words.join(' ')).toMatchObject({ code: 0, stderr: '' });
      expect(readFileSync(dir.file(target)).equals(content), `${target} ${words.join(' ')}`).toBe(true);
    }
  });
});

/** Formats, and the bytes of a cluster or block. */
const SCATTERED: readonly (readonly [format: string, cluster: number, create: readonly string[]])[] = [
  ['vdi', MIB, []], ['parallels', MIB, []], ['qed', 65_536, []], ['qed', 65_536, ['-b', 'base', '-F', 'raw']], ['qcow2', 65_536, ['-b', 'base', '-F', 'raw']],
  ['vhdx', MIB, ['-o', 'block_size=1M']], ['vpc', 2 * MIB, ['-o', 'force_size=on']], ['vmdk', 65_536, []], ['vmdk', 65_536, ['-o', 'subformat=twoGbMaxExtentSparse']],
];

describe.skipIf(oracle.skip)(oracle.title('disks whose blocks lie in random order become raw'), () => {
  test.each(SCATTERED)('%s, blocks of %i bytes %j', async (format, cluster, create) => {
    using dir = tempDir();
    const random = prng(cluster + format.length);
    const size = 58 * MIB;
    const content = Buffer.alloc(size);
    if (create[0] === '-b') {
      random.fill(content.subarray(0, 51 * MIB));
      writeFileSync(dir.file('base'), content.subarray(0, 51 * MIB));
    }
    expect(await reference(['create', '-q', '-f', format, ...create, 'image', String(size)], dir.path)).toMatchObject({ code: 0 });
    const graph = new BlockGraph({ drivers: allDrivers });
    const node = await graph.open(dir.file('image'), { format });
    const noise = random.bytes(2 * MIB + 4096);
    const order = Array.from({ length: size / cluster }, (_, index) => ({ at: index * cluster, key: random.next() })).sort((one, other) => one.key - other.key);
    for (const { at, key } of order) {
      // Some hold nothing, some of that inside.
      if (key % 9 === 0) continue;
      const [start, length] = key % 9 === 1 ? [at + 4096, 8192] : [at, cluster];
      content.set(noise.subarray(key % 4096, (key % 4096) + length), start);
      await node.write(start, content, start, length);
    }
    await graph.release(node);
    writeFileSync(dir.file('used'), Buffer.alloc(size, 0xee));
    for (const [target, ...words] of [['new'], ['used', '-n'], ['used', '-n', '-S', '0']]) {
      expect(await oursIn(['convert', '-f', format, '-O', 'raw', ...words, 'image', target], dir.path), words.join(' ')).toMatchObject({ code: 0, stderr: '' });
      expect(readFileSync(dir.file(target)).equals(content), `${target} ${words.join(' ')}`).toBe(true);
    }
    expect(await reference(['compare', '-f', format, '-F', 'raw', 'image', 'used'], dir.path)).toMatchObject({ stdout: 'Images are identical.\n' });
  });
});

describe.skipIf(oracle.skip)(oracle.title('an image whose file was cut short'), () => {
  test.each(['qed', 'vmdk', 'qcow2'])('%s: what is missing counts as data, and is not taken for zeroes', async (format) => {
    using dir = tempDir();
    writeFileSync(dir.file('plain'), prng(6).bytes(4 * MIB));
    expect(await qemuImg('convert', '-f', 'raw', '-O', format, dir.file('plain'), dir.file('image'))).toMatchObject({ code: 0 });
    truncateSync(dir.file('image'), 3 * MIB);
    const map = ['map', '--output=json', '-f', format, 'image'];
    expect(await oursIn(map, dir.path)).toEqual(await reference(map, dir.path));
    const { code, stderr } = await oursIn(['convert', '-f', format, '-O', 'raw', 'image', 'raw'], dir.path);
    expect(stderr).toMatch(/error while reading at byte \d+: Input\/output error/);
    expect(code).toBe(1);
  });
});

/** Data; in the middle of it short runs of zeroes, one that is a hole in every format, and data again. */
function disk(): Buffer {
  const random = prng(5);
  const content = Buffer.alloc(SIZE);
  const block = random.bytes(MIB);
  for (let at = 0; at < SIZE; at += MIB) {
    block[at / MIB] ^= 0xff;
    content.set(block, at);
  }
  for (let index = 0; index < 60; index++) {
    const at = random.below(SIZE / 4096 - 1) * 4096;
    content.fill(0, at, at + 4096 * (1 + random.below(3)));
  }
  content.fill(0, 40 * MIB + 12_288, 49 * MIB + 8192);
  return content;
}
