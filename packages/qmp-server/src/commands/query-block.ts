/** Devices and nodes, described and counted. */
import type { BlockDeviceInfo, BlockInfo } from '@blk/qapi-types';
import type { CommandGroup } from '../dispatch.js';
import { blockInfo, deviceInfo } from '../info/block-info.js';
import { deviceStats, nodeStats } from '../info/block-stats.js';

export const queryBlock: CommandGroup = {
  'query-block': async (_args, { server }) => {
    const devices: BlockInfo[] = [];
    for (const backend of [...server.graph.backends.values()]) devices.push(await blockInfo(backend, server.media.trayOpen(backend)));
    return devices;
  },

  // The newest first, as QEMU lists them.
  'query-named-block-nodes': async ({ flat = false }, { server }) => {
    const nodes: BlockDeviceInfo[] = [];
    for (const node of [...server.graph.nodes].reverse()) nodes.push(await deviceInfo(node, { flat }));
    return nodes;
  },

  'query-blockstats': ({ 'query-nodes': queryNodes = false }, { server }) =>
    queryNodes
      ? [...server.graph.nodes].map((node) => nodeStats(node, false))
      : [...server.graph.backends.values()].map((backend) => deviceStats(backend)),
};
