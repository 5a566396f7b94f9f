/** Which places in the file are right for a cluster. */
import { settled } from '@blk/cluster-map';
import type { Edge } from '@blk/core-graph';
import { catalogEntries, ENTRY_BYTES, HEADER_BYTES, type ParallelsHeader } from './header.js';

/** Entries that are read together. */
const PIECE = 16384;

/** Clusters that the file has room for. */
export function hostClusters(file: Edge, { dataOffset, clusterSize }: ParallelsHeader): number {
  return Math.max(0, Math.ceil((file.size - dataOffset) / clusterSize));
}

/** Of a cluster that begins in the file and does not end there. */
export const CUT_SHORT = 'is cut short by the end of the image';

export const OVER_HEADER = 'lies over the header';

/** Of a cluster that lies in the file, and not where clusters begin. */
export const ACROSS = 'lies across others';

/** What is wrong with a place where `length` bytes should be. */
export function wrongPlace(file: Pick<Edge, 'size'>, { dataOffset, clusterSize }: ParallelsHeader, place: number, length: number): string | undefined {
  if (place < dataOffset) return OVER_HEADER;
  if (place >= file.size) return 'is outside image';
  if ((place - dataOffset) % clusterSize !== 0) return ACROSS;
  if (place + length > file.size) return CUT_SHORT;
  return undefined;
}

/** Calls `visit` with the place of every entry of the catalog from `from` on; 0 for none. */
export async function eachPlace(file: Edge, header: ParallelsHeader, visit: (place: number) => void, from = 0): Promise<void> {
  const entries = catalogEntries(header, file.size);
  for (let at = from; at < entries; at += PIECE) {
    const bytes = new Uint8Array(Math.min(PIECE, entries - at) * ENTRY_BYTES);
    const view = new DataView(bytes.buffer);
    await settled(file.read(HEADER_BYTES + at * ENTRY_BYTES, bytes, 0, bytes.length));
    for (let place = 0; place < bytes.length; place += ENTRY_BYTES) visit(view.getUint32(place, true) * header.unit);
  }
}
