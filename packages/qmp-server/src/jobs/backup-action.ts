/** Backups as parts of a transaction; the commands are transactions of one part. */
import { startBackup, type Job, type JobTransaction } from '@blk/jobs';
import type { BlockdevBackup, DriveBackup } from '@blk/qapi-types';
import type { BlockNode } from '@blk/core-graph';
import { findDeviceOrNode, findNamed } from '../lookup.js';
import type { BlkServer } from '../server.js';
import type { TransactionAction } from '../transaction/action.js';
import { openTarget } from './copy-target.js';
import { errorPolicy, jobOptions } from './job-options.js';

/** `group`: ends with the other jobs of it. */
export function driveBackup(server: BlkServer, args: DriveBackup, group?: JobTransaction): TransactionAction {
  const { graph } = server;
  return backup(server, args, group, async (source) => {
    const { target, format, mode, sync } = args;
    const node = await openTarget(graph, { source, target, format, mode, sync });
    return { node, release: () => graph.release(node) };
  });
}

export function blockdevBackup(server: BlkServer, args: BlockdevBackup, group?: JobTransaction): TransactionAction {
  return backup(server, args, group, async () => ({ node: findNamed(server.graph, args.target), release: undefined }));
}

interface OpenTarget {
  readonly node: BlockNode;
  /** Set where it was opened for the job, which then holds it. */
  readonly release: (() => Promise<void>) | undefined;
}

function backup(
  server: BlkServer,
  args: DriveBackup | BlockdevBackup,
  group: JobTransaction | undefined,
  open: (source: BlockNode) => Promise<OpenTarget>,
): TransactionAction {
  const { graph, jobs } = server;
  let source: BlockNode | undefined;
  let target: OpenTarget | undefined;
  let job: Job | undefined;
  return {
    async prepare() {
      source = findDeviceOrNode(graph, args.device);
      jobs.checkFree(source);
      // What is wrong with the rest must not leave a new file behind.
      jobOptions(graph, args);
      target = await open(source);
    },
    quiet: () => (source === undefined ? [] : [source]),
    async apply() {
      job = await startBackup(jobs, {
        ...jobOptions(graph, args),
        source: source as BlockNode,
        target: (target as OpenTarget).node,
        // 2.4 knows targets as devices, which may write to them.
        targetInDevice: [...graph.backends.values()].some(({ edge }) => edge?.node === target?.node),
        sync: args.sync,
        bitmap: args.bitmap,
        bitmapMode: args['bitmap-mode'],
        compress: args.compress,
        filterName: args['filter-node-name'],
        onSourceError: errorPolicy(graph, args.device, args['on-source-error'], 'on-source-error'),
        onTargetError: args['on-target-error'],
        transaction: group,
        deferred: true,
      });
    },
    async commit() {
      job?.start();
    },
    async abort() {
      await job?.discard();
    },
    async clean() {
      await target?.release?.();
    },
  };
}
