/** Images of other makers read here, and those of the tests' own writer read by the reference. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expectSameBytes } from '@blk/driver-conformance';
import { cloopImage, sampleContent } from '@blk/image-writers';
import { expectContent, imageInfo, needTool, qemuImg, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { cloop } from '../src/index.js';
import { Bench } from './support.js';

const SIZES = [512, 4096, 65024, 65536, 1 << 20, 2 << 20];
const maker = skipUnless('create_compressed_fs');
const reference = skipUnless('qemu-img');

describe.skipIf(maker.skip)(maker.title('made by create_compressed_fs'), () => {
  test.each(SIZES)('blocks of %i bytes', async (blockSize) => {
    using dir = tempDir();
    const content = sampleContent(blockSize, 1_300_000);
    writeFileSync(dir.file('raw'), content);
    expect(await run(needTool('create_compressed_fs'), ['-q', '-B', String(blockSize), dir.file('raw'), dir.file('image')])).toMatchObject({ code: 0 });
    const image = new Uint8Array(readFileSync(dir.file('image')));
    expect(cloop.probe?.(image.subarray(0, 2048), '')).toBeGreaterThan(0);
    const whole = new Uint8Array(Math.ceil(content.length / blockSize) * blockSize);
    whole.set(content);
    expectSameBytes(await new Bench().contentOf(image), whole);
  });
});

describe.skipIf(reference.skip)(reference.title('beside the reference'), () => {
  test.each([...SIZES, 64 << 20])('blocks of %i bytes', async (blockSize) => {
    using dir = tempDir();
    const content = sampleContent(blockSize, 1_200_128);
    const image = cloopImage(content, { blockSize });
    writeFileSync(dir.file('image'), image);
    const whole = new Uint8Array(Math.ceil(content.length / blockSize) * blockSize);
    whole.set(content);
    expectSameBytes(await new Bench().contentOf(image), whole);
    await expectContent(dir.file('image'), 'cloop', whole);
  });

  test('an image of no blocks is an empty disk, as there', async () => {
    using dir = tempDir();
    const image = cloopImage(new Uint8Array(0));
    expect(image.length).toBe(144);
    writeFileSync(dir.file('image'), image);
    expect(await imageInfo(dir.file('image'))).toMatchObject({ format: 'cloop', 'virtual-size': 0 });
    expect(await new Bench().contentOf(image)).toHaveLength(0);
  });

  test.each([
    ['the whole script', '#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n', true],
    ['more behind it', '#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\nexit $?\n', true],
    ['half of it', '#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount', false],
    ['another one', 'hello', false],
  ])('recognised as it does: %s', async (_name, preamble, known) => {
    using dir = tempDir();
    const image = cloopImage(sampleContent(1, 100_000), { preamble });
    writeFileSync(dir.file('image'), image);
    expect(await imageInfo(dir.file('image'))).toMatchObject({ format: known ? 'cloop' : 'raw' });
    expect((cloop.probe?.(image.subarray(0, 2048), '') ?? 0) > 0).toBe(known);
    expect((await qemuImg('info', '-f', 'cloop', dir.file('image'))).code).toBe(0);
    await expect(new Bench().contentOf(image)).resolves.toHaveLength(131_072);
  });
});
