/** The states of a job, which follows which, and what may be asked of a job in each. */
import { BlockError } from '@blk/core-graph';

export type JobType = 'stream' | 'commit' | 'mirror' | 'backup' | 'create';

/** As in QEMU's `JobStatus`. */
export type JobStatus =
  | 'created'
  | 'running'
  | 'paused'
  /** Everything is copied; from here on it follows, until it is completed or cancelled. */
  | 'ready'
  /** Paused while ready. */
  | 'standby'
  /** Done, and waiting for the other jobs of its transaction. */
  | 'waiting'
  /** All of the transaction are done; `finalize` makes the outcome real. */
  | 'pending'
  | 'aborting'
  | 'concluded'
  | 'null';

export type JobVerb = 'cancel' | 'pause' | 'resume' | 'set-speed' | 'complete' | 'finalize' | 'dismiss';

const ACTIVE: readonly JobStatus[] = ['created', 'running', 'paused', 'ready', 'standby'];

const ALLOWED: Readonly<Record<JobVerb, readonly JobStatus[]>> = {
  cancel: [...ACTIVE, 'waiting', 'pending'],
  pause: ACTIVE,
  resume: ACTIVE,
  'set-speed': ACTIVE,
  complete: ['ready'],
  finalize: ['pending'],
  dismiss: ['concluded'],
};

/** Throws where a job in this state does not take the verb. */
export function checkVerb(id: string, status: JobStatus, verb: JobVerb): void {
  if (ALLOWED[verb].includes(status)) return;
  throw new BlockError('invalid-argument', `Job '${id}' in state '${status}' cannot accept command verb '${verb}'`);
}

const NEXT: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  created: ['running', 'aborting', 'null'],
  running: ['paused', 'ready', 'waiting', 'aborting'],
  paused: ['running', 'aborting'],
  ready: ['standby', 'waiting', 'aborting'],
  standby: ['ready', 'aborting'],
  waiting: ['pending', 'aborting'],
  pending: ['aborting', 'concluded'],
  aborting: ['concluded'],
  concluded: ['null'],
  null: [],
};

/** Throws for a step that is none: a defect of this package. */
export function checkStep(from: JobStatus, to: JobStatus): void {
  if (!NEXT[from].includes(to)) throw new RangeError(`A job does not go from '${from}' to '${to}'`);
}
