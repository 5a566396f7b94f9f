/** Stream: content, headers, graph, conflicts and ends, with a guest that goes on. */
import { expectSameBytes } from '@blk/driver-conformance';
import { imageInfo, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { startStream, type Job } from '../src/index.js';
import { guest, inventory, KiB, makeChain, MiB, type Chain } from './chains.js';
import { rig, turns, until } from './support.js';

const SIZES = [3 * MiB, 3 * MiB, 3 * MiB, 3 * MiB];

/** Runs the job while the guest goes on, and compares. */
async function withGuest(chain: Chain, start: () => Promise<Job>): Promise<Job> {
  let over = false;
  const guests = guest(chain, () => over);
  const job = await start();
  await job.done.finally(() => {
    over = true;
  }).catch(() => undefined);
  expect(await guests).toBeGreaterThan(0);
  await chain.check();
  return job;
}

describe('stream', () => {
  it.each([1, 2, 3])('takes over all of the chain, seed %i', async (seed) => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, seed);
    const job = await withGuest(chain, () => startStream(chain.rig.jobs, chain.device.root, { id: 's' }));
    await job.done;
    expect([job.offset, job.length]).toEqual([3 * MiB, 3 * MiB]);
    expect(chain.device.root.backing).toBeUndefined();
    expect(chain.device.root.driver.recordedBacking).toBeUndefined();
    expect([...chain.rig.graph.nodes].map(({ driverName }) => driverName).sort()).toEqual(['file', 'qcow2']);
    await chain.close();
  });

  it.each([1, 2, 3])('takes over what lies above a base, seed %i', async (seed) => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, seed, seed === 2 ? { cluster_size: 4096 } : {});
    const base = chain.image(0);
    const job = await withGuest(chain, () => startStream(chain.rig.jobs, chain.device.root, { id: 's', base, speed: 0 }));
    await job.done;
    expect(chain.device.root.backing?.node).toBe(base);
    expect(chain.device.root.driver.recordedBacking).toEqual({ filename: chain.files[0], format: 'qcow2' });
    await chain.close();
  });

  it.each([1, 2])('streams into an image in the middle, seed %i', async (seed) => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, seed);
    const before = chain.image(2).readOnly;
    const job = await withGuest(chain, () => startStream(chain.rig.jobs, chain.image(2), { id: 's', base: chain.image(0), backingFile: 'some/name' }));
    await job.done;
    expect(chain.device.root.backing?.node).toBe(chain.image(2));
    expect(chain.image(2).driver.recordedBacking).toEqual({ filename: 'some/name', format: 'qcow2' });
    expect(chain.image(2).readOnly).toBe(before);
    await chain.close();
  });

  it('keeps what lies behind the end of a short image as zeroes', async () => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, [3 * MiB, 1 * MiB, 3 * MiB], 5);
    const job = await withGuest(chain, () => startStream(chain.rig.jobs, chain.device.root, { id: 's', base: chain.image(0) }));
    await job.done;
    await chain.close();
  });

  it('keeps zeroes as zeroes, and copies nothing that is not held above the base', async () => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, [4 * MiB, 4 * MiB], 1, { cluster_size: 65536 });
    const { graph, jobs } = chain.rig;
    await chain.device.close();
    await graph.create(dir.file('top.qcow2'), { format: 'qcow2', size: 4 * MiB, options: { backing_file: chain.files[1], backing_fmt: 'qcow2' } });
    const middle = await graph.openBackend(chain.files[1], { format: 'qcow2', writable: true });
    await middle.writeZeroes(0, 2 * MiB);
    await middle.write(2 * MiB, new Uint8Array(64 * KiB).fill(7), 0, 64 * KiB);
    await middle.close();
    const top = await graph.openBackend(dir.file('top.qcow2'), { format: 'qcow2', writable: true });
    const base = top.root.backing?.node.backing?.node;
    const job = await startStream(jobs, top.root, { id: 's', base });
    await job.done;
    const found = [];
    for await (const { offset, length, zero, data, depth } of top.extents(0, 2 * MiB + 64 * KiB)) found.push({ offset, length, zero, data, depth });
    expect(found).toEqual([
      { offset: 0, length: 2 * MiB, zero: true, data: false, depth: 0 },
      { offset: 2 * MiB, length: 64 * KiB, zero: false, data: true, depth: 0 },
    ]);
    await top.close();
  });

  it('is paused, slowed down, and goes on', async () => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, 9);
    const job = await startStream(chain.rig.jobs, chain.device.root, { id: 's', speed: 64 * KiB });
    await turns(30);
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

  it('is cancelled, and leaves the chain and nothing else', async () => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, 4);
    const before = inventory(chain.rig);
    const job = await startStream(chain.rig.jobs, chain.image(2), { id: 's', speed: 1 });
    await turns(20);
    expect(inventory(chain.rig)).not.toEqual(before);
    job.cancel();
    await expect(job.done).rejects.toMatchObject({ kind: 'aborted' });
    expect(inventory(chain.rig)).toEqual(before);
    expect(chain.image(2).driver.recordedBacking?.filename).toBe(chain.files[1]);
    await chain.check();
    await chain.close();
  });

  it('refuses bases that are none, and work that others are at', async () => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, 4);
    const { jobs } = chain.rig;
    const { root } = chain.device;
    const before = inventory(chain.rig);
    await expect(startStream(jobs, chain.image(1), { id: 's', base: chain.image(2) })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(startStream(jobs, root, { id: 's', base: root })).rejects.toThrow(`Can't find '${root.filename}' in the backing chain`);
    await expect(startStream(jobs, root, { id: 's', backingFile: 'x' })).rejects.toThrow('backing file specified, but streaming the entire chain');
    expect(inventory(chain.rig)).toEqual(before);
    const job = await startStream(jobs, root, { id: 's', base: chain.image(1), speed: 1 });
    for (const node of [root, chain.image(2)]) {
      await expect(startStream(jobs, node, { id: 't' })).rejects.toThrow(`Node '${node.name}' is busy: block device is in use by block job: stream`);
    }
    // Below the base is nobody at work.
    const other = await startStream(jobs, chain.image(1), { id: 't' });
    await other.done;
    job.setSpeed(0);
    await job.done;
    await chain.check();
    expect(chain.device.root.backing?.node).toBe(chain.image(1));
    await chain.close();
  });

  it('does nothing where there is nothing below', async () => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, [1 * MiB], 4);
    const job = await startStream(chain.rig.jobs, chain.device.root, { id: 's' });
    await job.done;
    await chain.check();
    await chain.close();
  });
});

const tools = skipUnless('qemu-img');
describe.skipIf(tools.skip)(tools.title('a streamed image, as the reference reads it'), () => {
  it.each([
    [undefined, undefined],
    [1, undefined],
    [0, 'c0.qcow2'],
  ])('with base %s and backing file %s', async (index, backingFile) => {
    using dir = tempDir();
    const chain = await makeChain(rig(), dir, SIZES, 11);
    const base = index === undefined ? undefined : chain.image(index);
    await withGuest(chain, () => startStream(chain.rig.jobs, chain.device.root, { id: 's', base, backingFile }));
    const model = chain.model.slice();
    await chain.close();
    const file = chain.files[3];
    expect(await qemuImg('check', '-q', file)).toMatchObject({ code: 0 });
    const info = await imageInfo(file);
    expect(info['backing-filename']).toBe(index === undefined ? undefined : (backingFile ?? chain.files[index]));
    expect(info['backing-filename-format']).toBe(index === undefined ? undefined : 'qcow2');
    await qemuImg('convert', '-O', 'raw', file, dir.file('raw'));
    const { readFileSync } = await import('node:fs');
    expectSameBytes(readFileSync(dir.file('raw')), model, 'the converted disk');
  });
});
