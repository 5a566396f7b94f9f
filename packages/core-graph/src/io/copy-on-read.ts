/** Copy-on-read: what comes from the backing chain is stored in the image on the way. */
import { isPromise, type Completion } from '../completion.js';
import { WriteFlag } from '../flags.js';
import type { BlockNode } from '../node.js';
import { backingBelow, chainExtentAt } from './extents.js';
import { isZero } from '../zero.js';
import { alignedRead } from './aligned-read.js';
import { alignedWrite } from './aligned-write.js';

/** Bytes copied at once. */
const PIECE = 1024 * 1024;

/**
 * A read inside the image that leaves it holding the clusters it touched; with `bottom` those of which something is held by that
 * image or one before it.
 */
export async function copyOnRead(
  node: BlockNode,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  bottom: BlockNode | undefined,
): Promise<void> {
  const cluster = Math.max(node.limits.zeroAlignment, node.limits.optimalTransfer, node.limits.alignment, 4096);
  const end = offset + length;
  for (let at = offset; at < end; ) {
    const found = node.extent(at, end - at);
    const extent = isPromise(found) ? await found : found;
    let piece = Math.min(extent.length, PIECE, end - at);
    let copies = !extent.allocated && !node.readOnly;
    if (copies && bottom !== undefined) {
      const above = chainExtentAt(node, at, piece, backingBelow(bottom));
      const { allocated, length: alike } = isPromise(above) ? await above : above;
      copies = allocated;
      piece = Math.min(piece, alike);
    }
    if (copies) await copyUp(node, at, piece, cluster);
    const wait = node.requests.waitForSerialising(at, piece);
    const into = start + at - offset;
    await node.requests.track(Promise.resolve(wait).then(() => read(node, at, buffer, into, piece)), at, piece);
    at += piece;
  }
}

async function read(node: BlockNode, at: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  const done = alignedRead(node, at, buffer, start, length);
  if (done !== undefined) await done;
}

/** Copies the clusters around the range into the image, unless a write came first. */
async function copyUp(node: BlockNode, offset: number, length: number, cluster: number): Promise<void> {
  const from = Math.floor(offset / cluster) * cluster;
  const to = Math.min(Math.ceil((offset + length) / cluster) * cluster, node.size);
  const held = await node.requests.serialise(from, to - from);
  const bounce = node.pool.take(Math.min(PIECE, to - from));
  try {
    for (let at = from; at < to; ) {
      const found = node.extent(at, Math.min(PIECE, to - at));
      const extent = isPromise(found) ? await found : found;
      const piece = Math.min(extent.length, bounce.length);
      if (!extent.allocated) await store(node, at, bounce, piece);
      at += piece;
    }
  } finally {
    held.finish();
    node.pool.give(bounce);
  }
}

async function store(node: BlockNode, at: number, bounce: Uint8Array, length: number): Promise<void> {
  await read(node, at, bounce, 0, length);
  let done: Completion = node.listens ? node.driver.event?.('cor_write') : undefined;
  if (done !== undefined) await done;
  if (isZero(bounce, 0, length) && node.driver.writeZeroes !== undefined) {
    done = node.driver.writeZeroes(at, length, WriteFlag.Unchanged & (node.driver.zeroFlags ?? 0));
  } else {
    done = alignedWrite(node, at, bounce, 0, length, WriteFlag.Unchanged);
  }
  if (done !== undefined) await done;
}
