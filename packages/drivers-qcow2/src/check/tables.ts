/** Counting what L1 and L2 tables refer to, entry by entry, and judging the entries. */
import { isPromise, type MaybePromise } from '@blk/core-graph';
import { Incompatible } from '../feature-bits.js';
import { viewOf } from '../format.js';
import { compressedRange, EntryKind, hostOf, kindOf, COPIED, ZERO } from '../l2-entry.js';
import { hex, hexWord, type CheckRun } from './run.js';

const L1_RESERVED_HIGH = 0x7f00_0000;
const L1_RESERVED_LOW = 0x1ff;
const L2_RESERVED_HIGH = 0x3f00_0000;
const L2_RESERVED_LOW = 0x1fe;
/** L1 entries that are looked at in one go. */
const L1_PIECE = 8192;

/** Visits every L2 table of an L1 table: `visit` gets the two halves of the entry, never both zero, and its index. */
export async function eachL1Entry(
  run: CheckRun,
  offset: number,
  entries: number,
  visit: (high: number, low: number, index: number) => void | Promise<void>,
): Promise<void> {
  // What lies behind the end of the file is zero.
  const present = Math.min(entries, Math.max(0, Math.ceil((run.file.size - offset) / 8)));
  const bytes = new Uint8Array(Math.min(present, L1_PIECE) * 8);
  const view = viewOf(bytes);
  for (let first = 0; first < present; first += L1_PIECE) {
    await run.read(offset + first * 8, bytes);
    const count = Math.min(L1_PIECE, present - first);
    for (let at = 0; at < count; at++) {
      const high = view.getUint32(at * 8);
      const low = view.getUint32(at * 8 + 4);
      if ((high | low) === 0) continue;
      const done = visit(high, low, first + at);
      if (done !== undefined) await done;
      const pause = run.pause();
      if (pause !== undefined) await pause;
    }
  }
}

/** Counts an L1 table and all below it. `active`: it is the disk's own, whose clusters are told in the statistics. */
export async function countL1(run: CheckRun, offset: number, entries: number, active: boolean): Promise<void> {
  const { clusterSize } = run.geometry;
  run.metadata(offset, entries * 8);
  const table = new Uint8Array(clusterSize);
  await eachL1Entry(run, offset, entries, async (high, low, index) => {
    if (active) run.reached((index + 1) * run.geometry.l2Span, 0);
    if ((high & L1_RESERVED_HIGH) !== 0 || (low & L1_RESERVED_LOW) !== 0) {
      run.corrupt(`found L1 entry with reserved bits set: ${hexWord(high, low)}`);
    }
    const l2Offset = hostOf(high, low);
    run.region(l2Offset, clusterSize);
    if (l2Offset % clusterSize !== 0) run.corrupt(`l2_offset=${hex(l2Offset)}: Table is not cluster aligned; L1 entry corrupted`);
    if (l2Offset >= run.file.size) return;
    await run.read(l2Offset, table);
    const changed = countL2(run, table, active);
    if (changed) await run.writeL2(l2Offset, 0, table);
  });
}

/** Counts one L2 table; true where an entry was repaired, for the caller to write. */
function countL2(run: CheckRun, bytes: Uint8Array, active: boolean): boolean {
  const { result, geometry } = run;
  const { clusterSize, entryBytes, extended } = geometry;
  const view = viewOf(bytes);
  const elsewhere = run.header.has(Incompatible.DataFile);
  let next = 0;
  let changed = false;
  for (let at = 0; at < bytes.length; at += entryBytes) {
    const high = view.getUint32(at);
    const low = view.getUint32(at + 4);
    if (extended && !checkBitmaps(run, high, low, view.getUint32(at + 8), view.getUint32(at + 12))) continue;
    if ((high | low) === 0) continue;
    const kind = kindOf(high, low, geometry);
    // Of an extended entry, the bitmaps tell whether there is data in the host cluster.
    const hasData = kind === EntryKind.Data && !(extended && view.getUint32(at + 12) === 0);
    if (kind === EntryKind.Compressed) {
      // Nothing can be compressed in a file that is the disk's content as it is.
      if (elsewhere) run.corrupt(`compressed cluster ${at / entryBytes} with data file, entry=0x${hexWord(high, low)}`);
      else countCompressed(run, high, low, active);
      continue;
    }
    if ((high & L2_RESERVED_HIGH) !== 0 || (low & L2_RESERVED_LOW) !== 0) {
      run.corrupt(`found l2 entry with reserved bits set: ${hexWord(high, low)}`);
    }
    if (kind !== EntryKind.Data && kind !== EntryKind.ZeroAllocated) continue;
    const host = hostOf(high, low);
    if (active) {
      result.allocatedClusters++;
      if (next !== 0 && host !== next) result.fragmentedClusters++;
      next = host + clusterSize;
    }
    if (host % clusterSize !== 0) {
      const text = `offset=${hex(host)}: ${hasData ? 'Data' : 'Preallocated'} cluster is not properly aligned; L2 entry corrupted.`;
      if (run.fixErrors && !hasData) {
        // It reads as before; only the cluster kept for it is given up.
        run.repaired(text);
        view.setUint32(at, 0);
        view.setUint32(at + 4, extended ? 0 : ZERO);
        changed = true;
        continue;
      }
      run.corrupt(text);
    }
    if (!elsewhere) run.region(host, clusterSize);
  }
  return changed;
}

/** Judges the bitmaps of an extended entry; false where what the entry refers to is not to be counted. */
function checkBitmaps(run: CheckRun, high: number, low: number, zeroes: number, allocated: number): boolean {
  const kind = kindOf(high, low, run.geometry);
  if (kind === EntryKind.Compressed) {
    if ((zeroes | allocated) === 0) return true;
    const cluster = Math.floor(compressedRange(high, low, run.geometry).length / 512);
    run.corrupt(`compressed cluster ${cluster} with non-zero subcluster allocation bitmap, entry=0x${hexWord(high, low)}`);
    return false;
  }
  if (kind === EntryKind.Unallocated) {
    if (allocated === 0) return true;
    run.say('ERROR: Unallocated cluster has non-zero subcluster allocation map');
    run.result.corruptions++;
    return true;
  }
  if ((zeroes & allocated) !== 0) run.corrupt(`offset=${hex(hostOf(high, low))}: Allocated cluster has corrupted subcluster allocation bitmap`);
  return true;
}

function countCompressed(run: CheckRun, high: number, low: number, active: boolean): void {
  const { result } = run;
  const { offset, length } = compressedRange(high, low, run.geometry);
  const offsetHigh = high & (2 ** (run.geometry.compressedOffsetBits - 32) - 1);
  if ((high & COPIED) !== 0) {
    run.say(`ERROR: coffset=0x${hexWord(offsetHigh, low)}: copied flag must never be set for compressed clusters`);
    result.corruptions++;
  }
  run.region(offset, length, hexWord(offsetHigh, low));
  if (!active) return;
  result.allocatedClusters++;
  result.compressedClusters++;
  // They never continue each other on sectors.
  result.fragmentedClusters++;
}

/** The count on disk of a cluster; undefined where it can't be read. */
export type Lookup = (cluster: number) => MaybePromise<number | undefined>;

/** Looks at the marks "this is the only reference" of the disk's own tables, and puts them right where `repair` says so. */
export async function checkMarks(run: CheckRun, refcount: Lookup, repair: boolean): Promise<void> {
  const { clusterSize, entryBytes } = run.geometry;
  const { l1Offset, l1Size } = run.header.current;
  const table = new Uint8Array(clusterSize);
  const view = viewOf(table);
  const elsewhere = run.header.has(Incompatible.DataFile);
  const wrong = async (high: number, host: number): Promise<number | undefined> => {
    const found = refcount(Math.floor(host / clusterSize));
    const count = isPromise(found) ? await found : found;
    return count === undefined || (count === 1) === high >= COPIED ? undefined : count;
  };
  const tell = (text: string): void => {
    if (repair) run.repaired(text);
    else run.corrupt(text);
  };
  await eachL1Entry(run, l1Offset, l1Size, async (high, low, index) => {
    const l2Offset = hostOf(high, low);
    if (l2Offset === 0) return;
    const count = await wrong(high, l2Offset);
    if (count !== undefined) {
      tell(`OFLAG_COPIED L2 cluster: l1_index=${index} l1_entry=${hexWord(high, low)} refcount=${count}`);
      if (repair) await flipMark(run, l1Offset + index * 8);
    }
    if (l2Offset >= run.file.size) return;
    await run.read(l2Offset, table);
    let from = Infinity;
    let to = 0;
    for (let at = 0; at < clusterSize; at += entryBytes) {
      const entryHigh = view.getUint32(at);
      const entryLow = view.getUint32(at + 4);
      if ((entryHigh | entryLow) === 0) continue;
      const kind = kindOf(entryHigh, entryLow, run.geometry);
      if (kind !== EntryKind.Data && kind !== EntryKind.ZeroAllocated) continue;
      // A cluster of the data file has no count, and one reference by its nature.
      const found = elsewhere ? 1 : refcount(Math.floor(hostOf(entryHigh, entryLow) / clusterSize));
      const references = isPromise(found) ? await found : found;
      if (references === undefined || (references === 1) === entryHigh >= COPIED) continue;
      tell(`OFLAG_COPIED data cluster: l2_entry=${hexWord(entryHigh, entryLow)} refcount=${references}`);
      if (!repair) continue;
      view.setUint32(at, (entryHigh ^ COPIED) >>> 0);
      from = Math.min(from, at - (at % 512));
      to = Math.ceil((at + 8) / 512) * 512;
    }
    if (to > from) await run.writeL2(l2Offset, from, table.subarray(from, to));
  });
}

async function flipMark(run: CheckRun, offset: number): Promise<void> {
  const byte = new Uint8Array(8);
  await run.read(offset, byte);
  byte[0] ^= 0x80;
  await run.write(offset, byte);
}
