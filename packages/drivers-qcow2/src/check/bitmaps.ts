/** Counting the clusters of persistent bitmaps: their directory, their tables, their data. */
import { qcow2Error } from '../errors.js';
import { bitmapsOf } from '../extensions.js';
import { Autoclear } from '../features.js';
import { u64, viewOf } from '../format.js';
import { hostOf } from '../l2-entry.js';
import type { CheckRun } from './run.js';

const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;
const ENTRY_BYTES = 24;
/** Entries of a bitmap's table that are read in one go. */
const PIECE = 8192;

/** Bitmaps that a program without knowledge of them left out of date are not in use any more. */
export async function countBitmaps(run: CheckRun): Promise<void> {
  const extension = bitmapsOf(run.header.current.extensions);
  if (extension === undefined || (run.header.current.autoclear & Autoclear.Bitmaps) === 0n) return;
  const size = Number(extension.directorySize);
  const offset = Number(extension.directoryOffset);
  if (size > MAX_DIRECTORY_BYTES || offset % run.geometry.clusterSize !== 0 || offset > Number.MAX_SAFE_INTEGER) {
    throw broken('bitmaps_ext: invalid bitmap directory offset');
  }
  run.metadata(offset, size);
  const bytes = new Uint8Array(Math.max(0, Math.min(size, run.file.size - offset)));
  await run.read(offset, bytes);
  const directory = viewOf(bytes);
  for (let at = 0; at < bytes.length; ) {
    if (at + ENTRY_BYTES > bytes.length) throw broken('Broken bitmap directory');
    const length = ENTRY_BYTES + directory.getUint16(at + 18) + directory.getUint32(at + 20);
    if (at + length > bytes.length) throw broken('Broken bitmap directory');
    await countTable(run, u64(directory, at), directory.getUint32(at + 8));
    at += Math.ceil(length / 8) * 8;
  }
}

async function countTable(run: CheckRun, offset: number, entries: number): Promise<void> {
  run.metadata(offset, entries * 8);
  const present = Math.min(entries, Math.max(0, Math.ceil((run.file.size - offset) / 8)));
  const bytes = new Uint8Array(Math.min(present, PIECE) * 8);
  const view = viewOf(bytes);
  for (let first = 0; first < present; first += PIECE) {
    await run.read(offset + first * 8, bytes);
    for (let at = 0; at < Math.min(PIECE, present - first); at++) {
      const data = hostOf(view.getUint32(at * 8), view.getUint32(at * 8 + 4));
      if (data !== 0) run.region(data, run.geometry.clusterSize);
    }
    const pause = run.pause();
    if (pause !== undefined) await pause;
  }
}

function broken(what: string): Error {
  return qcow2Error({ what: 'extension', text: what });
}
