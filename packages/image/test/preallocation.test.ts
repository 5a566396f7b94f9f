// Space for all of a disk: how far it is, and called off on the way.
import { existsSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BlockGraph, type Preallocation } from '@blk/core-graph';
import { file, hostDevice } from '@blk/drivers-file';
import { qcow2 } from '@blk/drivers-qcow2';
import { raw } from '@blk/drivers-raw';
import { tempDir } from '@blk/oracle';
import { checkImage, imageInfo, planCreation, resizeImage } from '../src/index.js';

const M = 1024 * 1024;

function newGraph(): BlockGraph {
  return new BlockGraph({ drivers: [file, hostDevice, raw, qcow2] });
}

/** Collects, and raises the signal once more than `until` bytes are done. */
function follow(until: number): { seen: [number, number][]; progress: (done: number, total: number) => void; signal: AbortSignal } {
  const seen: [number, number][] = [];
  const stop = new AbortController();
  const progress = (done: number, total: number): void => {
    seen.push([done, total]);
    if (done > until) stop.abort();
  };
  return { seen, progress, signal: stop.signal };
}

describe.each(['raw', 'qcow2'])('%s', (format) => {
  const size = 80 * M;
  const create = async (name: string, preallocation: Preallocation, work: object): Promise<void> => {
    const plan = await planCreation(newGraph(), name, { format, size, options: [`preallocation=${preallocation}`], ...work });
    await plan.run();
  };

  test('created, told of from nothing to all', async () => {
    using dir = tempDir();
    const { seen, progress } = follow(Infinity);
    await create(dir.file('disk'), 'full', { progress });
    expect(seen[0]).toEqual([0, size]);
    expect(seen[seen.length - 1]).toEqual([size, size]);
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.every(([done], at) => at === 0 || done >= seen[at - 1][0])).toBe(true);
    expect(statSync(dir.file('disk')).blocks * 512).toBeGreaterThanOrEqual(size);
  });

  test('called off while it is created', async () => {
    using dir = tempDir();
    const { progress, signal } = follow(30 * M);
    await expect(create(dir.file('disk'), 'full', { progress, signal })).rejects.toThrow(/abort/);
    expect(existsSync(dir.file('disk'))).toBe(false);
  });

  test('called off while it grows: it has its old size, and nothing more', async () => {
    using dir = tempDir();
    await create(dir.file('disk'), 'off', {});
    const before = statSync(dir.file('disk')).blocks;
    const { progress, signal } = follow(40 * M);
    const grown = resizeImage(newGraph(), dir.file('disk'), { size: 3 * size, preallocation: 'full', format, progress, signal });
    await expect(grown).rejects.toThrow(/abort/);
    expect((await imageInfo(newGraph(), dir.file('disk'), { format }))['virtual-size']).toBe(size);
    if (format === 'raw') expect((statSync(dir.file('disk')).blocks - before) * 512).toBeLessThan(4 * M);
    if (format === 'qcow2') {
      const found = await checkImage(newGraph(), dir.file('disk'));
      expect(found).toMatchObject({ 'check-errors': 0 });
      expect(found.leaks ?? 0).toBe(0);
      expect(found['allocated-clusters'] ?? 0).toBe(0);
    }
    const done = follow(Infinity);
    await resizeImage(newGraph(), dir.file('disk'), { size: 2 * size, preallocation: 'full', format, progress: done.progress });
    expect(done.seen[done.seen.length - 1]).toEqual([size, size]);
  });
});
