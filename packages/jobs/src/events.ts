/** What happens to jobs, as the list of jobs tells it. */
import type { BlockError, BlockErrorAction } from '@blk/core-graph';
import type { Job } from './job.js';
import type { JobStatus } from './status.js';

export type JobEvent =
  | { readonly type: 'status'; readonly job: Job; readonly status: JobStatus }
  /** All is done and waits for `finalize`. */
  | { readonly type: 'pending'; readonly job: Job }
  | { readonly type: 'ready'; readonly job: Job }
  /** The end, well or with an error. */
  | { readonly type: 'completed'; readonly job: Job; readonly error: BlockError | undefined }
  | { readonly type: 'cancelled'; readonly job: Job }
  | { readonly type: 'error'; readonly job: Job; readonly operation: 'read' | 'write'; readonly action: BlockErrorAction };

/** How far a job is; bytes. */
export interface JobProgress {
  readonly offset: number;
  readonly length: number;
  readonly status: JobStatus;
}
