/** The copying that all jobs share: everything once, bounded buffers, error policies, pauses. */
import { BlockError, BufferPool, type OnError } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { copyPieces, failing, type CopyPiece, type Job } from '../src/index.js';
import { rig, turns, until, type Rig } from './support.js';

const BYTES = 4096;

class CountingPool extends BufferPool {
  out = 0;
  most = 0;
  override take(bytes: number): Uint8Array {
    this.most = Math.max(this.most, ++this.out);
    return super.take(bytes);
  }
  override give(buffer: Uint8Array): void {
    this.out--;
    super.give(buffer);
  }
}

interface Copying {
  readonly job: Job;
  readonly pool: CountingPool;
  readonly copied: number[];
  readonly lost: number[];
  ignored(): unknown;
}

/** Starts a job that copies pieces 0 to 19; `work` is what each piece does. */
async function start({ jobs }: Rig, work: (index: number) => void | Promise<void>, policy: OnError = 'report'): Promise<Copying> {
  const pool = new CountingPool();
  const copied: number[] = [];
  const lost: number[] = [];
  let ignored: unknown;
  let index = 0;
  const job = await jobs.create({ id: 'a', type: 'backup' }, () => ({
    async run(control) {
      ignored = await copyPieces({
        control,
        pool,
        bufferBytes: BYTES,
        lanes: 4,
        readPolicy: policy,
        writePolicy: policy,
        next: (): CopyPiece | undefined => (index === 20 ? undefined : { action: index % 5 === 4 ? 'skip' : 'data', offset: index++ * BYTES, length: BYTES }),
        copy: (piece) => failing('write', () => work(piece.offset / BYTES)),
        done: ({ offset }, wasLost) => (wasLost ? lost : copied).push(offset / BYTES),
      });
    },
  }));
  return { job, pool, copied, lost, ignored: () => ignored };
}

const ALL = Array.from({ length: 20 }, (_, index) => index);
const sorted = (numbers: number[]): number[] => [...numbers].sort((a, b) => a - b);

describe('copyPieces', () => {
  it('does everything once, on one lane as long as nothing waits', async () => {
    const copying = await start(rig(), () => undefined);
    await copying.job.done;
    expect(copying.copied).toEqual(ALL);
    expect([copying.pool.out, copying.pool.most]).toEqual([0, 1]);
  });

  it('has several pieces under way where requests wait long, and never more buffers than lanes', async () => {
    const held: (() => void)[] = [];
    const copying = await start(rig(), () => new Promise<void>((resolve) => held.push(resolve)));
    for (let left = 16; left > 0; left--) {
      // Each one that ends lets another one in.
      await until(() => held.length === Math.min(4, left));
      held.shift()?.();
    }
    await copying.job.done;
    expect(sorted(copying.copied)).toEqual(ALL);
    expect([copying.pool.out, copying.pool.most]).toEqual([0, 4]);
  });

  it('needs no further buffer for waits that are over at once', async () => {
    const copying = await start(rig(), () => turns(1));
    await copying.job.done;
    expect(sorted(copying.copied)).toEqual(ALL);
    expect([copying.pool.out, copying.pool.most]).toEqual([0, 1]);
  });

  const failOnce = (kind: 'no-space' | 'io', async: boolean): ((index: number) => void | Promise<void>) => {
    let failed = false;
    return (index) => {
      if (index !== 7 || failed) return async ? turns(1) : undefined;
      failed = true;
      const error = new BlockError(kind, 'No luck');
      if (!async) throw error;
      return turns(1).then(() => Promise.reject(error));
    };
  };

  it.each([true, false])('reports an error, and ends (waiting: %s)', async (async) => {
    const all = rig();
    const copying = await start(all, failOnce('io', async));
    await expect(copying.job.done).rejects.toThrow('Input/output error');
    expect(all.events).toContain('a: ERROR write report');
    expect(copying.pool.out).toBe(0);
  });

  it.each([true, false])('ignores an error, and tells of it (waiting: %s)', async (async) => {
    const all = rig();
    const copying = await start(all, failOnce('io', async), 'ignore');
    await copying.job.done;
    expect(copying.lost).toEqual([7]);
    expect(sorted(copying.copied)).toEqual(ALL.filter((index) => index !== 7));
    expect(copying.ignored()).toMatchObject({ message: 'Input/output error' });
  });

  it.each([
    ['stop', 'io', 'failed'],
    ['enospc', 'no-space', 'nospace'],
  ] as const)('with the policy %s stops at an error, and tries again when it is resumed', async (policy, kind, status) => {
    const all = rig();
    const copying = await start(all, failOnce(kind, true), policy);
    await turns(30);
    expect(copying.job.status).toBe('paused');
    expect(copying.job.ioStatus).toBe(status);
    copying.job.resume();
    expect(copying.job.ioStatus).toBe('ok');
    await copying.job.done;
    expect(sorted(copying.copied)).toEqual(ALL);
    expect(all.events).toContain('a: ERROR write stop');
  });

  it('with the policy enospc reports other errors', async () => {
    const copying = await start(rig(), failOnce('io', true), 'enospc');
    await expect(copying.job.done).rejects.toThrow('Input/output error');
  });

  it('lets go of everything when it is cancelled in the middle of pieces', async () => {
    const copying = await start(rig(), () => turns(20));
    await turns(4);
    copying.job.cancel();
    await expect(copying.job.done).rejects.toMatchObject({ kind: 'aborted' });
    expect(copying.pool.out).toBe(0);
  });
});
