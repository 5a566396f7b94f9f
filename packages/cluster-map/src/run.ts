/** Runs of clusters that lie one behind the other in the file, or that are all not in it. */
import { BlockError, type Completion } from '@blk/core-graph';
import type { MappedImage } from './mapped-image.js';
import { Place } from './place.js';
import type { TablePage } from './table-page.js';
import type { Tables } from './tables.js';

/** Where a range lies; filled anew for every run. */
export class Run {
  /** End in the disk, in bytes. */
  end = 0;
  /** Offset in the file of the run's first byte, or one of `Place`. */
  place: number = Place.Hole;
}

/**
 * Finds the run that begins at `offset` and ends at `end` or before. Where that needs a table that is not in memory, the promise of it, and
 * nothing is found yet.
 */
export function findRun({ format }: MappedImage, offset: number, end: number, into: Run): Completion {
  const { tables, clusterSize } = format;
  const first = Math.floor(offset / clusterSize);
  const entries = tables.at(first);
  if (entries === undefined) return tables.load(tables.pageOf(first));
  const place = entries === null ? Place.Hole : entries.get(first - entries.first);
  const next = (first + 1) * clusterSize;
  // Most requests lie in one cluster. A packed cluster is a run of its own.
  into.end = end <= next ? end : place === Place.Packed ? next : Math.min(end, endOfRun(tables, clusterSize, first, place, entries, end));
  into.place = place >= 0 ? place + (offset - first * clusterSize) : place;
}

function endOfRun(tables: Tables, clusterSize: number, first: number, place: number, at: TablePage | null, end: number): number {
  let entries = at;
  let stop = entries === null ? tables.endOf(tables.pageOf(first)) : entries.end;
  let cluster = entries === null ? stop : first + 1;
  const last = Math.ceil(end / clusterSize);
  while (cluster < last) {
    if (cluster === stop) {
      const next = tables.at(cluster);
      if (next === undefined) break;
      entries = next;
      stop = entries === null ? tables.endOf(tables.pageOf(cluster)) : entries.end;
    }
    if (entries === null) {
      if (place !== Place.Hole) break;
      cluster = stop;
      continue;
    }
    const found = entries.get(cluster - entries.first);
    if (found !== (place >= 0 ? place + (cluster - first) * clusterSize : place)) break;
    cluster++;
  }
  return cluster * clusterSize;
}

/** Throws where a run that is stored reaches beyond the end of the file: one that was cut short must not be taken for one full of zeroes. */
export function checkInside({ format }: MappedImage, place: number, offset: number, length: number): void {
  const { driver, file } = format;
  if (place + length <= file.size) return;
  const message = `Cluster at 0x${place.toString(16)} lies beyond the end of the file at ${file.size} (guest offset: 0x${offset.toString(16)})`;
  throw new BlockError('io', message, { driver, reason: `${driver}/data-beyond-end`, offset: place });
}
