/** What is made is read by the reference: extents of ESX, by themselves and over a parent. */
import { writeFileSync } from 'node:fs';
import { expectContent, prng, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { cowdExtent, seSparseExtent, vmdkDescriptor, type GrainState } from '../src/index.js';

const tool = skipUnless('qemu-img');
/** More than one table, and a part of a grain at the end. */
const SIZE = (18 << 20) + 1536;

describe.skipIf(tool.skip)(tool.title('disks of ESX, read by the reference'), () => {
  test.each([
    ['VMFSSPARSE', {}, cowdExtent], ['VMFSSPARSE', { grainSize: 65536, seed: 4 }, cowdExtent], ['SESPARSE', {}, seSparseExtent], ['SESPARSE', { seed: 5 }, seSparseExtent],
  ] as const)('%s with %o', async (kind, options, make) => {
    using dir = tempDir();
    const content = sample();
    writeFileSync(dir.file('extent'), make(content, options));
    writeFileSync(dir.file('disk.vmdk'), vmdkDescriptor({ createType: kind === 'SESPARSE' ? 'seSparse' : 'vmfsSparse', extents: [`RW ${SIZE / 512} ${kind} "extent"`] }));
    await expectContent(dir.file('disk.vmdk'), 'vmdk', content);
  });

  test('grains of every state, over a parent', async () => {
    using dir = tempDir();
    const content = sample();
    const states: readonly GrainState[] = ['stored', 'hole', 'zero', 'unmapped'];
    const state = (grain: number): GrainState => states[(grain * 7) % 4];
    writeFileSync(dir.file('parent-flat.vmdk'), new Uint8Array(SIZE).fill(0x77));
    writeFileSync(dir.file('parent.vmdk'), vmdkDescriptor({ createType: 'vmfs', extents: [`RW ${SIZE / 512} VMFS "parent-flat.vmdk"`] }));
    writeFileSync(dir.file('extent'), seSparseExtent(content, { state, seed: 1 }));
    const parent = { contentId: '12345678', filename: 'parent.vmdk' };
    writeFileSync(dir.file('disk.vmdk'), vmdkDescriptor({ createType: 'seSparse', extents: [`RW ${SIZE / 512} SESPARSE "extent"`], parent }));
    const meant = content.slice();
    for (let grain = 0; grain * 4096 < SIZE; grain++) if (state(grain) !== 'stored') meant.fill(state(grain) === 'hole' ? 0x77 : 0, grain * 4096, (grain + 1) * 4096);
    await expectContent(dir.file('disk.vmdk'), 'vmdk', meant);
    expect(meant.includes(0x77)).toBe(true);
  });
});

function sample(): Uint8Array {
  const content = new Uint8Array(SIZE);
  const random = prng(2);
  for (let at = 0; at < SIZE; at += 1 + random.below(3_000_000)) content.set(random.bytes(Math.min(SIZE - at, 1 + random.below(200_000))), at);
  content.fill(3, SIZE - 700);
  return content;
}
