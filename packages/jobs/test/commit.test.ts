/** Commit of images in the middle: content, headers, graph, sizes, conflicts and ends, with a guest that goes on. */
import { expectSameBytes } from '@blk/driver-conformance';
import { imageInfo, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { startCommit, startStream, type Job } from '../src/index.js';
import { guest, inventory, KiB, makeChain, MiB, type Chain } from './chains.js';
import { rig, turns, until } from './support.js';

const SIZES = [3 * MiB, 3 * MiB, 3 * MiB, 3 * MiB];

async function withGuest(chain: Chain, start: () => Promise<Job>): Promise<Job> {
  let over = false;
  const guests = guest(chain, () => over);
  const job = await start();
  await job.done.catch(() => undefined);
  over = true;
  expect(await guests).toBeGreaterThan(0);
  await chain.check();
  return job;
}

const commit = (chain: Chain, top: number, base: number, further: object = {}): Promise<Job> =>
  startCommit(chain.rig.jobs, chain.device.root, { id: 'c', top: chain.image(top), base: chain.image(base), ...further });

describe('commit', () => {
  it.each([
    [2, 0, 1],
    [2, 1, 2],
    [1, 0, 3],
    [1, 0, 4],
  ])('of image %i into image %i, seed %i', async (top, base, seed) => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, seed);
    const job = await withGuest(chain, () => commit(chain, top, base));
    await job.done;
    expect([job.offset, job.length]).toEqual([3 * MiB, 3 * MiB]);
    const overlay = chain.image(top + 1);
    expect(overlay.backing?.node).toBe(chain.image(base));
    expect(overlay.driver.recordedBacking).toEqual({ filename: chain.files[base], format: 'qcow2' });
    expect(chain.image(base).readOnly).toBe(true);
    expect(overlay.readOnly).toBe(top + 1 < 3);
    expect([...chain.rig.graph.nodes].length).toBe(2 * (4 - (top - base)));
    expect(Object.values(inventory(chain.rig)).every((node) => JSON.stringify(node).includes('"listeners":0'))).toBe(true);
    // The base alone is not writable any more, and what is written to the overlay stays there.
    await withGuest(chain, () => startStream(chain.rig.jobs, chain.device.root, { id: 's' }));
    await chain.close();
  });

  it.each([
    ['a base that is shorter', [1 * MiB, 2 * MiB, 3 * MiB]],
    ['a base that is shorter, over one that is longer', [3 * MiB, 1 * MiB, 2 * MiB, 3 * MiB]],
    ['a top that is shorter than the rest', [3 * MiB, 1 * MiB, 3 * MiB]],
    ['a hole in the middle of the chain', [3 * MiB, 1 * MiB, 3 * MiB, 3 * MiB]],
    ['sizes that end within a cluster', [1 * MiB + 512, 2 * MiB + 1536, 3 * MiB + 5 * 512]],
  ])('with %s', async (_, sizes) => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, sizes, 7);
    const base = sizes.length === 4 && sizes[1] < sizes[2] && sizes[2] < sizes[3] ? 1 : 0;
    const size = chain.image(base).size;
    const top = sizes.length - 2;
    const job = await withGuest(chain, () => commit(chain, top, base));
    await job.done;
    expect(chain.image(base).size).toBe(Math.max(size, sizes[top]));
    await chain.close();
  });

  it('is cancelled, and leaves rights and chain as they were', async () => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, 4);
    const before = inventory(chain.rig);
    const job = await commit(chain, 2, 0, { speed: 1 });
    await turns(20);
    job.cancel();
    await expect(job.done).rejects.toMatchObject({ kind: 'aborted' });
    expect(inventory(chain.rig)).toEqual(before);
    await chain.check();
    await chain.close();
  });

  it('is paused, slowed down, and goes on', async () => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, 4);
    const job = await commit(chain, 2, 0, { speed: 64 * KiB });
    await turns(20);
    job.pause();
    await until(() => job.status === 'paused');
    const { offset } = job;
    await chain.rig.clock.pass(60_000);
    expect(job.offset).toBe(offset);
    job.resume();
    job.setSpeed(0);
    await job.done;
    await chain.check();
    await chain.close();
  });

  it('refuses images in another order, and work that others are at', async () => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, 4);
    const before = inventory(chain.rig);
    for (const [top, base] of [[1, 2], [1, 1], [3, 0]] as const) await expect(commit(chain, top, base)).rejects.toMatchObject({ kind: 'not-found' });
    expect(inventory(chain.rig)).toEqual(before);
    const job = await commit(chain, 2, 1, { speed: 1 });
    const held = inventory(chain.rig);
    await expect(commit(chain, 1, 0, { id: 'd' })).rejects.toThrow('is busy: block device is in use by block job: commit');
    await expect(startStream(chain.rig.jobs, chain.image(1), { id: 'd' })).rejects.toThrow('is busy: block device is in use by block job: commit');
    expect(inventory(chain.rig)).toEqual(held);
    job.cancel();
    await job.done.catch(() => undefined);
    const streaming = await startStream(chain.rig.jobs, chain.image(2), { id: 's', speed: 1 });
    await expect(commit(chain, 2, 1)).rejects.toThrow('is busy: block device is in use by block job: stream');
    streaming.cancel();
    await streaming.done.catch(() => undefined);
    expect(inventory(chain.rig)).toEqual(before);
    await chain.close();
  });

  it('refuses a base that somebody else relies on', async () => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, 4);
    const { graph } = chain.rig;
    await graph.create(dir.file('other.qcow2'), { format: 'qcow2', options: { backing_file: chain.files[0], backing_fmt: 'qcow2' } });
    const other = await graph.open({ driver: 'qcow2', 'node-name': 'other', file: { driver: 'file', filename: dir.file('other.qcow2') }, backing: chain.names[0] });
    const before = inventory(chain.rig);
    await expect(commit(chain, 1, 0)).rejects.toThrow('Permission conflict on node');
    expect(inventory(chain.rig)).toEqual(before);
    await graph.release(other);
    await chain.close();
  });
});

const tools = skipUnless('qemu-img');
describe.skipIf(tools.skip)(tools.title('a chain after a commit, as the reference reads it'), () => {
  it.each([undefined, 'c0.qcow2'])('with backing file %s', async (backingFile) => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, 11);
    await withGuest(chain, () => commit(chain, 1, 0, { backingFile }));
    const model = chain.model.slice();
    await chain.close();
    for (const index of [0, 2, 3]) expect(await qemuImg('check', '-q', chain.files[index])).toMatchObject({ code: 0 });
    expect(await imageInfo(chain.files[2])).toMatchObject({ 'backing-filename': backingFile ?? chain.files[0], 'backing-filename-format': 'qcow2' });
    await qemuImg('convert', '-O', 'raw', chain.files[3], dir.file('raw'));
    const { readFileSync } = await import('node:fs');
    expectSameBytes(readFileSync(dir.file('raw')), model, 'the converted disk');
  });
});
