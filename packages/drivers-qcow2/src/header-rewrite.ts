/**
 * Writing the first cluster anew: header, extensions, name of the backing file. What lies in the first sector comes into force with one
 * write, so everything behind it is written before, beside what the present header refers to where there is room.
 */
import type { Edge } from '@blk/core-graph';
import { encodeFirstCluster, placeBacking } from './create.js';
import { encodeExtensions } from './extensions.js';
import type { HeaderFile } from './header-file.js';
import type { Header } from './header.js';

const SECTOR = 512;

/** Puts `next` in force; on stable storage afterwards. */
export async function rewriteHeader(file: Edge, header: HeaderFile, next: Header): Promise<void> {
  const old = header.current;
  const { clusterSize } = old.geometry;
  const oldEnd = Math.max(endOfExtensions(old), old.backingOffset + old.backingLength);
  let placed = placeBacking(next);
  if (placed.backingOffset + placed.backingLength > SECTOR && oldEnd > SECTOR) {
    const from = Math.max(oldEnd, endOfExtensions(placed));
    if (from + placed.backingLength <= clusterSize) placed = placeBacking(next, from);
  }
  const bytes = new Uint8Array(clusterSize);
  bytes.set(encodeFirstCluster(placed));
  const write = async (from: number, to: number): Promise<void> => {
    const done = file.write(from, bytes, from, to - from);
    if (done !== undefined) await done;
  };
  const flush = async (): Promise<void> => {
    const done = file.flush();
    if (done !== undefined) await done;
  };
  const extensionsEnd = endOfExtensions(placed);
  if (extensionsEnd > SECTOR) await write(SECTOR, extensionsEnd);
  if (placed.backingLength > 0 && placed.backingOffset + placed.backingLength > SECTOR) {
    await write(Math.max(SECTOR, placed.backingOffset), placed.backingOffset + placed.backingLength);
  }
  await flush();
  await write(0, Math.min(SECTOR, clusterSize));
  await flush();
  header.current = placed;
}

function endOfExtensions({ headerLength, extensions }: Header): number {
  return headerLength + encodeExtensions(extensions).length;
}
