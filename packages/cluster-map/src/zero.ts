/** Zeroes and discards: in the places that clusters have, or by an entry that says zero. */
import { BlockError, WriteFlag, type Completion } from '@blk/core-graph';
import type { MappedImage } from './mapped-image.js';
import { Pending, settled } from './pending.js';
import { Place } from './place.js';
import { checkInside, findRun, Run } from './run.js';

const scratch = new Run();

/** Makes the range read as zeroes. Throws kind `unsupported`, with nothing changed, where only writing zeroes would do. */
export async function zeroRange(image: MappedImage, offset: number, length: number, flags: number): Promise<void> {
  const { format } = image;
  const runs: { readonly place: number; readonly from: number; readonly size: number }[] = [];
  const end = offset + length;
  for (let at = offset; at < end; ) {
    const waiting = findRun(image, at, end, scratch);
    if (waiting !== undefined) {
      await waiting;
      continue;
    }
    const { place } = scratch;
    if (!canZero(image, place, at, scratch.end)) throw new BlockError('unsupported', 'Zeroes have to be written', { driver: format.driver });
    if (place >= 0) checkInside(image, place, at, scratch.end - at);
    runs.push({ place, from: at, size: scratch.end - at });
    at = scratch.end;
  }
  const pending = new Pending();
  for (const { place, from, size } of runs) {
    if (place >= 0) pending.add(() => format.file.writeZeroes(place, size, flags & ~WriteFlag.Fua));
    else if (place === Place.Hole && image.backing !== undefined) pending.add(() => setZero(image, from, size));
  }
  return settled(pending.end());
}

/** The clusters keep their places; the file may give back what they take on the host. */
export function discardRange(image: MappedImage, offset: number, length: number): Completion {
  const { file, cipher } = image.format;
  // Zeroes in the file would be noise on the disk.
  if (cipher !== undefined) return;
  const pending = new Pending();
  const end = offset + length;
  for (let at = offset; at < end && !pending.failed; ) {
    const from = at;
    pending.add(() => {
      const waiting = findRun(image, from, end, scratch);
      at = waiting === undefined ? scratch.end : end;
      if (waiting !== undefined) return waiting.then(() => discardRange(image, from, end - from));
      const { place } = scratch;
      if (place < 0) return;
      checkInside(image, place, from, at - from);
      return file.discard(place, at - from);
    });
  }
  return pending.end();
}

function canZero({ format, backing }: MappedImage, place: number, from: number, end: number): boolean {
  const { clusterSize, cipher, zeroEntries } = format;
  if (place >= 0) return cipher === undefined;
  if (place === Place.Zero || (place === Place.Hole && backing === undefined)) return true;
  const whole = from % clusterSize === 0 && (end % clusterSize === 0 || end === format.size);
  return place === Place.Hole && zeroEntries === true && whole;
}

/** Whole clusters that the backing file decided about. */
async function setZero(image: MappedImage, offset: number, length: number): Promise<void> {
  const { tables, clusterSize, space } = image.format;
  const end = Math.ceil((offset + length) / clusterSize);
  for (let cluster = Math.floor(offset / clusterSize); cluster < end; ) {
    const page = tables.pageOf(cluster);
    const stop = Math.min(end, tables.endOf(page));
    const crowd = image.idle(cluster, stop - 1) ?? image.relieve();
    if (crowd !== undefined) {
      await crowd;
      continue;
    }
    const entries = tables.peek(page);
    if (entries === undefined) await tables.load(page);
    else if (entries === null) await tables.make(page, (bytes) => space.take(Math.ceil(bytes / clusterSize)));
    else {
      const first = tables.firstOf(page);
      for (; cluster < stop; cluster++) if (entries.get(cluster - first) === Place.Hole) entries.set(cluster - first, Place.Zero);
    }
  }
}
