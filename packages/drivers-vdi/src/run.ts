/** Runs of blocks that lie one behind the other in the file, or that are all not in it. */
import { FREE, ZERO } from './block-map.js';
import type { VdiImage } from './image.js';

/** Where `[offset, end)` lies; filled anew for every run. */
export class Run {
  /** End in the disk, in bytes. */
  end = 0;
  /** Offset in the file of the run's first byte, or -1: the run reads as zeroes. */
  host = -1;
}

/** Finds the run that begins at `offset` and ends at `end` or before. */
export function findRun(image: VdiImage, offset: number, end: number, into: Run): void {
  const { map, header } = image;
  const { blockSize } = header;
  const first = Math.floor(offset / blockSize);
  const entry = map.get(first);
  const stored = isStored(entry);
  let block = first + 1;
  while (block * blockSize < end) {
    const next = map.get(block);
    if (stored ? next !== entry + (block - first) : isStored(next)) break;
    block++;
  }
  into.end = Math.min(end, block * blockSize);
  into.host = stored ? image.hostOf(entry) + (offset - first * blockSize) : -1;
}

export function isStored(entry: number): boolean {
  return entry !== FREE && entry !== ZERO;
}
