// Images that are written front to back: as long as promised, clean, and with the content of their sources.
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BlockGraph } from '@blk/core-graph';
import { file } from '@blk/drivers-file';
import { nullCo } from '@blk/drivers-null';
import { qcow2 } from '@blk/drivers-qcow2';
import { raw } from '@blk/drivers-raw';
import { prng, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { streamImage } from '../src/index.js';

const drivers = [file, nullCo, raw, qcow2];
const needs = skipUnless('qemu-img');

async function collected(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const OPTIONS = [{}, { cluster_size: 512 }, { cluster_size: 2 * 1024 * 1024 }, { compat: '0.10' }, { refcount_bits: 1 }, { refcount_bits: 64, cluster_size: 1024 }, { lazy_refcounts: true }, { extended_l2: true }, { extended_l2: true, cluster_size: 16384, refcount_bits: 1 },
  { extended_l2: true, cluster_size: 2 * 1024 * 1024 }];

test.skipIf(needs.skip).each(OPTIONS)(needs.title('qcow2 with %j'), async (options) => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  for (const size of [0, 512, 70_001, 5_000_000, 9 * 1024 * 1024]) {
    const content = Buffer.alloc(size);
    const random = prng(size);
    for (let at = 0; at < size; at += 1_300_000) random.fill(content.subarray(at, at + 200_000));
    writeFileSync(dir.file('raw'), content);
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', dir.file('raw'), dir.file('sparse'));
    const { length, stream } = await streamImage(graph, { sources: [dir.file('sparse')], sourceFormat: 'qcow2', format: 'qcow2', options });
    const bytes = await collected(stream);
    expect(bytes.length).toBe(length);
    writeFileSync(dir.file('streamed'), bytes);
    expect(await qemuImg('compare', '-f', 'qcow2', '-F', 'raw', dir.file('streamed'), dir.file('raw'))).toMatchObject({ stdout: 'Images are identical.\n' });
    expect((await qemuImg('check', '-f', 'qcow2', dir.file('streamed'))).stdout).toContain('No errors');
  }
  expect([...graph.nodes]).toEqual([]);
});

test('raw, several sources one behind the other, and progress', async () => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  const parts = [Buffer.alloc(1024 * 1024 + 1, 3), Buffer.alloc(2_000_000), Buffer.alloc(700, 4)];
  parts.forEach((part, index) => {
    writeFileSync(dir.file(String(index)), part);
  });
  const seen: number[] = [];
  const { length, stream } = await streamImage(graph, { sources: ['0', '1', '2'].map((name) => dir.file(name)), sourceFormat: 'raw', progress: (done) => seen.push(done) });
  const bytes = await collected(stream);
  const whole = Buffer.concat(parts.map((part) => Buffer.concat([part], Math.ceil(part.length / 512) * 512)));
  expect(length).toBe(whole.length);
  expect(bytes.equals(whole)).toBe(true);
  expect(seen[0]).toBe(0);
  expect(seen[seen.length - 1]).toBe(length);
});

test('a reader that goes away lets the sources go; what does not fit is refused before anything is read', async () => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  writeFileSync(dir.file('raw'), Buffer.alloc(5_000_000, 1));
  const { stream } = await streamImage(graph, { sources: [dir.file('raw')], sourceFormat: 'raw', format: 'qcow2' });
  const reader = stream.getReader();
  await reader.read();
  await reader.cancel();
  expect([...graph.nodes]).toEqual([]);
  const refused = [
    [{ preallocation: 'full' }, 'Preallocation is'], [{ data_file: 'other' }, 'Data files are'], [{ encryption: true }, 'Encryption is'], [{ 'encrypt.format': 'luks' }, 'Encryption is'],
    [{ backing_file: 'other', backing_fmt: 'raw' }, 'Backing files are'],
  ] as const;
  for (const [options, what] of refused) {
    const request = { sources: [dir.file('raw')], sourceFormat: 'raw', format: 'qcow2', options };
    await expect(streamImage(graph, request)).rejects.toThrow(`${what} not supported for images that are written as a stream`);
  }
  await expect(streamImage(graph, { sources: [dir.file('raw')], sourceFormat: 'raw', format: 'null-co' })).rejects.toThrow(/stream/);
  expect([...graph.nodes]).toEqual([]);
});

test.skipIf(needs.skip)(needs.title('subclusters without data are left out, whatever ranges the data comes in'), async () => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers });
  const random = prng(77);
  const unit = 2048;
  const size = 40 * 64 * 1024 + 3 * 512;
  const content = Buffer.alloc(size);
  // Single units, their neighbours, whole clusters, and ranges that end within a unit, and with the disk.
  for (let unitIndex = 0; unitIndex * unit < size; unitIndex += 1 + random.below(random.below(3) === 0 ? 90 : 3)) {
    const at = unitIndex * unit;
    random.fill(content.subarray(at, Math.min(size, at + unit * (1 + random.below(5)))));
  }
  random.fill(content.subarray(size - 512));
  writeFileSync(dir.file('raw'), content);
  await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-S', '512', '-o', 'extended_l2=on', dir.file('raw'), dir.file('sparse'));
  const { stream } = await streamImage(graph, { sources: [dir.file('sparse')], sourceFormat: 'qcow2', format: 'qcow2', options: { extended_l2: true } });
  writeFileSync(dir.file('streamed'), await collected(stream));
  const map = async (name: string): Promise<unknown[]> => {
    const { stdout } = await qemuImg('map', '--output=json', '-f', 'qcow2', dir.file(name));
    return (JSON.parse(stdout) as Record<string, unknown>[]).map(({ start, length, data, zero }) => ({ start, length, data, zero }));
  };
  expect(await map('streamed')).toEqual(await map('sparse'));
  expect((await map('streamed')).length).toBeGreaterThan(20);
  expect(await qemuImg('compare', '-f', 'qcow2', '-F', 'raw', dir.file('streamed'), dir.file('raw'))).toMatchObject({ stdout: 'Images are identical.\n' });
  expect((await qemuImg('check', '-f', 'qcow2', dir.file('streamed'))).stdout).toContain('No errors');
});
