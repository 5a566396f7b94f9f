/** Filling new clusters: the request's bytes, and around them what the guest sees there now. */
import { isZero, type Completion } from '@blk/core-graph';
import { writeData, writeParts } from './data-access.js';
import { extentAt } from './extents.js';
import type { Qcow2Image } from './qcow2-image.js';
import { readRange } from './read.js';

/** The host clusters to be filled. */
export interface Target {
  /** Where the cluster of the request's first byte begins in the file. */
  readonly host: number;
  /** They read as zeroes already. */
  readonly virgin: boolean;
  /** Bytes before and behind the request that come with it, so that nothing is left that the guest has not seen. */
  readonly head: number;
  readonly tail: number;
}

/** Writes `[offset, offset + length)` and what is around it, which no table refers to yet. */
export function copyOnWrite(
  image: Qcow2Image,
  target: Target,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
): Completion {
  const { host, head, tail } = target;
  const at = host + (offset % image.geometry.clusterSize) - head;
  if (head === 0 && tail === 0) return writeData(image, at, offset, buffer, start, length);
  return fillAround(image, target, at, offset, buffer, start, length);
}

async function fillAround(
  image: Qcow2Image,
  target: Target,
  hostOffset: number,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
): Promise<void> {
  const { pool, size, geometry } = image;
  const { clusterSize } = geometry;
  const { head, tail } = target;
  const { listens } = image.file.node;
  // Zeroes are something else when they are encrypted.
  const virgin = target.virgin && image.encryption === undefined;
  const end = offset + length;
  const whole = head + length + tail;
  // A tail of several subclusters is written even where it is zero: the last one must not lie behind the end of the file.
  const mayLeaveTail = virgin && tail < geometry.unitSize;
  const around = pool.take(whole <= clusterSize ? whole : head + tail);
  try {
    if (whole <= clusterSize) {
      // One cluster or less: put together in one buffer, written at once.
      if (listens) await tellRead(image, offset, end, target);
      await readOld(image, offset - head, around, 0, head);
      await readOld(image, end, around, head + length, tail, size);
      const headZero = virgin && isZero(around, 0, head);
      const tailZero = mayLeaveTail && isZero(around, head + length, tail);
      around.set(buffer.subarray(start, start + length), head);
      const from = headZero ? head : 0;
      const to = tailZero ? head + length : whole;
      if (listens && (from < head || to > head + length)) await image.file.event('cow_write');
      const done = writeData(image, hostOffset + from, offset - head + from, around, from, to - from);
      if (done !== undefined) await done;
      return;
    }
    if (listens) await tellRead(image, offset, end, target);
    await readOld(image, offset - head, around, 0, head);
    await readOld(image, end, around, head, tail, size);
    const parts: Uint8Array[] = [];
    const withHead = head > 0 && !(virgin && isZero(around, 0, head));
    const withTail = tail > 0 && !(mayLeaveTail && isZero(around, head, tail));
    if (withHead) parts.push(around.subarray(0, head));
    parts.push(buffer.subarray(start, start + length));
    if (withTail) parts.push(around.subarray(head, head + tail));
    const skipped = withHead ? 0 : head;
    if (listens && (withHead || withTail)) await image.file.event('cow_write');
    await writeParts(image, hostOffset + skipped, offset - head + skipped, parts);
  } finally {
    pool.give(around);
  }
}

/** Tells of the read, where not all that is around a request is known to be zero. */
async function tellRead(image: Qcow2Image, offset: number, end: number, { head, tail }: Target): Promise<void> {
  if ((await isStored(image, offset - head, offset)) || (await isStored(image, end, Math.min(end + tail, image.size)))) await image.file.event('cow_read');
}

async function isStored(image: Qcow2Image, from: number, to: number): Promise<boolean> {
  for (let at = from; at < to; ) {
    const { data, allocated, length } = await extentAt(image, at, to - at);
    if (data || (!allocated && !image.readsZero(at))) return true;
    at += length;
  }
  return false;
}

/** What the guest sees; nothing but zeroes from `limit`, the end of the disk, on. */
async function readOld(
  image: Qcow2Image,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  limit = Infinity,
): Promise<void> {
  const inside = Math.max(0, Math.min(length, limit - offset));
  if (inside < length) buffer.fill(0, start + inside, start + length);
  if (inside === 0) return;
  const done = readRange(image, offset, buffer, start, inside);
  if (done !== undefined) await done;
}
