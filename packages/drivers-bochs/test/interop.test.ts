/** Images of other makers read here, and those of the tests' own writer read by the reference. */
import { readFileSync, writeFileSync } from 'node:fs';
import { chainExtents } from '@blk/core-graph';
import { expectSameBytes } from '@blk/driver-conformance';
import { bochsImage, type BochsOptions } from '@blk/image-writers';
import { expectContent, imageInfo, needTool, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { bochs } from '../src/index.js';
import { Bench, sampleBytes } from './support.js';

const maker = skipUnless('bximage');
const reference = skipUnless('qemu-img');
const CYLINDER = 16 * 63 * 512;

describe.skipIf(maker.skip)(maker.title('made by bximage'), () => {
  test.each([1, 20])('of %i cylinders', async (cylinders) => {
    using dir = tempDir();
    const content = sampleBytes(cylinders, cylinders * CYLINDER);
    writeFileSync(dir.file('raw'), content);
    expect(await run(needTool('bximage'), ['-q', '-func=convert', '-imgmode=growing', dir.file('raw'), dir.file('image')])).toMatchObject({ code: 0 });
    const image = new Uint8Array(readFileSync(dir.file('image')));
    expect(bochs.probe?.(image.subarray(0, 2048), '')).toBe(100);
    expectSameBytes(await new Bench().contentOf(image), content);
  });

  test('an empty disk of 100 GiB', async () => {
    using dir = tempDir();
    expect(await run(needTool('bximage'), ['-q', '-func=create', '-hd=100G', '-imgmode=growing', '-sectsize=512', dir.file('image')])).toMatchObject({ code: 0 });
    const node = await new Bench().openBytes(new Uint8Array(readFileSync(dir.file('image'))));
    expect(node.size).toBeGreaterThan(99 * 2 ** 30);
    const found = [];
    for await (const { offset, length, data } of chainExtents(node, 0, node.size)) found.push({ offset, length, data });
    expect(found).toEqual([{ offset: 0, length: node.size, data: false }]);
  });
});

describe.skipIf(reference.skip)(reference.title('beside the reference'), () => {
  test.each<BochsOptions>([
    {}, { version: 1 }, { extentSize: 512 }, { extentSize: 8 << 20 }, { headerSize: 1024 }, { bitmapSize: 600 }, { bitmapSize: 1, extentSize: 65536 }, { order: (extents) => [...extents].reverse() },
  ])('%o', async (options) => {
    using dir = tempDir();
    const content = sampleBytes(1, 3 << 19);
    const image = bochsImage(content, options);
    writeFileSync(dir.file('image'), image);
    expectSameBytes(await new Bench().contentOf(image), content);
    await expectContent(dir.file('image'), 'bochs', content);
    expect(await imageInfo(dir.file('image'))).toMatchObject({ format: 'bochs' });
  });

  test.each([1, 511])('a size that ends %i bytes behind a sector: the disk ends with the sector, as there', async (more) => {
    using dir = tempDir();
    const content = sampleBytes(3, 3 << 19);
    const image = bochsImage(content);
    new DataView(image.buffer, image.byteOffset).setBigUint64(88, BigInt(content.length - 512 + more), true);
    writeFileSync(dir.file('image'), image);
    const expected = content.subarray(0, -512);
    expectSameBytes(await new Bench().contentOf(image), expected);
    expect(await imageInfo(dir.file('image'))).toMatchObject({ 'virtual-size': expected.length });
    await expectContent(dir.file('image'), 'bochs', expected);
  });
});

test('the largest disks that are described are read, though the reference refuses them', async () => {
  const content = sampleBytes(2, 20 << 20);
  expectSameBytes(await new Bench().contentOf(bochsImage(content, { extentSize: 16 << 20 })), content);
});
