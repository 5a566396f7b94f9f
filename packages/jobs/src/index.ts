/**
 * Block jobs: stream, commit, mirror and backup in the background, with guest I/O going on.
 *
 * @packageDocumentation
 */
export type { JobBody, JobControl } from './body.js';
export type { JobEvent, JobProgress } from './events.js';
export { Job, type JobOptions } from './job.js';
export { Jobs } from './jobs.js';
export type { JobStatus, JobType } from './status.js';
export { JobTransaction } from './transaction.js';
export { copyPieces, failing, type CopyPiece, type CopyWork } from './copy-engine.js';
export { startBackup, type BackupOptions, type BackupSync, type BitmapMode } from './backup.js';
export { startStream, type StreamOptions } from './stream.js';
export { startCommit, type CommitOptions } from './commit.js';
export { startMirror, type MirrorOptions, type MirrorSync } from './mirror.js';
export { startActiveCommit, type ActiveCommitOptions } from './active-commit.js';
export { below, findBelow, imageBehind, imagesAbove } from './chain.js';
