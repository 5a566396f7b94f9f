/** Reading: runs of clusters that lie together become one read of the file or of the backing file. */
import { BlockError, isPromise, type Completion, type Edge } from '@blk/core-graph';
import { hex } from './corruption.js';
import { readData } from './data-access.js';
import { EntryKind } from './l2-entry.js';
import { settleAll, settleThenThrow } from './pending.js';
import type { Qcow2Image } from './qcow2-image.js';
import { ScannedRun, scanRun } from './scan.js';
import type { Table } from './table-cache.js';

const scratch = new ScannedRun();

/** Fills `buffer[start, start + length)` with the guest's bytes from `offset`; all runs are read at the same time. */
export function readRange(image: Qcow2Image, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { geometry, l2 } = image;
  const { clusterSize, unitSize, l2Span } = geometry;
  const end = offset + length;
  let pending: Promise<void>[] | undefined;
  let at = offset;
  try {
    image.corruption.check();
    while (at < end) {
      const l1Index = Math.floor(at / l2Span);
      const tableEnd = Math.min(end, (l1Index + 1) * l2Span);
      let done: Completion;
      let runEnd = tableEnd;
      if (!l2.exists(l1Index)) {
        done = readBacking(image, at, buffer, start + at - offset, tableEnd - at);
      } else {
        const table = l2.load(l1Index);
        if (isPromise(table)) {
          const rest = readAfter(table, image, at, buffer, start + at - offset, end - at);
          (pending ??= []).push(rest);
          break;
        }
        const unit = Math.floor(at / unitSize);
        const index = unit - l1Index * (l2Span / unitSize);
        scanRun(table, index, Math.ceil(tableEnd / unitSize) - unit, geometry, image.corruption, scratch);
        runEnd = Math.min(tableEnd, (unit + scratch.count) * unitSize);
        done = readRun(image, table, index, at, buffer, start + at - offset, runEnd - at, length > clusterSize);
      }
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

async function readAfter(
  loading: Promise<unknown>,
  image: Qcow2Image,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
): Promise<void> {
  await loading;
  await readRange(image, offset, buffer, start, length);
}

/** One run, as `scratch` describes it; inside one run everything lies together. */
function readRun(
  image: Qcow2Image,
  table: Table,
  index: number,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  many: boolean,
): Completion {
  const { clusterSize, unitSize, units, entryBytes, external } = image.geometry;
  switch (scratch.kind) {
    case EntryKind.Data: {
      const { host, count } = scratch;
      // A file that was cut short must not be taken for one full of zeroes.
      if (host + (count - 1) * unitSize >= image.data.size) throw beyondEnd(image, offset, host);
      // An external one is as long as the disk; what belongs to a format may end within its last cluster.
      if (external && host + (offset % unitSize) + length > image.data.size) throw beyondEnd(image, offset, host);
      return readData(image, host + (offset % unitSize), offset, buffer, start, length);
    }
    case EntryKind.Unallocated:
      return readBacking(image, offset, buffer, start, length);
    case EntryKind.Compressed: {
      const at = Math.floor(index / units) * entryBytes;
      const high = table.view.getUint32(at);
      const low = table.view.getUint32(at + 4);
      if (many && length === clusterSize) return image.compressed.readInto(high, low, buffer, start);
      const cluster = image.compressed.read(high, low);
      const from = offset % clusterSize;
      if (!isPromise(cluster)) {
        buffer.set(cluster.subarray(from, from + length), start);
        return;
      }
      return cluster.then((bytes) => {
        buffer.set(bytes.subarray(from, from + length), start);
      });
    }
    default:
      buffer.fill(0, start, start + length);
      return;
  }
}

function readBacking(image: Qcow2Image, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  // At the offsets of a machine's state the backing file has its disk, which is something else.
  if (image.readsZero(offset) || offset >= image.vmStateOffset) {
    buffer.fill(0, start, start + length);
    return;
  }
  const backing = image.backing as Edge;
  if (image.file.node.listens) return readBackingTold(image.file, backing, offset, buffer, start, length);
  return backing.read(offset, buffer, start, length);
}

async function readBackingTold(file: Edge, backing: Edge, offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  await file.event('read_backing_aio');
  await backing.read(offset, buffer, start, length);
}

function beyondEnd(image: Qcow2Image, offset: number, host: number): BlockError {
  const message = `Data cluster at ${hex(host)} lies beyond the end of the file at ${image.data.size} (guest offset: ${hex(offset)})`;
  return new BlockError('io', message, { driver: 'qcow2', reason: 'qcow2/data-beyond-end', offset: host });
}
