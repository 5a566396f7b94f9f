/** `transaction`: which parts there are, and what each is made of. */
import type { BlockGraph } from '@blk/core-graph';
import { JobTransaction } from '@blk/jobs';
import type { TransactionAction as ActionArguments, TransactionProperties } from '@blk/qapi-types';
import type { CommandContext, CommandGroup } from '../dispatch.js';
import { genericError } from '../errors.js';
import { blockdevBackup, driveBackup } from '../jobs/backup-action.js';
import { findDeviceOrNode } from '../lookup.js';
import { internalSnapshot } from '../snapshots/internal-snapshot.js';
import { snapshotOverlay } from '../snapshots/snapshot-overlay.js';
import { snapshotSync } from '../snapshots/snapshot-sync.js';
import { runActions, type TransactionAction } from '../transaction/action.js';
import { graphStep } from '../transaction/graph-step.js';
import { bitmapActions } from './bitmaps.js';

export const transaction: CommandGroup = {
  transaction: async ({ actions, properties = {} }, context) => {
    const group = properties['completion-mode'] === 'grouped' ? new JobTransaction() : undefined;
    await runActions(
      context.server.graph,
      actions.map((action) => checked(action, properties, actionOf(action, context, group))),
    );
  },
};

/** `group`: the jobs that are made end together. */
function actionOf(action: ActionArguments, { server }: CommandContext, group: JobTransaction | undefined): TransactionAction {
  const { graph } = server;
  switch (action.type) {
    case 'abort':
      return { prepare: () => Promise.reject(genericError('Transaction aborted using Abort action')) };
    case 'blockdev-snapshot':
      return snapshotOverlay(graph, action.data);
    case 'blockdev-snapshot-sync':
      return snapshotSync(graph, action.data);
    case 'blockdev-snapshot-internal-sync':
      return internalSnapshot(graph, action.data);
    case 'block-dirty-bitmap-add':
      return onBitmap(graph, action.data.node, () => bitmapActions['block-dirty-bitmap-add'](graph, action.data));
    case 'block-dirty-bitmap-clear':
      return onBitmap(graph, action.data.node, () => bitmapActions['block-dirty-bitmap-clear'](graph, action.data));
    case 'block-dirty-bitmap-disable':
      return onBitmap(graph, action.data.node, () => bitmapActions['block-dirty-bitmap-disable'](graph, action.data));
    case 'block-dirty-bitmap-enable':
      return onBitmap(graph, action.data.node, () => bitmapActions['block-dirty-bitmap-enable'](graph, action.data));
    case 'block-dirty-bitmap-merge':
      return onBitmap(graph, action.data.node, () => bitmapActions['block-dirty-bitmap-merge'](graph, action.data));
    case 'block-dirty-bitmap-remove':
      return onBitmap(graph, action.data.node, () => bitmapActions['block-dirty-bitmap-remove'](graph, action.data));
    case 'blockdev-backup':
      return blockdevBackup(server, action.data, group);
    case 'drive-backup':
      return driveBackup(server, action.data, group);
  }
}

function onBitmap(graph: BlockGraph, node: string, make: Parameters<typeof graphStep>[1]): TransactionAction {
  return graphStep(() => findDeviceOrNode(graph, node), make);
}

/** Only jobs have an end that could be grouped; said when the part's turn comes. */
function checked({ type }: ActionArguments, { 'completion-mode': mode }: TransactionProperties, action: TransactionAction): TransactionAction {
  if (mode !== 'grouped' || type === 'blockdev-backup' || type === 'drive-backup') return action;
  const refusal = genericError(`Action '${type}' does not support Transaction property completion-mode = grouped`);
  return { ...action, prepare: () => Promise.reject(refusal) };
}
