/** One entry of an L2 table that is to read as zeroes, to be given back, or to be forgotten. */
import { argumentError } from './errors.js';
import { COPIED, EntryKind, kindOf, ZERO } from './l2-entry.js';
import { ALL_UNITS, setEntry } from './link.js';
import type { Qcow2Image } from './qcow2-image.js';
import type { FreeCause } from './reclaim.js';
import type { Table } from './table-cache.js';

/** What is to become of a cluster, or of some of its subclusters. */
export type Wish =
  /** Reads as zeroes; its host cluster stays, if it is the image's own. */
  | 'zero'
  /** Reads as zeroes; its host cluster is given back. */
  | 'unmap'
  /** As `unmap`, but a wish only: where zeroes can't be promised without writing, the data stays. */
  | 'discard'
  /** Forgotten, as if it had never been written; for what lies beyond the end of the disk. */
  | 'forget';

/**
 * Does what is wished with the entry of the cluster at guest offset `offset`, of extended entries with the subclusters in
 * `mask`. False where zeroes have to be written instead: a compressed cluster can't be divided.
 */
export function changeEntry(
  image: Qcow2Image,
  table: Table,
  index: number,
  offset: number,
  mask: number,
  wish: Wish,
  cause: FreeCause,
): boolean {
  const { geometry } = image;
  const at = index * geometry.entryBytes;
  const high = table.view.getUint32(at);
  const low = table.view.getUint32(at + 4);
  if (wish === 'forget') {
    const bitmaps = geometry.extended && (table.view.getUint32(at + 8) !== 0 || table.view.getUint32(at + 12) !== 0);
    if (high !== 0 || low !== 0 || bitmaps) setEntry(image, table, index, 0, 0, cause);
    return true;
  }
  if (geometry.extended) return changeSubclusters(image, table, index, high, low, offset, mask, wish, cause);
  changeCluster(image, table, index, high, low, offset, wish, cause);
  return true;
}

function changeCluster(
  image: Qcow2Image,
  table: Table,
  index: number,
  high: number,
  low: number,
  offset: number,
  wish: Wish,
  cause: FreeCause,
): void {
  const kind = kindOf(high, low, image.geometry);
  if (kind === EntryKind.Zero || (kind === EntryKind.ZeroAllocated && wish === 'zero')) return;
  const zeroBelow = image.readsZero(offset);
  if (image.geometry.version === 2) {
    if (kind === EntryKind.Unallocated && zeroBelow) return;
    // Without a mark for zeroes, a cluster can only be left to a backing file that has nothing there.
    if (zeroBelow && wish !== 'zero') setEntry(image, table, index, 0, 0, cause);
    else if (wish !== 'discard') throw argumentError('qcow2 images of version 2 have no zero clusters', 'unsupported');
    return;
  }
  if (kind === EntryKind.Unallocated && wish === 'discard' && zeroBelow) return;
  const keeps = wish === 'zero' && kind === EntryKind.Data && (high & COPIED) !== 0;
  if (keeps) setEntry(image, table, index, high, low | ZERO, cause);
  else setEntry(image, table, index, 0, ZERO, cause);
}

function changeSubclusters(
  image: Qcow2Image,
  table: Table,
  index: number,
  high: number,
  low: number,
  offset: number,
  mask: number,
  wish: Wish,
  cause: FreeCause,
): boolean {
  const kind = kindOf(high, low, image.geometry);
  if (kind === EntryKind.Compressed) {
    if (mask === ALL_UNITS) setEntry(image, table, index, 0, 0, cause, ALL_UNITS);
    // A discard is a wish only.
    return mask === ALL_UNITS || wish === 'discard';
  }
  const zeroes = table.view.getUint32(index * 16 + 8);
  const allocated = table.view.getUint32(index * 16 + 12);
  // Where nothing lies below, what has no host cluster reads as zeroes without a mark.
  const unmarked = wish === 'discard' && kind === EntryKind.Unallocated && image.readsZero(offset);
  const marked = unmarked ? 0 : mask;
  const newZeroes = (zeroes | marked) >>> 0;
  const newAllocated = (allocated & ~mask) >>> 0;
  const owned = (high & COPIED) !== 0;
  const gives = kind === EntryKind.Data && newAllocated === 0 && (owned ? wish !== 'zero' && mayGive(newZeroes, allocated) : true);
  if (!gives && newZeroes === zeroes && newAllocated === allocated) return true;
  setEntry(image, table, index, gives ? 0 : high, gives ? 0 : low, cause, newZeroes, newAllocated);
  return true;
}

/** A host cluster that was taken ahead of time stays until all of its cluster is zero. */
function mayGive(newZeroes: number, allocated: number): boolean {
  return newZeroes === ALL_UNITS || allocated !== 0;
}
