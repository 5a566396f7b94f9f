/** Creating, growing and shrinking. */
import { expectSameBytes } from '@blk/driver-conformance';
import { createImage, imageInfo, skipUnless, tempDir } from '@blk/oracle';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { qcow2 } from '../src/index.js';
import { Bench, checkImage, compareWith, readAll, save, write } from './support.js';

const oracle = skipUnless('qemu-img');

describe('refused', () => {
  test.each([
    [{ cluster_size: 1000 }, 'Cluster size must be a power of two between 512 and 2048k'],
    [{ cluster_size: 4 << 20 }, 'Cluster size must be a power of two between 512 and 2048k'],
    [{ compat: '1.0' }, "Parameter 'version' does not accept value '1.0'"],
    [{ compat: '0.10', lazy_refcounts: true }, 'Lazy refcounts only supported with compatibility level 1.1 and above (use version=v3 or greater)'],
    [{ refcount_bits: 3 }, 'Refcount width must be a power of two and may not exceed 64 bits'],
    [{ compat: '0.10', refcount_bits: 8 }, 'Different refcount widths than 16 bits require compatibility level 1.1 or above (use version=v3 or greater)'],
    [{ backing_fmt: 'raw' }, 'Backing format cannot be used without backing file'],
    [{ backing_file: 'a', preallocation: 'full' }, 'Backing file and preallocation can only be used at the same time if extended_l2 is on'],
    [{ preallocation: 'foo' }, "Parameter 'preallocation' does not accept value 'foo'"],
    [{ compression_type: 'lzma' }, "Parameter 'compression-type' does not accept value 'lzma'"],
    [{ compression_type: 'zstd', compat: '0.10' }, 'Non-zlib compression type is only supported with compatibility level 1.1 and above (use version=v3 or greater)'],
    [{ extended_l2: true, cluster_size: 8192 }, 'Extended L2 entries are only supported with cluster sizes of at least 16384 bytes'],
    [{ extended_l2: true, compat: 'v2' }, 'Extended L2 entries are only supported with compatibility level 1.1 and above (use version=v3 or greater)'],
    [{ data_file: 'x', compat: 'v2' }, 'External data files are only supported with compatibility level 1.1 and above (use version=v3 or greater)'],
    [{ data_file: 'x', data_file_raw: true, backing_file: 'a' }, 'Backing file and data-file-raw cannot be used at the same time'],
    [{ data_file: `memory:${'x'.repeat(400)}`, cluster_size: 512 }, 'Data file name too long'],
    [{ data_file_raw: true }, 'data-file-raw requires data-file'],
    [{ backing_file: 'a'.repeat(1024) }, 'Backing file name too long'],
  ])('%j', async (options, message) => {
    const bench = new Bench();
    await expect(bench.create(1 << 20, options)).rejects.toThrow(message);
  });

  test('a disk that its clusters are too small for', async () => {
    const bench = new Bench();
    await expect(bench.create(129 * 2 ** 30, { cluster_size: 512 })).rejects.toThrow(
      "The image size is too large for file format 'qcow2' (try using a larger cluster size)",
    );
  });
});

describe.skipIf(oracle.skip)(oracle.title('beside the reference'), () => {
  const shapes: [number, Record<string, unknown>][] = [
    [64 << 20, {}],
    [64 << 20, { compat: '0.10' }],
    [3 * 2 ** 30, { cluster_size: 512 }],
    [3 * 2 ** 30, { cluster_size: 2 << 20 }],
    [1000, {}],
    [0, {}],
    [2 ** 40, { refcount_bits: 1, lazy_refcounts: true }],
    [1 << 20, { cluster_size: 512, refcount_bits: 64 }],
    [1 << 20, { cluster_size: 65536, backing_file: 'b', backing_fmt: 'raw' }],
    [1 << 20, { cluster_size: 512, backing_file: 'b'.repeat(300), backing_fmt: 'raw' }],
    [100 << 20, { preallocation: 'metadata' }],
    [10 << 20, { preallocation: 'metadata', cluster_size: 512, refcount_bits: 64 }],
    [3 << 20, { preallocation: 'falloc' }],
    [3 << 20, { preallocation: 'full', cluster_size: 4096 }],
    [64 << 20, { extended_l2: true }],
    [64 << 20, { extended_l2: true, cluster_size: 16384, preallocation: 'metadata' }],
    [64 << 20, { extended_l2: true, cluster_size: 2 << 20, backing_file: 'b', backing_fmt: 'raw' }],
  ];
  test.each(shapes)('%d bytes, %j', async (size, options) => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(size, options);
    save(disk, dir.file('ours'));
    const list = Object.entries(options).map(([name, value]) => `${name}=${value === true ? 'on' : String(value)}`);
    await createImage(dir.file('theirs'), 'qcow2', size, '-u', ...list.flatMap((word) => ['-o', word]));
    const [ours, theirs] = [await imageInfo(dir.file('ours'), '-U'), await imageInfo(dir.file('theirs'), '-U')];
    for (const key of ['virtual-size', 'cluster-size', 'format-specific', 'backing-filename', 'backing-filename-format', 'dirty-flag']) {
      expect(ours[key]).toEqual(theirs[key]);
    }
    if (options['backing_file'] === undefined) await checkImage(dir.file('ours'));
    // With one refcount block there is one sensible layout; with more, the reference spreads them.
    const small = (options['cluster_size'] ?? 65536) !== 512 || options['backing_file'] !== undefined;
    if (options['preallocation'] === undefined && small) {
      expect(Buffer.compare(readFileSync(dir.file('ours')), readFileSync(dir.file('theirs')))).toBe(0);
    } else {
      const difference = disk.size / readFileSync(dir.file('theirs')).length;
      expect(difference).toBeGreaterThan(0.95);
      expect(difference).toBeLessThan(1.05);
      if (size <= 100 << 20) await compareWith(dir.file('ours'), new Uint8Array(size));
    }
  });

  test.each(['v2', 'v3'])('growing hides what the backing file has behind the old end, %s', async (compat) => {
    using dir = tempDir();
    const bench = new Bench();
    const base = await bench.create(1 << 20, { cluster_size: 4096 }, 'base');
    const below = await bench.open(base);
    await write(below, 0, new Uint8Array(1 << 20).fill(9));
    await bench.graph.release(below);
    const disk = await bench.create(100 * 1024 + 512, { cluster_size: 4096, compat, backing_file: 'base', backing_fmt: 'qcow2' });
    const backing = { driver: 'qcow2', file: base.definition };
    const node = await bench.open(disk, { backing });
    const model = new Uint8Array(64 << 20);
    model.fill(9, 0, 100 * 1024 + 512);
    await write(node, 1000, new Uint8Array(3000).fill(4));
    model.fill(4, 1000, 4000);
    for (const size of [100 * 1024 + 1024, 150 * 1024, 2 << 20, 64 << 20]) {
      await node.truncate(size);
      expectSameBytes(await readAll(node), model.subarray(0, size));
    }
    await write(node, 60 << 20, new Uint8Array(5000).fill(6));
    model.fill(6, 60 << 20, (60 << 20) + 5000);
    await bench.graph.release(node);
    save(base, dir.file('base'));
    save(disk, dir.file('image'));
    await checkImage(dir.file('image'));
    await compareWith(dir.file('image'), model);
  });

  test.each(['off', 'metadata', 'falloc', 'full'] as const)('shrinking and growing again, preallocation %s', async (preallocation) => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(4 << 20, { cluster_size: 4096 });
    const node = await bench.open(disk);
    const model = new Uint8Array(6 << 20);
    await write(node, 0, new Uint8Array(4 << 20).fill(5));
    await expect(node.truncate(1 << 20)).rejects.toThrow(/Shrinking/);
    await node.truncate(1_000_448, { preallocation: 'off', shrink: true });
    model.fill(5, 0, 1_000_448);
    await node.truncate(6 << 20, { preallocation });
    expectSameBytes(await readAll(node), model);
    await bench.graph.release(node);
    save(disk, dir.file('image'));
    await checkImage(dir.file('image'));
    await compareWith(dir.file('image'), model);
  });

  test('changing the backing file keeps what is unknown in the header', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(1 << 20, {});
    const node = await bench.open(disk);
    await node.driver.changeBackingFile?.({ filename: 'some.raw', format: 'raw' });
    expect(node.driver.recordedBacking).toEqual({ filename: 'some.raw', format: 'raw' });
    await bench.graph.release(node);
    save(disk, dir.file('image'));
    const info = await imageInfo(dir.file('image'), '-U');
    expect(info['backing-filename']).toBe('some.raw');
    expect(info['backing-filename-format']).toBe('raw');
    const again = await bench.open(disk, { backing: null });
    await again.driver.changeBackingFile?.(undefined);
    expect(again.driver.recordedBacking).toBeUndefined();
    await bench.graph.release(again);
    save(disk, dir.file('image'));
    await checkImage(dir.file('image'));
  });
});

test('options of open', async () => {
  const bench = new Bench();
  const disk = await bench.create(1 << 20, {});
  const refused: [Record<string, unknown>, string][] = [
    [{ 'l2-cache-entry-size': 1000 }, 'L2 cache entry size must be a power of two between 512 and the cluster size (65536)'],
    [{ 'cache-size': 1 << 20, 'l2-cache-size': 2 << 20 }, 'l2-cache-size may not exceed cache-size'],
    [{ 'cache-size': 4, 'l2-cache-size': 1, 'refcount-cache-size': 1 }, 'cache-size, l2-cache-size and refcount-cache-size may not be set at the same time'],
    [{ 'overlap-check': 'foo' }, "Unsupported value 'foo' for qcow2 option 'overlap-check'. Allowed are any of the following: none, constant, cached, all"],
    [{ 'overlap-check': { mode: 'all' } }, "Block format 'qcow2' does not support the option 'overlap-check.mode'"],
    [{ 'cache-clean-interval': 5e9 }, 'Cache clean interval too big'],
  ];
  for (const [options, message] of refused) await expect(bench.open(disk, options)).rejects.toThrow(message);
  for (const options of [{ 'overlap-check': { template: 'none', 'active-l2': true } }, { 'l2-cache-size': 1 }, { 'lazy-refcounts': true }]) {
    await bench.graph.release(await bench.open(disk, options));
  }
  expect(Object.keys(qcow2.createOptions ?? {})).toContain('refcount_bits');
});
