/**
 * The state of a virtual machine: clusters that the active L1 table maps behind those of the disk, from the first entry on
 * that the disk has no part in (qcow2, "Snapshots"). The backing file has none of it.
 */
import { BlockError, isPromise } from '@blk/core-graph';
import { argumentError } from './errors.js';
import { l1EntriesFor } from './format.js';
import type { Qcow2Image } from './qcow2-image.js';
import { readRange } from './read.js';
import { growL1 } from './truncate.js';
import { writeAll } from './write.js';
import { forgetClusters } from './zero.js';

/** Reads of the state; what was never written reads as zeroes. */
export async function readVmState(image: Qcow2Image, offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  refuseExternal(image);
  const { l2Span } = image.geometry;
  const begin = image.vmStateOffset + offset;
  const end = Math.min(begin + length, image.l2.l1.length * l2Span);
  buffer.fill(0, start, start + length);
  await image.file.event('vmstate_load');
  if (end <= begin) return;
  const done = readRange(image, begin, buffer, start, end - begin);
  if (isPromise(done)) await done;
}

/** Writes to the state; the node is drained. Clusters are written whole. */
export async function writeVmState(image: Qcow2Image, offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  refuseExternal(image);
  if (image.readOnly) throw new BlockError('read-only', 'Image is read-only', { driver: 'qcow2' });
  image.corruption.check();
  const { clusterSize } = image.geometry;
  const first = Math.floor(offset / clusterSize) * clusterSize;
  const end = Math.ceil((offset + length) / clusterSize) * clusterSize;
  const begin = image.vmStateOffset;
  await image.file.event('vmstate_save');
  await growL1(image, l1EntriesFor(image.geometry, begin + end));
  const cluster = new Uint8Array(clusterSize);
  for (let at = first; at < end; at += clusterSize) {
    const from = Math.max(at, offset);
    const to = Math.min(at + clusterSize, offset + length);
    if (to - from < clusterSize) await readVmState(image, at, cluster, 0, clusterSize);
    cluster.set(buffer.subarray(start + from - offset, start + to - offset), from - at);
    await writeAll(image, begin + at, cluster, 0, clusterSize);
  }
}

/** Gives up the state that the active table has: what a snapshot holds is its own from then on. */
export async function dropVmState(image: Qcow2Image): Promise<void> {
  const { clusterSize, l2Span } = image.geometry;
  const begin = image.vmStateOffset / clusterSize;
  const end = (image.l2.l1.length * l2Span) / clusterSize;
  if (end > begin) await forgetClusters(image, begin, end);
}

function refuseExternal({ geometry }: Qcow2Image): void {
  if (geometry.external) throw argumentError('There is no state of virtual machines with an external data file', 'unsupported');
}
