/** `BlockStats`: the counters of devices and nodes. */
import type { Backend, BlockNode, DeviceStatistics } from '@blk/core-graph';
import type { BlockDeviceStats, BlockStats } from '@blk/qapi-types';
import { backendsOver } from './block-info.js';

/** Counters of a device, of the nodes below it, and of its backing images. */
export function deviceStats(backend: Backend): BlockStats {
  const node = backend.edge?.node;
  const below = node === undefined ? undefined : nodeStats(node, true);
  return {
    device: backend.name,
    ...below,
    stats: counters([backend.statistics], node?.highestWrite ?? 0),
  };
}

/** Counters of a node: those of its users together, and its own highest write. */
export function nodeStats(node: BlockNode, withBacking: boolean): BlockStats {
  const storage = node.storage?.node;
  const backing = withBacking ? node.backing?.node : undefined;
  return {
    'node-name': node.name,
    stats: counters(backendsOver(node).map((backend) => backend.statistics), node.highestWrite),
    ...(storage === undefined ? {} : { parent: nodeStats(storage, withBacking) }),
    ...(backing === undefined ? {} : { backing: nodeStats(backing, withBacking) }),
  };
}

function counters(users: readonly DeviceStatistics[], highestWrite: number): BlockDeviceStats {
  const sum = (counter: (statistics: DeviceStatistics) => number): number =>
    Math.round(users.reduce((total, statistics) => total + counter(statistics), 0));
  return {
    rd_bytes: sum((s) => s.readBytes),
    wr_bytes: sum((s) => s.writeBytes),
    rd_operations: sum((s) => s.readOperations),
    wr_operations: sum((s) => s.writeOperations),
    flush_operations: sum((s) => s.flushOperations),
    flush_total_time_ns: sum((s) => s.flushTime),
    wr_total_time_ns: sum((s) => s.writeTime),
    rd_total_time_ns: sum((s) => s.readTime),
    wr_highest_offset: highestWrite,
    rd_merged: sum((s) => s.readMerged),
    wr_merged: sum((s) => s.writeMerged),
  };
}
