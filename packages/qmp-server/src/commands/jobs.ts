/** Jobs asked for, told what to do, and listed: the contract's commands by device, and today's by id. */
import type { Job } from '@blk/jobs';
import { QmpError, toSafeInteger, type BlockJobInfo, type JobInfo } from '@blk/qapi-types';
import type { CommandGroup } from '../dispatch.js';
import { genericError } from '../errors.js';
import { isBlockJob } from '../jobs/job-events.js';
import type { BlkServer } from '../server.js';

export const jobs: CommandGroup = {
  'query-block-jobs': (_args, { server }) => newestFirst(server).filter(isBlockJob).map(blockJobInfo),

  'block-job-set-speed': ({ device, speed }, { server }) => {
    blockJob(server, device).setSpeed(toSafeInteger(speed, 'speed'));
  },

  'block-job-cancel': ({ device, force = false }, { server }) => {
    blockJob(server, device).cancel({ force });
  },

  // The contract bears a second one of these, which today's commands do not.
  'block-job-pause': ({ device }, { server }) => {
    const job = blockJob(server, device);
    if (!job.isPaused) job.pause();
  },

  'block-job-resume': ({ device }, { server }) => {
    const job = blockJob(server, device);
    if (job.isPaused) job.resume();
  },

  'block-job-complete': ({ device }, { server }) => blockJob(server, device).complete(),

  'block-job-finalize': ({ id }, { server }) => blockJob(server, id).finalize(),

  'block-job-dismiss': ({ id }, { server }) => {
    blockJob(server, id).dismiss();
  },

  'query-jobs': (_args, { server }) => newestFirst(server).map(jobInfo),

  'job-pause': ({ id }, { server }) => {
    jobOf(server, id).pause();
  },

  'job-resume': ({ id }, { server }) => {
    jobOf(server, id).resume();
  },

  'job-cancel': ({ id }, { server }) => {
    jobOf(server, id).cancel({ force: true });
  },

  'job-complete': ({ id }, { server }) => jobOf(server, id).complete(),

  'job-finalize': ({ id }, { server }) => jobOf(server, id).finalize(),

  'job-dismiss': ({ id }, { server }) => {
    jobOf(server, id).dismiss();
  },
};

function newestFirst({ jobs: all }: BlkServer): Job[] {
  return [...all].reverse();
}

/** The block job of this id, which is the device's name unless it was given another. Throws class `DeviceNotActive`. */
function blockJob(server: BlkServer, id: string): Job {
  const job = server.jobs.find(id);
  if (job === undefined || !isBlockJob(job)) throw new QmpError('DeviceNotActive', `Block job '${id}' not found`);
  return job;
}

function jobOf(server: BlkServer, id: string): Job {
  const job = server.jobs.find(id);
  if (job === undefined) throw genericError('Job not found');
  return job;
}

function blockJobInfo(job: Job): BlockJobInfo {
  return {
    type: job.type,
    device: job.id,
    len: job.length,
    offset: job.offset,
    busy: job.isBusy,
    paused: job.isPaused,
    speed: job.speed,
    'io-status': job.ioStatus,
    ready: job.isReady,
    status: job.status,
    'auto-finalize': job.autoFinalize,
    'auto-dismiss': job.autoDismiss,
    ...(job.error === undefined ? {} : { error: job.error.message }),
  };
}

function jobInfo(job: Job): JobInfo {
  return {
    id: job.id,
    type: job.type,
    status: job.status,
    'current-progress': job.offset,
    'total-progress': job.length,
    ...(job.error === undefined ? {} : { error: job.error.message }),
  };
}
