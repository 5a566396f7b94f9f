/** Snapshots of devices and nodes: images on top of others, and snapshots inside images. */
import type { CommandGroup } from '../dispatch.js';
import { deleteInternal, internalSnapshot } from '../snapshots/internal-snapshot.js';
import { snapshotOverlay } from '../snapshots/snapshot-overlay.js';
import { snapshotSync } from '../snapshots/snapshot-sync.js';
import { runActions } from '../transaction/action.js';

export const snapshots: CommandGroup = {
  'blockdev-snapshot-sync': async (args, { server: { graph } }) => {
    await runActions(graph, [snapshotSync(graph, args)]);
  },

  'blockdev-snapshot': async (args, { server: { graph } }) => {
    await runActions(graph, [snapshotOverlay(graph, args)]);
  },

  'blockdev-snapshot-internal-sync': async (args, { server: { graph } }) => {
    await runActions(graph, [internalSnapshot(graph, args)]);
  },

  'blockdev-snapshot-delete-internal-sync': (args, { server: { graph } }) => deleteInternal(graph, args),
};
