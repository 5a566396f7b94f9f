/** All groups of commands. A further group is a further file, and a line here. */
import type { CommandGroup } from '../dispatch.js';
import { bitmaps } from './bitmaps.js';
import { blockJobs } from './block-jobs.js';
import { blockdev } from './blockdev.js';
import { blockExports } from './exports.js';
import { graphChanges } from './graph.js';
import { copies } from './copies.js';
import { human } from './human.js';
import { images } from './images.js';
import { medium } from './medium.js';
import { jobs } from './jobs.js';
import { monitor } from './monitor.js';
import { nbd } from './nbd.js';
import { objects } from './objects.js';
import { query } from './query.js';
import { throttle } from './throttle.js';
import { queryBlock } from './query-block.js';
import { runState } from './run-state.js';
import { snapshots } from './snapshots.js';
import { transaction } from './transaction.js';

// One a line, so that neighbours do not meet.
export const COMMANDS: readonly CommandGroup[] = [
  monitor,
  query,
  queryBlock,
  blockdev,
  bitmaps,
  images,
  graphChanges,
  snapshots,
  transaction,
  medium,
  human,
  runState,
  nbd,
  blockExports,
  throttle,
  objects,
  jobs,
  blockJobs,
  copies,
];
