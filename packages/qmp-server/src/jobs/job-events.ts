/** What happens to jobs, told as events: the contract's for block jobs, and today's for all. */
import type { Job, JobEvent, Jobs } from '@blk/jobs';
import type { BlockJobType } from '@blk/qapi-types';
import type { EventBus } from '../events.js';

/** Forwards until the returned function is called. */
export function forwardJobEvents(jobs: Jobs, events: EventBus): () => void {
  return jobs.subscribe((event) => {
    if (event.type === 'status') events.emit('JOB_STATUS_CHANGE', { status: event.status, id: event.job.id });
    else if (isBlockJob(event.job)) forward(events, event);
  });
}

/** Whether the contract's commands and events are about it: all jobs but those that create an image. */
export function isBlockJob(job: Job): boolean {
  return job.type !== 'create';
}

function forward(events: EventBus, event: Exclude<JobEvent, { type: 'status' }>): void {
  const { job } = event;
  switch (event.type) {
    case 'pending':
      if (!job.autoFinalize) events.emit('BLOCK_JOB_PENDING', { type: job.type, id: job.id });
      break;
    case 'ready':
      events.emit('BLOCK_JOB_READY', state(job));
      break;
    case 'completed':
      events.emit('BLOCK_JOB_COMPLETED', { ...state(job), ...(event.error === undefined ? {} : { error: event.error.message }) });
      break;
    case 'cancelled':
      events.emit('BLOCK_JOB_CANCELLED', state(job));
      break;
    case 'error':
      events.emit('BLOCK_JOB_ERROR', { device: job.id, operation: event.operation, action: event.action });
  }
}

interface JobState {
  readonly type: BlockJobType;
  readonly device: string;
  readonly len: number;
  readonly offset: number;
  readonly speed: number;
}

function state(job: Job): JobState {
  return { device: job.id, len: job.length, offset: job.offset, speed: job.speed, type: job.type as BlockJobType };
}
