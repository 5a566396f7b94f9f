/** Mirrors and backups. */
import type { BlockNode } from '@blk/core-graph';
import { startMirror, type MirrorOptions, type MirrorSync } from '@blk/jobs';
import type { MirrorSyncMode, QmpCommands } from '@blk/qapi-types';
import type { CommandGroup } from '../dispatch.js';
import { genericError } from '../errors.js';
import { blockdevBackup, driveBackup } from '../jobs/backup-action.js';
import { openTarget } from '../jobs/copy-target.js';
import { errorPolicy, jobOptions } from '../jobs/job-options.js';
import { findDeviceOrNode, findNamed } from '../lookup.js';
import type { BlkServer } from '../server.js';
import { runActions } from '../transaction/action.js';

type DriveMirror = QmpCommands['drive-mirror']['arguments'];
type BlockdevMirror = QmpCommands['blockdev-mirror']['arguments'];

export const copies: CommandGroup = {
  'drive-backup': async (args, { server }) => {
    await runActions(server.graph, [driveBackup(server, args)]);
  },

  'blockdev-backup': async (args, { server }) => {
    await runActions(server.graph, [blockdevBackup(server, args)]);
  },

  'drive-mirror': async (args, { server }) => {
    const { graph, jobs } = server;
    const source = findDeviceOrNode(graph, args.device);
    jobs.checkFree(source);
    const sync = syncOf(args.sync);
    if (args.replaces !== undefined && args['node-name'] === undefined) {
      throw genericError('a node-name must be provided when replacing a named node of the graph');
    }
    const options = mirrorOptions(server, args, source, sync);
    const { target, format, mode, 'node-name': nodeName } = args;
    const node = await openTarget(graph, { source, target, format, mode, sync, nodeName });
    try {
      await startMirror(jobs, { ...options, target: node, blank: mode !== 'existing', unmap: args.unmap });
    } finally {
      await graph.release(node);
    }
  },

  'blockdev-mirror': async (args, { server }) => {
    const source = findDeviceOrNode(server.graph, args.device);
    const target = findNamed(server.graph, args.target);
    await startMirror(server.jobs, { ...mirrorOptions(server, args, source, syncOf(args.sync)), target, filterName: args['filter-node-name'] });
  },
};

/** What both commands have in common. */
function mirrorOptions(
  server: BlkServer,
  args: DriveMirror | BlockdevMirror,
  source: BlockNode,
  sync: MirrorSync,
): Omit<MirrorOptions, 'target'> {
  const { graph } = server;
  return {
    ...jobOptions(graph, args),
    source,
    sync,
    granularity: args.granularity,
    bufferSize: bufferSizeOf(args['buf-size']),
    copyMode: args['copy-mode'],
    replaces: replacedNode(server, source, args.replaces),
    onSourceError: errorPolicy(graph, args.device, args['on-source-error'], 'on-source-error'),
    onTargetError: args['on-target-error'],
  };
}

function syncOf(mode: MirrorSyncMode): MirrorSync {
  if (mode === 'incremental' || mode === 'bitmap') throw genericError(`Sync mode '${mode}' not supported`);
  return mode;
}

function bufferSizeOf(size: number | bigint | undefined): number | undefined {
  if (size !== undefined && (size < 0 || size > Number.MAX_SAFE_INTEGER)) throw genericError("Invalid parameter 'buf-size'");
  return size === undefined ? undefined : Number(size);
}

function replacedNode({ graph }: BlkServer, source: BlockNode, name: string | undefined): BlockNode | undefined {
  if (name === undefined) return undefined;
  const node = graph.findNode(name);
  if (node === undefined) throw genericError(`Failed to find node with node-name='${name}'`);
  if (node.size !== source.size) throw genericError('cannot replace image with a mirror image of different size');
  return node;
}
