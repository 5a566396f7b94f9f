/** Runs of units (clusters, or subclusters of extended entries) that are stored the same way, one behind the other. */
import type { Corruption } from './corruption.js';
import { checkCompressed, checkHost, checkZero } from './entry-checks.js';
import type { Geometry } from './format.js';
import { EntryKind, hostOf, kindOf } from './l2-entry.js';
import { scanSubclusters } from './scan-extended.js';
import type { Table } from './table-cache.js';

/** Filled by `scanRun`; read before the next scan. */
export class ScannedRun {
  /** An `EntryKind`. */
  kind = 0;
  /** Units. */
  count = 0;
  /** There is a host cluster: for `Data`, `ZeroAllocated`, and subclusters that nothing was written to in a cluster that has one. */
  hosted = false;
  /** Host offset of the first unit, where there is one. */
  host = 0;
  /** The host clusters have one reference each. */
  copied = false;

  constructor(
    /** What is found is about to be written to, which messages say in another way. */
    readonly forWriting = false,
  ) {}
}

const HOST_NAMES: Readonly<Record<number, string>> = {
  [EntryKind.Data]: 'Data cluster',
  [EntryKind.ZeroAllocated]: 'Preallocated zero cluster',
};

/**
 * The run from unit `index` of a table, at most `max` units: of one kind, and for those with host clusters also contiguous
 * and equal in `copied`. Compressed clusters come one at a time. Throws where an entry is damaged.
 */
export function scanRun(table: Table, index: number, max: number, geometry: Geometry, corruption: Corruption, run: ScannedRun): void {
  if (geometry.extended) {
    scanSubclusters(table, index, max, geometry, corruption, run);
    return;
  }
  const { view } = table;
  const high = view.getUint32(index * 8);
  const low = view.getUint32(index * 8 + 4);
  const kind = kindOf(high, low, geometry);
  run.kind = kind;
  run.count = 1;
  run.host = 0;
  run.copied = high >>> 31 === 1;
  run.hosted = kind === EntryKind.Data || kind === EntryKind.ZeroAllocated;
  if (kind === EntryKind.Compressed) {
    checkCompressed(table, index, geometry, corruption);
    return;
  }
  if (kind === EntryKind.Zero || kind === EntryKind.ZeroAllocated) checkZero(table, index, geometry, corruption);
  const { hosted } = run;
  if (hosted) {
    run.host = hostOf(high, low);
    checkHost(run.host, table, index, geometry, corruption, run.forWriting && run.copied ? HOST_NAMES[kind] : undefined);
  }
  const { clusterSize } = geometry;
  let next = run.host;
  for (let at = index + 1; run.count < max; at++, run.count++) {
    const nextHigh = view.getUint32(at * 8);
    const nextLow = view.getUint32(at * 8 + 4);
    if (kindOf(nextHigh, nextLow, geometry) !== kind) return;
    if (!hosted) continue;
    next += clusterSize;
    if (hostOf(nextHigh, nextLow) !== next || (nextHigh >>> 31 === 1) !== run.copied) return;
  }
}
