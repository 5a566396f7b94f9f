/** Writes that fit the driver: cut to its largest transfer, or widened by read-modify-write to its alignment. */
import { andThen, repeat, type Completion } from '../completion.js';
import type { DebugEvent } from '../debug-event.js';
import type { DriverNode } from '../driver-node.js';
import type { BlockNode } from '../node.js';

/** Whether the driver takes the range only after it was widened; such a write holds `widened` serialised. */
export function isMisaligned(node: BlockNode, offset: number, length: number): boolean {
  const { alignment } = node.driver.limits;
  return alignment > 1 && (offset % alignment !== 0 || length % alignment !== 0);
}

/** The range widened to the driver's alignment. */
export function widened(node: BlockNode, offset: number, length: number): { readonly offset: number; readonly length: number } {
  const { alignment } = node.driver.limits;
  const from = Math.floor(offset / alignment) * alignment;
  return { offset: from, length: Math.ceil((offset + length) / alignment) * alignment - from };
}

/** A write inside bounds. For a misaligned one the caller holds the widened range serialised. */
export function alignedWrite(
  node: BlockNode,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  flags: number,
): Completion {
  const driverFlags = flags & (node.driver.writeFlags ?? 0);
  if (isMisaligned(node, offset, length)) {
    return readModifyWrite(node, offset, buffer, start, length, driverFlags);
  }
  if (!node.listens) return wholeBlocks(node, offset, buffer, start, length, driverFlags);
  return announced(node, 'pwritev', () => wholeBlocks(node, offset, buffer, start, length, driverFlags));
}

/** A change that the driver is told of, before and after. */
export function announced(node: BlockNode, event: DebugEvent, change: () => Completion): Completion {
  const { driver } = node;
  return andThen(andThen(driver.event?.(event), change), () => driver.event?.('pwritev_done'));
}

function wholeBlocks(
  node: BlockNode,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  driverFlags: number,
): Completion {
  const { memoryAlignment, maxTransfer } = node.driver.limits;
  if (memoryAlignment > 1 && !node.pool.isAligned(buffer, start, memoryAlignment)) {
    return bouncedWrite(node, offset, buffer, start, length, driverFlags);
  }
  const write = writerOf(node);
  if (maxTransfer === 0 || length <= maxTransfer) return write(offset, buffer, start, length, driverFlags);
  let done = 0;
  return repeat(() => {
    if (done >= length) return false;
    const at = done;
    done += maxTransfer;
    return write(offset + at, buffer, start + at, Math.min(maxTransfer, length - at), driverFlags);
  });
}

/** Largest bounce buffer, in bytes; a multiple of every alignment. */
const BOUNCE = 1024 * 1024;

async function bouncedWrite(
  node: BlockNode,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  flags: number,
): Promise<void> {
  const { maxTransfer } = node.driver.limits;
  const limit = maxTransfer === 0 ? BOUNCE : Math.min(BOUNCE, maxTransfer);
  const write = writerOf(node);
  const bounce = node.pool.take(Math.min(limit, length));
  try {
    for (let done = 0; done < length; done += limit) {
      const piece = Math.min(limit, length - done);
      bounce.set(buffer.subarray(start + done, start + done + piece));
      const pending = write(offset + done, bounce, 0, piece, flags);
      if (pending !== undefined) await pending;
    }
  } finally {
    node.pool.give(bounce);
  }
}

async function readModifyWrite(
  node: BlockNode,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  flags: number,
): Promise<void> {
  const { alignment, maxTransfer } = node.driver.limits;
  const limit = maxTransfer === 0 ? BOUNCE : Math.min(BOUNCE, maxTransfer);
  const range = widened(node, offset, length);
  const from = range.offset;
  const to = from + range.length;
  const write = writerOf(node);
  const bounce = node.pool.take(Math.min(limit, to - from));
  try {
    for (let at = from; at < to; at += limit) {
      const piece = Math.min(limit, to - at);
      // Only blocks that the request does not cover have to be read: the first, the last, or both.
      const lastBlock = at + piece - alignment;
      const tail = at + piece > offset + length;
      if (at < offset) await readEdge(node, at, bounce, 0, tail && lastBlock === at ? BOTH : HEAD);
      if (tail && (lastBlock > at || at >= offset)) await readEdge(node, lastBlock, bounce, piece - alignment, TAIL);
      const first = Math.max(at, offset);
      const end = Math.min(at + piece, offset + length);
      bounce.set(buffer.subarray(start + first - offset, start + end - offset), first - at);
      const pending = node.listens ? announced(node, 'pwritev', () => write(at, bounce, 0, piece, flags)) : write(at, bounce, 0, piece, flags);
      if (pending !== undefined) await pending;
    }
  } finally {
    node.pool.give(bounce);
  }
}

interface EdgeEvents {
  readonly before: readonly DebugEvent[];
  readonly after: readonly DebugEvent[];
}

const HEAD: EdgeEvents = { before: ['pwritev_rmw_head'], after: ['pwritev_rmw_after_head'] };
const TAIL: EdgeEvents = { before: ['pwritev_rmw_tail'], after: ['pwritev_rmw_after_tail'] };
const BOTH: EdgeEvents = { before: [...HEAD.before, ...TAIL.before], after: [...HEAD.after, ...TAIL.after] };

/** The block at an end of a request that covers only a part of it. */
async function readEdge(node: BlockNode, at: number, into: Uint8Array, start: number, { before, after }: EdgeEvents): Promise<void> {
  await tell(node, before);
  await readBlock(node, at, into, start, node.driver.limits.alignment);
  await tell(node, after);
}

/** The node's own driver, or else the one below, for whose sake the request is widened. */
async function tell({ driver, listens, storage }: BlockNode, events: readonly DebugEvent[]): Promise<void> {
  if (!listens && storage?.node.listens !== true) return;
  for (const event of events) {
    const told = listens ? driver.event?.(event) : storage?.event(event);
    if (told !== undefined) await told;
  }
}

/** One aligned block; what lies beyond the end reads as zeroes. The driver is asked for whole blocks, as its alignment says. */
async function readBlock(node: BlockNode, at: number, into: Uint8Array, start: number, length: number): Promise<void> {
  if (at >= node.driver.size) {
    into.fill(0, start, start + length);
    return;
  }
  const pending = node.driver.read(at, into, start, length);
  if (pending !== undefined) await pending;
}

type Writer = NonNullable<DriverNode['write']>;

function writerOf(node: BlockNode): Writer {
  const { driver } = node;
  return (offset, buffer, start, length, flags) => (driver.write as Writer).call(driver, offset, buffer, start, length, flags);
}
