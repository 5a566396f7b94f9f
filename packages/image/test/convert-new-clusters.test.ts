// Conversions into qcow2 files whose new clusters a thread fills: content, what is stored, and what is left to the image's own writing.
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prng, qemuImg, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { checkImage, convertImage, type ConvertRequest } from '../src/index.js';
import { expectContent, FEW, filled, M, OLD, possible, sample, SIZE, watched, WHOLE, writeSparse } from './aside-support.js';

const needs = skipUnless('qemu-img');

describe('copied aside', () => {
  let dir: TempDir;
  let content: Buffer;
  let source: string;
  beforeAll(() => {
    dir = tempDir();
    content = sample(1, SIZE);
    source = dir.file('source');
    writeSparse(source, content);
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  const padded = (): Buffer => filled(content, Buffer.alloc(WHOLE - SIZE));

  describe('to qcow2', () => {
    const image = (): string => dir.file('made.qcow2');
    /** What the reference, where there is one, and we read in it. */
    const expectImage = async (expected: Buffer): Promise<void> => {
      await convertImage(watched().graph, { sources: [image()], sourceFormat: 'qcow2', target: dir.file('read'), parallel: 1 });
      expectContent(dir.file('read'), expected);
      if (needs.skip) return;
      expect(await qemuImg('check', '-f', 'qcow2', image())).toMatchObject({ code: 0 });
      writeFileSync(dir.file('expected'), expected);
      expect(await qemuImg('compare', '-f', 'raw', '-F', 'qcow2', dir.file('expected'), image())).toMatchObject({ stdout: 'Images are identical.\n' });
    };
    const convert = async (request: Partial<ConvertRequest>): Promise<number> => {
      const { graph, bytes } = watched();
      await convertImage(graph, { sources: [source], sourceFormat: 'raw', target: image(), format: 'qcow2', ...FEW, ...request });
      return bytes();
    };

    test.each<readonly [string, Partial<ConvertRequest>]>([
      ['as always', {}],
      ['all of it written', { sparse: 0 }],
      ['with long steps', { sparse: 3 * M }],
      ['with small clusters', { options: { cluster_size: 4096 } }],
      ['with large clusters', { options: { cluster_size: M } }],
      ['with subclusters', { options: { extended_l2: true, cluster_size: 128 * 1024 } }],
      ['with narrow counts of references', { options: { refcount_bits: 1 } }],
      ['with lazy ones', { options: { lazy_refcounts: true } }],
      ['of the old kind', { options: { compat: '0.10' } }],
      ['flushed at the end', { targetCache: { writeback: true } }],
      ['by many', { parallel: 16 }],
    ])('%s', async (_title, request) => {
      const bytes = await convert(request);
      if (possible && request.parallel === undefined) expect(bytes).toBeGreaterThan(0);
      await expectImage(padded());
    });

    // What is read at once is less than such a cluster, or such a step.
    test.each<readonly [string, Partial<ConvertRequest>]>([
      ['the largest clusters', { options: { cluster_size: 2 * M } }],
      ['long steps', { sparse: 3 * M }],
      ['clusters of the same length', { options: { cluster_size: M } }],
    ])('halves of zeroes in %s', async (_title, request) => {
      const halves = Buffer.alloc(60 * M);
      const noise = prng(17).fill(Buffer.alloc(M));
      for (let at = M; at < halves.length; at += 2 * M) noise.copy(halves, at);
      writeFileSync(dir.file('halves'), halves);
      await convert({ sources: [dir.file('halves')], ...request });
      await expectImage(halves);
    });

    test('no cluster of zeroes is stored, as without the thread', async () => {
      const stored = async (): Promise<number> => {
        const check = await checkImage(watched().graph, image());
        return check['allocated-clusters'] ?? 0;
      };
      await convert({ parallel: 1 });
      const alone = await stored();
      expect(alone).toBeGreaterThan(0);
      await convert({});
      expect(await stored()).toBe(alone);
    });

    test('onto one that holds something already, in its own places and in others', async () => {
      const { graph } = watched();
      await graph.create(image(), { format: 'qcow2', size: 56 * M });
      const node = await graph.open(image(), { format: 'qcow2' });
      const old = prng(12).fill(Buffer.alloc(7 * M));
      for (const at of [3 * M + 512, 20 * M, 33 * M + 65536, 49 * M]) await node.write(at, old, 0, old.length);
      await graph.release(node);
      const expected = filled(padded(), Buffer.alloc(56 * M - WHOLE));
      old.copy(expected, WHOLE, WHOLE - 49 * M);
      await convert({ noCreate: true });
      await expectImage(expected);
    });

    test('onto an overlay, whose backing file shows only behind the source', async () => {
      writeFileSync(dir.file('below'), Buffer.alloc(56 * M, OLD));
      const { graph } = watched();
      await graph.create(image(), { format: 'qcow2', size: 56 * M, options: { backing_file: dir.file('below'), backing_fmt: 'raw' } });
      const bytes = await convert({ noCreate: true });
      if (possible) expect(bytes).toBeGreaterThan(0);
      await expectImage(filled(padded(), Buffer.alloc(56 * M - WHOLE, OLD)));
    });

    test.each<readonly [string, Partial<ConvertRequest>]>([
      ['encrypted', { options: { 'encrypt.format': 'luks', 'encrypt.key-secret': 'key', 'encrypt.iter-time': 10 } }],
      ['into a data file', { options: { data_file: 'DATA' } }],
      ['compressed', { compress: true }],
      ['where every cluster has its place', { options: { preallocation: 'metadata' } }],
    ])('not at all, %s', async (_title, request) => {
      const options = request.options?.data_file === undefined ? request.options : { data_file: dir.file('made.data') };
      const { graph, bytes } = watched();
      await convertImage(graph, { sources: [source], sourceFormat: 'raw', target: image(), format: 'qcow2', ...FEW, ...request, ...(options === undefined ? {} : { options }) });
      expect(bytes()).toBe(0);
      if (options?.['encrypt.format'] !== undefined) return;
      await expectImage(padded());
    });
  });
});
