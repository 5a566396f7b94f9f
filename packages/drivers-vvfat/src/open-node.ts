/** Opening a directory as a node, to be read or to be written. */
import type { DriverNode, OpenContext } from '@blk/core-graph';
import { vvfatError } from './errors.js';
import { fatName } from './filename.js';
import { VvfatNode } from './node.js';
import { openDisk, type DiskOptions } from './open.js';
import { Overlay } from './overlay.js';
import { WritableVvfatNode } from './writable-node.js';

export interface NodeOptions extends DiskOptions {
  readonly maxMetadataBytes: number;
  readonly rw: boolean;
}

/** Most clusters of a disk whose table is read at every flush: 16 MiB of it. */
const MAX_WRITABLE_CLUSTERS = 2 ** 22;

export async function openNode(dir: string, { rw, maxMetadataBytes, ...options }: NodeOptions, context: OpenContext): Promise<DriverNode> {
  const { signal, policy, host } = context;
  const warn = (message: string): void => {
    context.warn(message);
  };
  const memory = Math.min(maxMetadataBytes, policy.maxMetadataBytes);
  // A commit has the directory in memory twice: as it is, and as the guest left it.
  const budgetBytes = rw ? memory / 2 : memory;
  const opened = await openDisk(dir, { ...options, signal, warn, maxMetadataBytes: budgetBytes });
  const name = fatName(dir, { ...options, rw });
  if (!rw) return new VvfatNode(opened, name);
  try {
    const { clusters } = opened.disk.layout.shape;
    if (clusters > MAX_WRITABLE_CLUSTERS) throw vvfatError({ what: 'rw-large', clusters, most: MAX_WRITABLE_CLUSTERS });
    return new WritableVvfatNode({ opened, overlay: await Overlay.create(), host, budgetBytes, warn }, name);
  } catch (error) {
    opened.root.close();
    throw error;
  }
}
