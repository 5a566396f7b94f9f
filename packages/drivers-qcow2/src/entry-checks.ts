/** What can't be true of an entry of an L2 table, and the sentences for it. */
import { BlockError, MAX_SIZE } from '@blk/core-graph';
import { hex, type Corruption } from './corruption.js';
import type { Geometry } from './format.js';
import { EntryKind, hostOf, kindOf } from './l2-entry.js';
import type { Table } from './table-cache.js';

/** Throws where an extended entry or its bitmaps can't be true. */
export function checkExtended(table: Table, cluster: number, high: number, low: number, geometry: Geometry, corruption: Corruption): void {
  const kind = kindOf(high, low, geometry);
  const zeroes = table.view.getUint32(cluster * 16 + 8);
  const allocated = table.view.getUint32(cluster * 16 + 12);
  if (kind === EntryKind.Compressed) checkCompressed(table, cluster, geometry, corruption);
  const bare = kind === EntryKind.Unallocated && allocated !== 0;
  if ((zeroes & allocated) !== 0 || bare || (kind === EntryKind.Compressed && (zeroes | allocated) !== 0)) {
    throw corruption.found(`Invalid cluster entry found  ${placeOf(table, cluster)}`, table.offset, geometry.clusterSize);
  }
  if (kind === EntryKind.Data) checkHost(hostOf(high, low), table, cluster, geometry, corruption);
}

/** Throws where the host cluster of entry `index` can't be one; `written` names it where it is about to be written to in place. */
export function checkHost(host: number, table: Table, index: number, geometry: Geometry, corruption: Corruption, written?: string): void {
  const { clusterSize, l2Span } = geometry;
  if (host % clusterSize !== 0) {
    const guest = table.index * l2Span + index * clusterSize;
    const message =
      written === undefined
        ? `Cluster allocation offset ${hex(host)} unaligned ${placeOf(table, index)}`
        : `${written} offset ${hex(host)} unaligned (guest offset: ${hex(guest)})`;
    throw corruption.found(message, host, clusterSize);
  }
  if (host > MAX_SIZE - clusterSize) {
    throw corruption.found(`Cluster allocation offset ${hex(host)} beyond 2^53 bytes ${placeOf(table, index)}`);
  }
  if (geometry.external) checkExternal(host, table, index, geometry);
}

/**
 * Everybody writes external data where the guest has it. Nothing counts the clusters of the data file, so another order
 * could be read but not be written to: new clusters would hit old ones.
 */
function checkExternal(host: number, table: Table, index: number, { clusterSize, l2Span }: Geometry): void {
  const guest = table.index * l2Span + index * clusterSize;
  if (host === guest) return;
  const message = `Guest offset ${hex(guest)} lies at ${hex(host)} of the external data file; only equal offsets are supported`;
  throw new BlockError('unsupported', message, { driver: 'qcow2', reason: 'qcow2/external-order', offset: host });
}

/** Throws where compressed clusters have no place. */
export function checkCompressed(table: Table, index: number, geometry: Geometry, corruption: Corruption): void {
  if (!geometry.external) return;
  throw corruption.found(
    `Compressed cluster entry found in image with external data file ${placeOf(table, index)}`,
    table.offset,
    geometry.clusterSize,
  );
}

/** Where an entry lies, as messages tell it. */
function placeOf(table: Table, index: number): string {
  return `(L2 offset: ${hex(table.offset)}, L2 index: ${hex(index)})`;
}

/** Throws for zero clusters of version 2. */
export function checkZero(table: Table, index: number, geometry: Geometry, corruption: Corruption): void {
  if (geometry.version === 3) return;
  throw corruption.found(`Zero cluster entry found in pre-v3 image ${placeOf(table, index)}`, table.offset, geometry.clusterSize);
}
