import { expectSameBytes, prng } from '@blk/driver-conformance';
import { tempDir } from '@blk/oracle';
import { expect, test } from 'vitest';
import { Bench, checkImage, compareWith, readAll, save, write } from './support.js';

test('a new image is written, read back, checked', async () => {
  using dir = tempDir();
  const bench = new Bench();
  const disk = await bench.create(8 << 20);
  const node = await bench.open(disk);
  const model = new Uint8Array(8 << 20);
  const random = prng(1);
  for (let i = 0; i < 50; i++) {
    const offset = random.below(8 << 20);
    const bytes = random.bytes(1 + random.below(Math.min(200000, (8 << 20) - offset)));
    model.set(bytes, offset);
    await write(node, offset, bytes);
  }
  expectSameBytes(await readAll(node), model);
  await bench.graph.release(node);
  save(disk, dir.file('a'));
  await checkImage(dir.file('a'));
  await compareWith(dir.file('a'), model);
  expect(bench.warnings).toEqual([]);
});
