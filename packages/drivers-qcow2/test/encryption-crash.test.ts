/** Power cuts while keys are changed, and while what an encrypted image is changes: one passphrase opens it at any moment, and the content stays. */
import type { BlockNode } from '@blk/core-graph';
import { skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { holds, PowerCuts } from './power-cuts.js';
import { Bench, done, write } from './support.js';

const oracle = skipUnless('qemu-img');
const SEC0 = { 'encrypt.key-secret': 'sec0' };
const NEW = { 'encrypt.key-secret': 'new' };
const SIZE = 128 << 10;
const amend = async (node: BlockNode, options: Record<string, unknown>): Promise<void> => node.driver.amend?.(options, { force: false });

describe.skipIf(oracle.skip)(oracle.title('power cuts around amendments of encrypted images'), () => {
  test('a passphrase is added, and the old one erased', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(SIZE, { 'encrypt.format': 'luks', 'encrypt.iter-time': 0, ...SEC0, cluster_size: 4096 });
    const content = new Uint8Array(SIZE).map((_, at) => (at >> 9) + 1);
    const first = await bench.open(disk, SEC0);
    await write(first, 0, content);
    await bench.graph.release(first);

    const adding = new PowerCuts(bench, disk, holds(content), { open: SEC0 });
    const adder = await bench.open(disk, SEC0);
    await amend(adder, { 'encrypt.state': 'active', 'encrypt.new-secret': 'new', 'encrypt.iter-time': 0 });
    await bench.graph.release(adder);
    await adding.prove({ seed: 1, most: 24, folder: dir, sample: 4 });

    const erasing = new PowerCuts(bench, disk, holds(content), { open: NEW });
    const eraser = await bench.open(disk, NEW);
    await amend(eraser, { 'encrypt.state': 'inactive', 'encrypt.old-secret': 'sec0' });
    await bench.graph.release(eraser);
    await erasing.prove({ seed: 2, most: 24, folder: dir, sample: 4 });
    await expect(bench.open(disk, SEC0)).rejects.toThrow('Invalid password, cannot unlock any keyslot');
  });

  test.each(['aes', 'luks'])('%s: version, refcounts and size', async (format) => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(SIZE, { 'encrypt.format': format, ...(format === 'luks' ? { 'encrypt.iter-time': 0 } : {}), ...SEC0, cluster_size: 1024, preallocation: 'metadata' });
    const content = new Uint8Array(SIZE).map((_, at) => ((at >> 13) % 2 === 0 ? 0 : (at >> 9) + 1));
    const first = await bench.open(disk, SEC0);
    await write(first, 0, content);
    await done(first.writeZeroes(0, 4096, 0));
    await bench.graph.release(first);
    const cuts = new PowerCuts(bench, disk, holds(content), { open: SEC0 });
    const node = await bench.open(disk, SEC0);
    for (const options of [{ refcount_bits: 8 }, { refcount_bits: 16 }, { compat: '0.10' }, { compat: '1.1' }]) await amend(node, options);
    const longer = new Uint8Array(SIZE + 8192);
    longer.set(content);
    await cuts.during(holds(content), holds(longer), () => amend(node, { size: longer.length }));
    await bench.graph.release(node);
    await cuts.prove({ seed: 3, most: 60, folder: dir, sample: 6 });
  });
});
