/** New images: the header and an empty catalog. */
import { settled } from '@blk/cluster-map';
import type { Edge } from '@blk/core-graph';
import { wishError } from './errors.js';
import { MAX_CLUSTER_SECTORS, MAX_ENTRIES, newHeader, SECTOR } from './header.js';

export interface ParallelsCreateOptions {
  /** Bytes. */
  readonly cluster_size?: number;
}

export const DEFAULT_CLUSTER = 1024 * 1024;

/** Throws where the sizes do not fit. */
export function checkWish(options: ParallelsCreateOptions & { readonly size: number }): number {
  const clusterSize = Math.ceil((options.cluster_size ?? DEFAULT_CLUSTER) / SECTOR) * SECTOR;
  if (clusterSize > MAX_CLUSTER_SECTORS * SECTOR) throw wishError('Cluster size is too large');
  if (clusterSize === 0 || Math.ceil(options.size / clusterSize) > MAX_ENTRIES) throw wishError('Image size is too large for this cluster size');
  return clusterSize;
}

export async function createParallels(file: Edge, options: ParallelsCreateOptions & { readonly size: number }): Promise<void> {
  const { bytes, dataOffset } = newHeader(options.size, checkWish(options));
  await settled(file.write(0, bytes, 0, bytes.length));
  if (file.size < dataOffset) await file.node.truncate(dataOffset);
  else await settled(file.writeZeroes(bytes.length, dataOffset - bytes.length));
}
