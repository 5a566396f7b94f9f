/** How a job runs and ends: work, the wait for its transaction, the outcome made real or undone, and what is told about it. */
import { asBlockError, BlockError } from '@blk/core-graph';
import { Cancelled } from './gate.js';
import type { Job } from './job.js';
import { nextTurn } from './next-turn.js';
import type { JobTransaction } from './transaction.js';

/** Runs the job from the next turn of the event loop on. Never rejects. */
export async function runJob(job: Job): Promise<void> {
  await nextTurn();
  try {
    if (job.control.cancelled) throw new Cancelled();
    await job.body.run(job.control);
    // Paused or cancelled while its last piece was under way: it has not ended yet, or not well.
    const paused = job.control.pausePoint();
    if (paused !== undefined) await paused;
  } catch (error) {
    await failed(job, error);
    return;
  }
  job.enterStatus('waiting');
  const { transaction } = job;
  if (transaction.aborting || !transaction.done) return;
  for (const each of transaction.jobs) {
    each.enterStatus('pending');
    each.jobs.emit({ type: 'pending', job: each });
  }
  if (transaction.jobs.every(({ autoFinalize }) => autoFinalize)) await finalizeTransaction(transaction);
}

/** Makes the outcome of all jobs of the transaction real, or of none where one can't. */
export async function finalizeTransaction(transaction: JobTransaction): Promise<void> {
  if (transaction.ending) return;
  transaction.ending = true;
  for (const job of transaction.jobs) {
    try {
      const prepared = job.body.prepare?.(job.control);
      if (prepared !== undefined) await prepared;
    } catch (error) {
      transaction.ending = false;
      await failed(job, error);
      return;
    }
  }
  for (const job of transaction.jobs) await conclude(job, 'commit');
}

/** Calls a job off, whatever it is doing. */
export function callOff(job: Job): void {
  const { status } = job;
  if (status === 'concluded' || status === 'null' || status === 'aborting') return;
  if (job.transaction.ending) return;
  job.control.gate.cancel();
  if (job.isPaused) job.resume();
  if (status === 'created' || status === 'waiting' || status === 'pending') void failed(job, new Cancelled());
}

/** Ends a job that has not begun: its states are told, but no end. */
export async function discardJob(job: Job): Promise<void> {
  job.error = new BlockError('aborted', 'Operation canceled', { code: 'ECANCELED' });
  job.enterStatus('aborting');
  await job.body.abort?.(job.control);
  await job.control.release();
  await job.body.clean?.();
  job.enterStatus('concluded');
  job.settle.reject(job.error);
  job.dismiss();
}

/** Ends a job that did not end well, and with it all of its transaction. */
async function failed(job: Job, thrown: unknown): Promise<void> {
  if (job.status === 'aborting' || job.status === 'concluded' || job.status === 'null') return;
  const cancelled = thrown instanceof Cancelled;
  job.error = cancelled ? new BlockError('aborted', 'Operation canceled', { code: 'ECANCELED' }) : asBlockError(thrown);
  job.transaction.aborting = true;
  // Whoever is called off while paused goes on first.
  job.rested(false);
  job.enterStatus('aborting');
  for (const other of job.transaction.jobs) if (other !== job) callOff(other);
  await conclude(job, 'abort', cancelled);
}

async function conclude(job: Job, how: 'commit' | 'abort', cancelled = false): Promise<void> {
  const step = async (work: () => Promise<void> | void | undefined): Promise<void> => {
    try {
      const done = work();
      if (done !== undefined) await done;
    } catch (error) {
      job.error ??= asBlockError(error);
    }
  };
  await step(() => job.body[how]?.(job.control));
  await step(() => job.control.release());
  await step(() => job.body.clean?.());
  job.control.unblock();
  job.ended();
  if (how === 'commit' && job.error !== undefined) job.enterStatus('aborting');
  if (cancelled) job.jobs.emit({ type: 'cancelled', job });
  else job.jobs.emit({ type: 'completed', job, error: job.error });
  job.enterStatus('concluded');
  if (job.error === undefined) job.settle.resolve();
  else job.settle.reject(job.error);
  if (job.autoDismiss) job.dismiss();
}
