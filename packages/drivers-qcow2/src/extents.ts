/** Extents as long as they get: whole L2 tables are scanned, and neighbours that continue each other are one. */
import {
  compressedExtent, dataExtent, isPromise, unallocatedExtent, zeroExtent, type Extent, type MaybePromise,
} from '@blk/core-graph';
import { EntryKind } from './l2-entry.js';
import type { Qcow2Image } from './qcow2-image.js';
import { ScannedRun, scanRun } from './scan.js';

const scratch = new ScannedRun();

/** The extent at `offset`, at most `length` long. */
export function extentAt(image: Qcow2Image, offset: number, length: number): MaybePromise<Extent> {
  image.corruption.check();
  return grow({ image, offset, end: offset + length, at: offset, kind: -1, host: -1 });
}

/** An extent in the making: `[offset, at)` is of `kind`. */
interface Growing {
  readonly image: Qcow2Image;
  readonly offset: number;
  readonly end: number;
  at: number;
  kind: number;
  /** Host offset of `offset`, where the kind has one. */
  host: number;
}

function grow(extent: Growing): MaybePromise<Extent> {
  const { l2Span } = extent.image.geometry;
  while (extent.at < extent.end) {
    const l1Index = Math.floor(extent.at / l2Span);
    if (!extent.image.l2.exists(l1Index)) {
      if (!append(extent, EntryKind.Unallocated, -1, (l1Index + 1) * l2Span)) break;
      continue;
    }
    const table = extent.image.l2.load(l1Index);
    if (isPromise(table)) return table.then(() => grow(extent));
    if (!scanTable(extent, l1Index)) break;
  }
  return finish(extent);
}

/** Goes on to the end of one table; false where the extent ends in it. */
function scanTable(extent: Growing, l1Index: number): boolean {
  const { image, end } = extent;
  const { unitSize, l2Span } = image.geometry;
  const tableEnd = Math.min(end, (l1Index + 1) * l2Span);
  while (extent.at < tableEnd) {
    const table = image.l2.cache.peek(l1Index);
    if (table === undefined) return true;
    const unit = Math.floor(extent.at / unitSize);
    const max = Math.ceil(tableEnd / unitSize) - unit;
    scanRun(table, unit - l1Index * (l2Span / unitSize), max, image.geometry, image.corruption, scratch);
    const host = scratch.hosted ? scratch.host + (extent.at % unitSize) : -1;
    if (!append(extent, scratch.kind, host, (unit + scratch.count) * unitSize)) return false;
  }
  return true;
}

function append(extent: Growing, kind: number, host: number, to: number): boolean {
  if (extent.kind === -1) {
    extent.kind = kind;
    extent.host = host;
  } else if (extent.kind !== kind || !continues(extent, host)) {
    return false;
  }
  extent.at = Math.min(to, extent.end);
  return true;
}

/** Whether what lies at `host`, or nowhere (-1), is the next of what the extent has so far. */
function continues(extent: Growing, host: number): boolean {
  return extent.host < 0 ? host < 0 : extent.host + (extent.at - extent.offset) === host;
}

function finish({ image, kind, host: place, at, offset }: Growing): Extent {
  const length = at - offset;
  // What lies encrypted in the file is not what the guest sees, and a hole there is no zeroes.
  const host = image.encryption === undefined ? place : -1;
  switch (kind) {
    case EntryKind.Data:
      return dataExtent(length, host);
    case EntryKind.Compressed:
      return compressedExtent(length);
    case EntryKind.Unallocated:
      return unallocatedExtent(length, host);
    default:
      return zeroExtent(length, host);
  }
}
