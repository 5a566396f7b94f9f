/** Writing compressed clusters: deflated in threads, packed behind each other, stored plainly where that is shorter. */
import { StreamError } from '@blk/compression';
import { BlockError, isPromise } from '@blk/core-graph';
import { argumentError } from './errors.js';
import { compressedEntry } from './l2-entry.js';
import { changeableTable, setEntry } from './link.js';
import type { Qcow2Image } from './qcow2-image.js';
import { Table } from './table-cache.js';
import { checkHostRange } from './write-host.js';
import { writeAll } from './write.js';

/** Whole clusters; only the one at the end of the disk may be short. */
export async function writeCompressed(
  image: Qcow2Image,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
): Promise<void> {
  const { clusterSize, external } = image.geometry;
  image.corruption.check();
  if (image.encryption !== undefined) throw argumentError('Compression and encryption not supported at the same time', 'unsupported');
  if (external) throw argumentError('Images with an external data file have no compressed clusters: Operation not supported', 'unsupported');
  const end = offset + length;
  if (offset % clusterSize !== 0 || (end % clusterSize !== 0 && end !== image.size)) {
    throw argumentError(`Compressed writes are whole clusters of ${clusterSize} bytes, not ${length} bytes at ${offset}`);
  }
  const generation = image.reclaim.enter();
  try {
    const packed: Promise<Uint8Array>[] = [];
    for (let at = 0; at < length; at += clusterSize) packed.push(image.compression.deflate(wholeCluster(buffer, start + at, length - at, clusterSize)));
    await Promise.allSettled(packed);
    for (let at = 0; at < length; at += clusterSize) {
      const bytes = await packed[at / clusterSize].catch(notPacked);
      if (bytes.length < clusterSize) await storePacked(image, (offset + at) / clusterSize, bytes);
      else await writeAll(image, offset + at, buffer, start + at, Math.min(clusterSize, length - at));
    }
  } finally {
    image.reclaim.leave(generation);
  }
}

function notPacked(error: unknown): never {
  if (!(error instanceof StreamError)) throw error;
  throw new BlockError('unsupported', `A compressed cluster ${error.message}`, { driver: 'qcow2' }, error);
}

/** A cluster's bytes, filled up with zeroes at the end of the disk. */
function wholeCluster(buffer: Uint8Array, start: number, length: number, clusterSize: number): Uint8Array {
  if (length >= clusterSize) return buffer.subarray(start, start + clusterSize);
  const padded = new Uint8Array(clusterSize);
  padded.set(buffer.subarray(start, start + length));
  return padded;
}

async function storePacked(image: Qcow2Image, cluster: number, bytes: Uint8Array): Promise<void> {
  const { l2Entries } = image.geometry;
  const relief = image.flusher.relieve();
  if (isPromise(relief)) await relief;
  const offset = await image.compressedSpace.take(bytes.length);
  try {
    checkHostRange(image, offset, bytes.length);
    if (image.file.node.listens) await image.file.event('write_compressed');
    const done = image.file.write(offset, bytes, 0, bytes.length);
    if (isPromise(done)) await done;
    if (image.file.node.listens) await image.file.event('l2_update_compressed');
    const l1Index = Math.floor(cluster / l2Entries);
    let table = changeableTable(image, l1Index, cluster, cluster + 1);
    while (!(table instanceof Table)) {
      await table;
      table = changeableTable(image, l1Index, cluster, cluster + 1);
    }
    const { high, low } = compressedEntry(offset, bytes.length, image.geometry);
    // Their place may have been read along with others before they were there; from here on, they can be found.
    image.compressed.forget(offset);
    setEntry(image, table, cluster - l1Index * l2Entries, high, low);
    image.flusher.linked();
  } catch (error) {
    await image.compressedSpace.giveUp(offset, bytes.length).catch(() => undefined);
    throw error;
  }
}
