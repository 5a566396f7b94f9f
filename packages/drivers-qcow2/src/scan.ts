/** Runs of clusters that are stored the same way, one behind the other. */
import { MAX_SIZE } from '@blk/core-graph';
import { hex, type Corruption } from './corruption.js';
import type { Geometry } from './format.js';
import { EntryKind, hostOf, kindOf } from './l2-entry.js';
import type { Table } from './table-cache.js';

/** Filled by `scanRun`; read before the next scan. */
export class ScannedRun {
  /** An `EntryKind`. */
  kind = 0;
  /** Clusters. */
  count = 0;
  /** Host offset of the first cluster, for `Data` and `ZeroAllocated`. */
  host = 0;
  /** The clusters have one reference each; for `Data` and `ZeroAllocated`. */
  copied = false;

  constructor(
    /** What is found is about to be written to, which messages say in another way. */
    readonly forWriting = false,
  ) {}
}

/**
 * The run from entry `index`, at most `max` clusters: of one kind, and for those with host clusters also contiguous and
 * equal in `copied`. Compressed clusters come one at a time. Throws where an entry is damaged.
 */
export function scanRun(table: Table, index: number, max: number, geometry: Geometry, corruption: Corruption, run: ScannedRun): void {
  const { view } = table;
  const high = view.getUint32(index * 8);
  const low = view.getUint32(index * 8 + 4);
  const kind = kindOf(high, low);
  run.kind = kind;
  run.count = 1;
  run.host = 0;
  run.copied = high >>> 31 === 1;
  if (kind === EntryKind.Compressed) return;
  if (kind === EntryKind.Zero || kind === EntryKind.ZeroAllocated) checkZero(table, index, geometry, corruption);
  const hosted = kind === EntryKind.Data || kind === EntryKind.ZeroAllocated;
  if (hosted) {
    run.host = hostOf(high, low);
    checkHost(run, table, index, geometry, corruption);
  }
  const { clusterSize } = geometry;
  let next = run.host;
  for (let at = index + 1; run.count < max; at++, run.count++) {
    const nextHigh = view.getUint32(at * 8);
    const nextLow = view.getUint32(at * 8 + 4);
    if (kindOf(nextHigh, nextLow) !== kind) return;
    if (!hosted) continue;
    next += clusterSize;
    if (hostOf(nextHigh, nextLow) !== next || (nextHigh >>> 31 === 1) !== run.copied) return;
  }
}

function checkHost({ host, kind, copied, forWriting }: ScannedRun, table: Table, index: number, geometry: Geometry, corruption: Corruption): void {
  const { clusterSize, l2Span } = geometry;
  const place = `(L2 offset: ${hex(table.offset)}, L2 index: ${hex(index)})`;
  if (host % clusterSize !== 0) {
    const what = kind === EntryKind.Data ? 'Data cluster' : 'Preallocated zero cluster';
    const guest = table.index * l2Span + index * clusterSize;
    throw corruption.found(
      forWriting && copied
        ? `${what} offset ${hex(host)} unaligned (guest offset: ${hex(guest)})`
        : `Cluster allocation offset ${hex(host)} unaligned ${place}`,
      host,
      clusterSize,
    );
  }
  if (host > MAX_SIZE - clusterSize) throw corruption.found(`Cluster allocation offset ${hex(host)} beyond 2^53 bytes ${place}`);
}

function checkZero(table: Table, index: number, geometry: Geometry, corruption: Corruption): void {
  if (geometry.version === 3) return;
  throw corruption.found(
    `Zero cluster entry found in pre-v3 image (L2 offset: ${hex(table.offset)}, L2 index: ${hex(index)})`,
    table.offset,
    geometry.clusterSize,
  );
}
