/** The life of a job: states, verbs, pauses, transactions, ends. */
import { BlockError } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { JobTransaction, type Job, type JobBody, type JobControl, type JobProgress } from '../src/index.js';
import { rig, turns, type Rig } from './support.js';

/** A body that does `pieces` pieces of one byte, each in a turn of its own. */
function counting(pieces: number, further: Partial<JobBody> = {}): () => JobBody {
  return () => ({
    async run(control: JobControl) {
      for (let piece = 0; piece < pieces; piece++) {
        const entered = control.enter();
        if (entered !== undefined) await entered;
        control.spend(1);
        await turns(1);
        control.leave();
        control.progress(piece + 1, pieces);
      }
    },
    ...further,
  });
}

/** A body that is ready at once, and ends when it is completed. */
function mirroring(): JobBody {
  let completed = false;
  return {
    async run(control) {
      control.ready();
      while (!completed) {
        await control.sleep();
        const paused = control.pausePoint();
        if (paused !== undefined) await paused;
      }
    },
    complete: () => {
      completed = true;
    },
  };
}

describe('the life of a job', () => {
  it('goes through the states of one that ends well', async () => {
    const { jobs, events } = rig();
    const steps: string[] = [];
    const note = (step: string) => () => void steps.push(step);
    const job = await jobs.create({ id: 'a', type: 'stream' }, counting(3, { prepare: note('prepare'), commit: note('commit'), abort: note('abort'), clean: note('clean') }));
    await job.done;
    expect(events).toEqual(['a: created', 'a: running', 'a: waiting', 'a: pending', 'a: PENDING', 'a: COMPLETED 3/3', 'a: concluded', 'a: null']);
    expect(steps).toEqual(['prepare', 'commit', 'clean']);
    expect([...jobs]).toEqual([]);
  });

  it.each(['run', 'prepare'] as const)('ends with the error of %s', async (where) => {
    const { jobs, events } = rig();
    const steps: string[] = [];
    const fail = (): Promise<never> => Promise.reject(new BlockError('io', 'No luck'));
    const job = await jobs.create({ id: 'a', type: 'commit' }, counting(1, { [where]: fail, abort: () => void steps.push('abort'), clean: () => void steps.push('clean') }));
    await expect(job.done).rejects.toThrow('No luck');
    expect(events.slice(-4)).toEqual(['a: aborting', `a: COMPLETED ${where === 'run' ? '0/0' : '1/1'} No luck`, 'a: concluded', 'a: null']);
    expect(steps).toEqual(['abort', 'clean']);
  });

  it('is cancelled, and says so', async () => {
    const { jobs, events } = rig();
    const job = await jobs.create({ id: 'a', type: 'stream' }, counting(1000));
    await turns();
    job.cancel();
    await expect(job.done).rejects.toMatchObject({ kind: 'aborted' });
    expect(events).toEqual(['a: created', 'a: running', 'a: aborting', 'a: CANCELLED', 'a: concluded', 'a: null']);
  });

  it('is cancelled by a signal, before and during the work, and forgets the signal', async () => {
    const { jobs } = rig();
    const late = new AbortController();
    const job = await jobs.create({ id: 'a', type: 'stream', signal: late.signal }, counting(1000));
    late.abort();
    await expect(job.done).rejects.toMatchObject({ kind: 'aborted' });
    await expect(jobs.create({ id: 'a', type: 'stream', signal: AbortSignal.abort() }, counting(1))).rejects.toThrow();
    expect([...jobs]).toEqual([]);
  });

  it('waits for finalize and dismiss where it is told to', async () => {
    const { jobs, events } = rig();
    const job = await jobs.create({ id: 'a', type: 'stream', autoFinalize: false, autoDismiss: false }, counting(1));
    await turns(12);
    expect(job.status).toBe('pending');
    expect(() => { job.pause(); }).toThrow("Job 'a' in state 'pending' cannot accept command verb 'pause'");
    await job.finalize();
    expect(job.status).toBe('concluded');
    await expect(job.finalize()).rejects.toThrow("Job 'a' in state 'concluded' cannot accept command verb 'finalize'");
    job.dismiss();
    expect(events.at(-1)).toBe('a: null');
    expect(jobs.find('a')).toBeUndefined();
  });

  it('can be cancelled while it waits for finalize', async () => {
    const { jobs, events } = rig();
    const job = await jobs.create({ id: 'a', type: 'stream', autoFinalize: false }, counting(1));
    await turns(12);
    job.cancel();
    await expect(job.done).rejects.toMatchObject({ kind: 'aborted' });
    expect(events.slice(-4)).toEqual(['a: aborting', 'a: CANCELLED', 'a: concluded', 'a: null']);
  });

  it('pauses, stands still, and goes on', async () => {
    const { jobs, events } = rig();
    const job = await jobs.create({ id: 'a', type: 'stream' }, counting(50));
    await turns(4);
    job.pause();
    expect(() => { job.pause(); }).toThrow('Job is already paused');
    await turns();
    expect(job.status).toBe('paused');
    const { offset } = job;
    await turns();
    expect(job.offset).toBe(offset);
    expect(() => { job.cancel(); }).toThrow("The block job for device 'a' is currently paused");
    job.resume();
    expect(() => { job.resume(); }).toThrow("Can't resume a job that was not paused");
    await job.done;
    expect(events.slice(0, 4)).toEqual(['a: created', 'a: running', 'a: paused', 'a: running']);
  });

  it('is cancelled by force while it is paused', async () => {
    const { jobs } = rig();
    const job = await jobs.create({ id: 'a', type: 'stream' }, counting(50));
    job.pause();
    await turns();
    job.cancel({ force: true });
    await expect(job.done).rejects.toMatchObject({ kind: 'aborted' });
  });

  it('is ready, and completes when asked', async () => {
    const { jobs, events } = rig();
    const job = await jobs.create({ id: 'm', type: 'mirror' }, mirroring);
    await expect(job.complete()).rejects.toThrow("Job 'm' in state 'running' cannot accept command verb 'complete'");
    await turns();
    expect(job.status).toBe('ready');
    job.pause();
    await turns();
    expect(job.status).toBe('standby');
    job.resume();
    await turns();
    await job.complete();
    await job.done;
    expect(events).toEqual([
      'm: created', 'm: running', 'm: ready', 'm: READY', 'm: standby', 'm: ready', 'm: waiting', 'm: pending', 'm: PENDING',
      'm: COMPLETED 0/0', 'm: concluded', 'm: null',
    ]);
  });

  it('keeps to its speed, and to a new one at once', async () => {
    const { jobs, clock } = rig();
    const job = await jobs.create({ id: 'a', type: 'stream', speed: 10 }, counting(100));
    await turns();
    await clock.pass(1000);
    // One at the start, and ten in the second.
    expect(job.offset).toBeGreaterThanOrEqual(10);
    expect(job.offset).toBeLessThanOrEqual(12);
    job.setSpeed(1);
    await turns();
    const { offset } = job;
    await clock.pass(5000);
    expect(job.offset - offset).toBeGreaterThanOrEqual(4);
    expect(job.offset - offset).toBeLessThanOrEqual(6);
    job.setSpeed(0);
    await job.done;
    expect(clock.pending).toBe(0);
    expect(() => { job.setSpeed(1); }).toThrow("Job 'a' in state 'null' cannot accept command verb 'set-speed'");
  });

  it('tells its progress to those who iterate', async () => {
    const { jobs } = rig();
    const job = await jobs.create({ id: 'a', type: 'stream' }, counting(5));
    const seen: JobProgress[] = [];
    for await (const progress of job.progress()) seen.push(progress);
    expect(seen.at(-1)).toEqual({ offset: 5, length: 5, status: 'concluded' });
    expect(seen.map(({ offset }) => offset)).toEqual([...seen.map(({ offset }) => offset)].sort((a, b) => a - b));
  });

  it.each([
    ['', "Invalid job ID ''"],
    ['1x', "Invalid job ID '1x'"],
    ['a', "Job ID 'a' already in use"],
  ])('refuses the id %j', async (id, text) => {
    const { jobs } = rig();
    const first = await jobs.create({ id: 'a', type: 'stream' }, counting(1000));
    await expect(jobs.create({ id, type: 'stream' }, counting(1))).rejects.toThrow(text);
    await expect(jobs.create({ id: 'b', type: 'stream', speed: -1 }, counting(1))).rejects.toThrow("Parameter 'speed' expects a non-negative value");
    first.cancel();
    await jobs.close();
  });

  it('closes in order, whatever the jobs are doing', async () => {
    const { jobs, events, clock } = rig();
    await jobs.create({ id: 'a', type: 'stream', speed: 1 }, counting(1000));
    const paused = await jobs.create({ id: 'b', type: 'stream' }, counting(1000));
    await jobs.create({ id: 'c', type: 'stream', autoDismiss: false, autoFinalize: false }, counting(1));
    paused.pause();
    await turns(12);
    await jobs.close();
    expect([...jobs]).toEqual([]);
    expect(events.filter((line) => line.endsWith('CANCELLED'))).toEqual(['c: CANCELLED', 'b: CANCELLED', 'a: CANCELLED']);
    expect(clock.pending).toBe(0);
    await expect(jobs.create({ id: 'd', type: 'stream' }, counting(1))).rejects.toMatchObject({ kind: 'closed' });
  });
});

describe('a transaction', () => {
  it('ends well when all have', async () => {
    const { jobs, events } = rig();
    const transaction = new JobTransaction();
    const a = await jobs.create({ id: 'a', type: 'backup', transaction }, counting(1));
    const b = await jobs.create({ id: 'b', type: 'backup', transaction }, counting(20));
    await Promise.all([a.done, b.done]);
    expect(events.indexOf('b: waiting')).toBeLessThan(events.indexOf('a: pending'));
    expect(events.filter((line) => line.includes('COMPLETED'))).toEqual(['a: COMPLETED 1/1', 'b: COMPLETED 20/20']);
  });

  it('calls the others off when one fails', async () => {
    const { jobs, events } = rig();
    const transaction = new JobTransaction();
    const a = await jobs.create({ id: 'a', type: 'backup', transaction }, counting(1));
    const b = await jobs.create({ id: 'b', type: 'backup', transaction }, counting(1000));
    const c = await jobs.create({ id: 'c', type: 'backup', transaction }, counting(5, { run: async () => { await turns(5); throw new Error('gone'); } }));
    await Promise.allSettled([a.done, b.done, c.done]);
    expect(events).toContain('a: CANCELLED');
    expect(events).toContain('b: CANCELLED');
    expect(events.some((line) => line.startsWith('c: COMPLETED'))).toBe(true);
  });
});

describe('a deferred job', () => {
  const made = async (on: Rig, ends: string[]): Promise<Job> =>
    on.jobs.create({ id: 'a', type: 'backup', deferred: true }, () => ({
      run: async () => { ends.push('run'); },
      commit: () => { ends.push('commit'); },
      abort: () => { ends.push('abort'); },
      clean: () => { ends.push('clean'); },
    }));

  it('does nothing before it is started', async () => {
    const on = rig();
    const ends: string[] = [];
    const job = await made(on, ends);
    await turns();
    expect([job.status, ends, [...on.jobs]]).toEqual(['created', [], [job]]);
    job.start();
    expect(() => { job.start(); }).toThrow("Job 'a' has begun already");
    await expect(job.discard()).rejects.toThrow("Job 'a' has begun already");
    await job.done;
    expect(ends).toEqual(['run', 'commit', 'clean']);
  });

  it('discarded, it tells no end', async () => {
    const on = rig();
    const ends: string[] = [];
    const job = await made(on, ends);
    await job.discard();
    await expect(job.done).rejects.toMatchObject({ kind: 'aborted' });
    expect([ends, [...on.jobs]]).toEqual([['abort', 'clean'], []]);
    expect(on.events).toEqual(['a: created', 'a: aborting', 'a: concluded', 'a: null']);
  });

  it('cancelled before it was started, it ends', async () => {
    const on = rig();
    const ends: string[] = [];
    const job = await made(on, ends);
    job.cancel();
    await expect(job.done).rejects.toMatchObject({ kind: 'aborted' });
    expect(ends).toEqual(['abort', 'clean']);
    expect(() => { job.start(); }).toThrow('has begun already');
  });
});
