/** The identifier of the content in its descriptor: what a power cut leaves while it is being changed. */
import { expectSameBytes, MemoryDisk, readAll, recorder } from '@blk/driver-conformance';
import { sampleContent } from '@blk/image-writers';
import { describe, expect, test } from 'vitest';
import { Bench, COPY, sample } from './support.js';

const CONTENT = sampleContent(3, 64 * 1024);

/** Many extents, so that the text takes several sectors; the identifier as the reference writes it, without leading zeroes. */
function text(id: string): Uint8Array {
  const lines = Array.from({ length: 32 }, (_, index) => `RW 4 FLAT "flat" ${index * 4}`);
  return new TextEncoder().encode(['# Disk DescriptorFile', 'version=1', `CID=${id}`, 'parentCID=ffffffff', 'createType="twoGbMaxExtentFlat"', ...lines, ''].join('\n'));
}

describe('a descriptor of several sectors', () => {
  test.each(['12345678', '2345678', '45678', '8'])('is whole after a power cut, where its identifier is %s', async (id) => {
    const bench = new Bench();
    bench.disks.put('flat', { content: CONTENT.slice() });
    const disk = new MemoryDisk({ content: text(id) });
    const recording = recorder(disk);
    const node = await bench.open(disk);
    await node.write(0, CONTENT, 0, 512);
    await bench.graph.release(node);
    for (let moment = 0; moment <= recording.now; moment++) {
      for (let survivors = 0; survivors < 8; survivors++) {
        const left = recording.cut(moment, () => (sector) => ((survivors >> sector % 3) & 1) === 1);
        const again = new Bench();
        again.disks.put('flat', { content: CONTENT.slice() });
        expectSameBytes(await again.content(left), CONTENT);
      }
    }
    const reader = await bench.open(disk, {}, { readOnly: true });
    const [written] = /(?<=CID=)[0-9a-f]+/.exec(new TextDecoder().decode(disk.toBytes())) ?? [];
    expect(written).toMatch(new RegExp(`^[0-9a-f]{${id.length}}$`));
    expect(written).not.toBe(id);
    expectSameBytes(await readAll(reader), CONTENT);
    await bench.graph.release(reader);
  });
});

test('a short identifier gets all of its digits where the text stays in one sector', async () => {
  const disk = await sample({}, [[0x200, '# Disk DescriptorFile\nversion=1\nCID=7\nparentCID=ffffffff\ncreateType="monolithicSparse"\n\0']]);
  const bench = new Bench();
  const node = await bench.open(disk);
  await node.write(0, CONTENT, 0, 512);
  await bench.graph.release(node);
  const text = new TextDecoder('latin1').decode(disk.toBytes().subarray(0x200, 0x300));
  expect(text).toMatch(/^# Disk DescriptorFile\nversion=1\nCID=[0-9a-f]{8}\nparentCID=ffffffff\ncreateType="monolithicSparse"\n\0/);
});

test('it is another one on stable storage before anything else changes', async () => {
  const disk = await sample();
  const recording = recorder(disk);
  const bench = new Bench();
  const node = await bench.open(disk);
  await node.write(0, CONTENT, 0, 512);
  await node.write(1 << 20, CONTENT, 0, 512);
  await bench.graph.release(node);
  const [identifier, ...others] = recording.operations.filter(({ verb }) => verb === 'write');
  expect(identifier.offset).toBe(512);
  expect(others.length).toBeGreaterThan(1);
  for (const { offset, start } of others) expect([offset >= COPY, recording.isStable(identifier, start)]).toEqual([true, true]);
});
