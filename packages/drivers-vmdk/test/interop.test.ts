/** Images both ways: made by the reference and read here, made here and read and written by the reference. */
import { writeFileSync } from 'node:fs';
import { expectSameBytes, scribble } from '@blk/driver-conformance';
import { checkImage, createImage, expectContent, imageInfo, prng, qemuImg, scribbleWithQemuIo, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const SIZE = (40 << 20) + 1536;

describe.skipIf(oracle.skip)(oracle.title('both ways'), () => {
  test.each(['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', 'monolithicSparse,zeroed_grain=on'])('turns of writing here and there, %s', async (subformat) => {
    using dir = tempDir();
    const file = dir.file('image.vmdk');
    const model = new Uint8Array(SIZE);
    const random = prng(3);
    await createImage(file, 'vmdk', SIZE, '-o', `subformat=${subformat}`);
    for (let turn = 0; turn < 2; turn++) {
      await scribbleWithQemuIo(file, 'vmdk', model, random);
      const bench = new Bench();
      const disk = bench.load(dir.path, 'image.vmdk');
      await scribble(bench, disk, model, random);
      bench.save(dir.path);
      await checkImage(file, 'vmdk');
      await expectContent(file, 'vmdk', model);
    }
  });

  test.each(['', 'random'])('a compressed image of the reference, its last grain in part, %s', async (kind) => {
    using dir = tempDir();
    const model = sample(kind === 'random');
    writeFileSync(dir.file('raw'), model);
    await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', dir.file('raw'), dir.file('image.vmdk'));
    const bench = new Bench();
    expectSameBytes(await bench.content(bench.load(dir.path, 'image.vmdk')), model);
  });

  test.each(['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', 'streamOptimized'])('%s is described alike', async (subformat) => {
    using dir = tempDir();
    const file = dir.file('image.vmdk');
    await createImage(file, 'vmdk', '5G', '-o', `subformat=${subformat}`);
    const told = await imageInfo(file);
    const bench = new Bench();
    bench.load(dir.path, 'image.vmdk');
    const node = await bench.graph.open('memory:image.vmdk', { format: 'vmdk', readOnly: true });
    const about = await node.driver.info?.();
    await bench.graph.release(node);
    expect([about?.clusterSize, node.size]).toEqual([told['cluster-size'], told['virtual-size']]);
    const plain = JSON.stringify(about?.specific).replaceAll('memory:', '');
    const theirs = JSON.stringify(told['format-specific']).replaceAll(`${dir.path}/`, '');
    expect(JSON.parse(plain)).toEqual(JSON.parse(theirs));
  });
});

/** Data that does not get shorter, data that does, and holes. */
function sample(noise: boolean): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  const random = prng(7);
  for (let at = 0; at < SIZE; at += 1 + random.below(1_500_000)) {
    const length = Math.min(SIZE - at, 1 + random.below(700_000));
    if (noise) bytes.set(random.bytes(length), at);
    else bytes.fill(random.below(256), at, at + length);
  }
  bytes.fill(9, SIZE - 1000);
  return bytes;
}
