/** Writing: in place where a cluster belongs to this image alone, else into new clusters (`allocating-write.ts`). */
import { isPromise, type Completion } from '@blk/core-graph';
import { allocatingWrite } from './allocating-write.js';
import { EntryKind } from './l2-entry.js';
import { settleAll, settleThenThrow } from './pending.js';
import type { Qcow2Image } from './qcow2-image.js';
import { ScannedRun, scanRun } from './scan.js';
import { writeHost } from './write-host.js';

const scratch = new ScannedRun(true);

/**
 * Stores `buffer[start, start + length)` at guest offset `offset`. What can be written in place at once is; the rest, from
 * the first cluster that needs a table or a host cluster on, follows in `allocatingWrite`.
 */
export function writeRange(image: Qcow2Image, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { geometry } = image;
  const { unitSize, l2Span } = geometry;
  const end = offset + length;
  let pending: Promise<void>[] | undefined;
  let at = offset;
  try {
    image.corruption.check();
    while (at < end) {
      const l1Index = Math.floor(at / l2Span);
      const table = image.l2.cache.peek(l1Index);
      let inPlace = false;
      if (table?.writable === true) {
        const tableEnd = Math.min(end, (l1Index + 1) * l2Span);
        const unit = Math.floor(at / unitSize);
        scanRun(table, unit - l1Index * (l2Span / unitSize), Math.ceil(tableEnd / unitSize) - unit, geometry, image.corruption, scratch);
        inPlace = scratch.kind === EntryKind.Data && scratch.copied;
      }
      if (!inPlace) {
        const rest = allocatingWrite(image, at, buffer, start + at - offset, end - at);
        (pending ??= []).push(rest);
        break;
      }
      const runEnd = Math.min(end, (Math.floor(at / unitSize) + scratch.count) * unitSize);
      const done = writeHost(image, scratch.host + (at % unitSize), at, buffer, start + at - offset, runEnd - at);
      if (done !== undefined) (pending ??= []).push(done);
      at = runEnd;
    }
  } catch (error) {
    if (pending === undefined) throw error;
    return image.reclaim.track(settleThenThrow(pending, error));
  }
  if (pending === undefined) return;
  return image.reclaim.track(pending.length === 1 ? pending[0] : settleAll(pending));
}

/** As `writeRange`, for those who have a promise anyway. */
export async function writeAll(image: Qcow2Image, offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  const done = writeRange(image, offset, buffer, start, length);
  if (isPromise(done)) await done;
}
