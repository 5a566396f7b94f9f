/** Jobs that end together: all of them well, or none. */
import type { Job } from './job.js';

/** Ties jobs together (`completion-mode=grouped`); a job without one has one of its own. */
export class JobTransaction {
  readonly jobs: Job[] = [];
  /** One failed or was cancelled: none may end well. */
  aborting = false;
  /** The outcome is being made real: too late to call anything off. */
  ending = false;

  add(job: Job): void {
    this.jobs.push(job);
  }

  /** Whether all have done their work. */
  get done(): boolean {
    return this.jobs.every(({ status }) => status === 'waiting');
  }
}
