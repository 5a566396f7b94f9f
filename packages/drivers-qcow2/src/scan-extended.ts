/** Runs of subclusters: bit by bit within an entry, then on through the entries behind it. */
import type { Corruption } from './corruption.js';
import { checkExtended } from './entry-checks.js';
import type { Geometry } from './format.js';
import { EntryKind, hostOf, kindOf, subclusterKind } from './l2-entry.js';
import type { ScannedRun } from './scan.js';
import type { Table } from './table-cache.js';

/** Subclusters of a cluster. */
const UNITS = 32;

/** As `scanRun`, for extended entries: `index`, `max` and the run's length are subclusters. */
export function scanSubclusters(table: Table, index: number, max: number, geometry: Geometry, corruption: Corruption, run: ScannedRun): void {
  const { view } = table;
  const { clusterSize, unitSize } = geometry;
  let cluster = Math.floor(index / UNITS);
  let unit = index % UNITS;
  let high = view.getUint32(cluster * 16);
  let low = view.getUint32(cluster * 16 + 4);
  checkExtended(table, cluster, high, low, geometry, corruption);
  let zeroes = view.getUint32(cluster * 16 + 8);
  let allocated = view.getUint32(cluster * 16 + 12);
  const kind = subclusterKind(high, low, zeroes, allocated, unit, geometry);
  const hosted = kindOf(high, low, geometry) === EntryKind.Data;
  run.kind = kind;
  run.hosted = hosted;
  run.copied = high >>> 31 === 1;
  run.host = hosted ? hostOf(high, low) + unit * unitSize : 0;
  if (kind === EntryKind.Compressed) {
    run.count = Math.min(max, UNITS - unit);
    return;
  }
  let host = hostOf(high, low);
  for (run.count = 0; ; ) {
    const same = ones(kind === EntryKind.Data ? allocated : kind === EntryKind.Unallocated ? ~(allocated | zeroes) : zeroes, unit);
    run.count += same;
    if (run.count >= max) {
      run.count = max;
      return;
    }
    if (unit + same < UNITS) return;
    cluster++;
    unit = 0;
    high = view.getUint32(cluster * 16);
    low = view.getUint32(cluster * 16 + 4);
    zeroes = view.getUint32(cluster * 16 + 8);
    allocated = view.getUint32(cluster * 16 + 12);
    // What is damaged ends the run, and is found by the next.
    if (subclusterKind(high, low, zeroes, allocated, 0, geometry) !== kind || (allocated & zeroes) !== 0) return;
    const nextHosted = kindOf(high, low, geometry) === EntryKind.Data;
    if (!hosted) {
      if (nextHosted || allocated !== 0) return;
      continue;
    }
    host += clusterSize;
    if (!nextHosted || hostOf(high, low) !== host || (high >>> 31 === 1) !== run.copied) return;
  }
}

/** Bits that are set one after the other from `from` on. */
function ones(bits: number, from: number): number {
  const rest = ~(bits >>> from);
  return rest === 0 ? UNITS : Math.min(31 - Math.clz32(rest & -rest), UNITS - from);
}
