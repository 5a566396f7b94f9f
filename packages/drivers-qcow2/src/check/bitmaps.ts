/** Counting the clusters of persistent bitmaps: their directory, their tables, their data. */
import { readBitmapDirectory, type BitmapEntry } from '../bitmap-directory.js';
import { qcow2Error } from '../errors.js';
import { bitmapsOf } from '../extensions.js';
import { viewOf } from '../format.js';
import { hostOf } from '../l2-entry.js';
import type { CheckRun } from './run.js';

const RESERVED_HIGH = 0xff00_0000;
const RESERVED_LOW = 0x1fe;
const ALL_ONES = 1;
/** Entries of a bitmap's table that are read in one go. */
const PIECE = 8192;

/** Bitmaps that a program without knowledge of them left out of date are not in use any more. */
export async function countBitmaps(run: CheckRun): Promise<void> {
  const { current } = run.header;
  const extension = bitmapsOf(current.extensions);
  const entries = await readBitmapDirectory(run.file, current);
  if (extension === undefined || entries.length === 0) return;
  run.metadata(Number(extension.directoryOffset), Number(extension.directorySize));
  for (const entry of entries) await countTable(run, entry);
}

async function countTable(run: CheckRun, { name, tableOffset, tableEntries }: BitmapEntry): Promise<void> {
  run.metadata(tableOffset, tableEntries * 8);
  // What lies behind the end of the file is zero.
  const present = Math.min(tableEntries, Math.max(0, Math.ceil((run.file.size - tableOffset) / 8)));
  const bytes = new Uint8Array(Math.min(present, PIECE) * 8);
  const view = viewOf(bytes);
  for (let first = 0; first < present; first += PIECE) {
    await run.read(tableOffset + first * 8, bytes);
    for (let at = 0; at < Math.min(PIECE, present - first); at++) {
      const high = view.getUint32(at * 8);
      const low = view.getUint32(at * 8 + 4);
      const data = hostOf(high, low);
      const reserved = (high & RESERVED_HIGH) !== 0 || (low & RESERVED_LOW) !== 0 || ((low & ALL_ONES) !== 0 && data !== 0);
      if (reserved || data % run.geometry.clusterSize !== 0) {
        throw qcow2Error({ what: 'extension', text: `Could not read bitmap_table table from image for bitmap '${name}': Invalid argument` });
      }
      if (data !== 0) run.region(data, run.geometry.clusterSize);
    }
    const pause = run.pause();
    if (pause !== undefined) await pause;
  }
}
