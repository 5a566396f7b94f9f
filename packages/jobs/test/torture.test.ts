/** Random jobs on a long chain, several at once where they go together, paused, slowed down and called off at random, with a guest at work all the time. */
import { readFileSync } from 'node:fs';
import { expectSameBytes } from '@blk/driver-conformance';
import type { BlockNode } from '@blk/core-graph';
import { prng, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { imagesAbove, startActiveCommit, startCommit, startStream, type Job } from '../src/index.js';
import { guest, inventory, KiB, makeChain, MiB, type Chain } from './chains.js';
import { rig, turns } from './support.js';

const SEEDS = Number(process.env['BLK_TORTURE_SEEDS'] ?? 4);
const STEPS = 14;

/** Images of the chain as it is now, the highest first. */
const images = ({ device }: Chain): BlockNode[] => imagesAbove(device.root, undefined) ?? [];

/** What may come of asking for a job: one that runs, or a refusal for a reason. */
async function attempt(start: () => Promise<Job>): Promise<Job | undefined> {
  try {
    return await start();
  } catch (error) {
    expect(['busy', 'not-found', 'read-only']).toContain((error as { kind?: string }).kind);
    return undefined;
  }
}

function startRandom(chain: Chain, random: ReturnType<typeof prng>, id: string): Promise<Job | undefined> {
  const { jobs } = chain.rig;
  const all = images(chain);
  const pick = (): BlockNode => random.pick(all);
  const speed = random.pick([0, 0, 256 * KiB, 4 * MiB]);
  const { root } = chain.device;
  const filterName = random.below(2) === 0 ? undefined : `filter-${id}`;
  switch (random.below(4)) {
    case 0:
      return attempt(() => startStream(jobs, pick(), { id, speed, filterName, base: random.below(4) === 0 ? undefined : pick() }));
    case 1:
      return attempt(() => startActiveCommit(jobs, root, { id, speed, filterName, base: pick() }));
    default:
      return attempt(() => startCommit(jobs, root, { id, speed, filterName, top: pick(), base: pick() }));
  }
}

async function disturb(chain: Chain, random: ReturnType<typeof prng>, job: Job): Promise<void> {
  try {
    if (job.status === 'ready' && random.below(2) === 0) await job.complete();
    else if (job.isPaused) job.resume();
    else if (random.below(6) === 0) job.cancel();
    else if (random.below(4) === 0) job.pause();
    else if (random.below(3) === 0) job.setSpeed(random.pick([0, 1 * MiB]));
  } catch (error) {
    // It was over, or had come further, when it was asked.
    expect((error as Error).message).toMatch(/^(Job .* cannot accept command verb|The active block job .* cannot be completed)/);
  }
  await chain.rig.clock.pass(100 + random.below(2000));
}

const tools = skipUnless('qemu-img');
describe.skipIf(tools.skip)(tools.title('jobs at random'), () => {
  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))('seed %i', async (seed) => {
    using dir = tempDir();
    const random = prng(seed * 1000 + 7);
    const size = 2 * MiB;
    const sizes = Array.from({ length: 6 }, () => (seed % 2 === 0 ? size : random.pick([size, size - 64 * KiB, 1 * MiB])));
    const chain = await makeChain(rig(), dir, [...sizes, size], seed, { cluster_size: random.pick([4096, 65536]) });
    let over = false;
    const guests = guest(chain, () => over);
    const ran: string[] = [];
    const failed: unknown[] = [];
    try {
      for (let step = 0; step < STEPS && images(chain).length > 1; step++) {
        const job = await startRandom(chain, random, `job${step}`);
        if (job !== undefined) {
          ran.push(job.type);
          job.done.catch((error: unknown) => {
            if ((error as { kind?: string }).kind !== 'aborted') failed.push(error);
          });
        }
        for (const each of [...chain.rig.jobs]) await disturb(chain, random, each);
      }
      // Whatever still runs comes to its end, one way or another.
      while ([...chain.rig.jobs].length > 0) {
        for (const job of [...chain.rig.jobs]) {
          if (job.isPaused) job.resume();
          if (job.status === 'ready') await job.complete().catch(() => undefined);
        }
        await chain.rig.clock.pass(60_000);
        await turns(20);
      }
    } finally {
      over = true;
    }
    expect(await guests).toBeGreaterThan(0);
    expect(ran.length).toBeGreaterThan(0);
    expect(failed).toEqual([]);
    await chain.check();
    // Nothing is left of them: no holds, no frozen links, no listeners, no rights.
    const left = JSON.stringify(inventory(chain.rig));
    expect(left).not.toMatch(/ job |true (true|false)"|true"|"listeners":[1-9]/);
    expect(chain.rig.clock.pending).toBe(0);
    const { filename } = chain.device.root;
    const model = chain.model.slice();
    const files = images(chain).map((image) => image.filename);
    await chain.close();
    for (const file of files) expect(await qemuImg('check', '-q', file), file).toMatchObject({ code: 0 });
    expect(await qemuImg('convert', '-O', 'raw', filename, dir.file('raw'))).toMatchObject({ code: 0 });
    expectSameBytes(readFileSync(dir.file('raw')), model, 'the converted disk');
  });
});
