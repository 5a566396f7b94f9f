/** Which places in the file are right for a cluster. */
import type { Edge } from '@blk/core-graph';
import type { ParallelsHeader } from './header.js';

/** Clusters that the file has room for. */
export function hostClusters(file: Edge, { dataOffset, clusterSize }: ParallelsHeader): number {
  return Math.max(0, Math.ceil((file.size - dataOffset) / clusterSize));
}

/** Of a cluster that begins in the file and does not end there. */
export const CUT_SHORT = 'is cut short by the end of the image';

/** What is wrong with a place where `length` bytes should be. */
export function wrongPlace(file: Edge, { dataOffset, clusterSize }: ParallelsHeader, place: number, length: number): string | undefined {
  if (place < dataOffset) return 'lies over the header';
  if ((place - dataOffset) % clusterSize !== 0) return 'lies across others';
  if (place >= file.size) return 'is outside image';
  if (place + length > file.size) return CUT_SHORT;
  return undefined;
}
