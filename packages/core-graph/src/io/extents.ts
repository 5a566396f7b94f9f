/** Extents of one node, and of a node with its whole backing chain. */
import { isPromise, type MaybePromise } from '../completion.js';
import { dataExtent, resized, zeroExtent, type ChainExtent, type Extent } from '../extent.js';
import type { BlockNode } from '../node.js';
import { checkRange } from './check-range.js';

/** The extent at `offset` of this node alone, at most `length` long. */
export function nodeExtent(node: BlockNode, offset: number, length: number): MaybePromise<Extent> {
  checkRange(node, offset, length);
  const inside = Math.min(length, node.driver.size - offset);
  // The driver is asked only about what exists; beyond the end everything reads as zeroes.
  if (inside <= 0) return zeroExtent(length);
  const found = node.driver.extent?.(offset, inside) ?? dataExtent(inside, -1);
  return isPromise(found) ? found.then((extent) => refine(node, offset, extent, inside)) : refine(node, offset, found, inside);
}

/** Images are spoken of in sectors of this many bytes: the rest of a last one belongs to the image as its bytes do. */
const SECTOR = 512;

function wholeSectors(bytes: number): number {
  return Math.ceil(bytes / SECTOR) * SECTOR;
}

/** What lies behind the end of a backing file: zeroes, and up to the end of the last sector as allocated, and placed, as the byte before. */
function restOfSector(node: BlockNode, offset: number, length: number): MaybePromise<Extent> {
  const { size } = node;
  const rest = wholeSectors(size) - offset;
  if (rest <= 0) return zeroExtent(length);
  const before = node.extent(size - 1, 1);
  const tail = ({ allocated, hostOffset }: Extent): Extent => ({
    ...zeroExtent(Math.min(rest, length), hostOffset < 0 ? -1 : hostOffset + 1 + offset - size),
    allocated,
  });
  return isPromise(before) ? before.then(tail) : tail(before);
}

function refine(node: BlockNode, offset: number, found: Extent, inside: number): MaybePromise<Extent> {
  const extent = found.length > inside ? resized(found, inside) : found;
  if (!extent.allocated) {
    // A filter's child has spoken for its whole chain already.
    if (isFilter(node)) return extent;
    const backing = node.backing?.node;
    if (backing === undefined) return extent.zero ? extent : { ...extent, zero: true };
    // Beyond the end of a shorter backing file there is nothing to fall back to.
    const end = wholeSectors(backing.size);
    if (offset >= end) return { ...extent, zero: true };
    return offset + extent.length > end ? resized(extent, end - offset) : extent;
  }
  if (!extent.data || extent.zero || extent.hostOffset < 0) return extent;
  // Data in a file of its own is taken as it is mapped, as the reference mostly does (docs/compatibility.md, holes-of-data-files).
  if (node.children.has('data-file')) return extent;
  const below = node.driver.dataChild === undefined ? node.children.get('file') : node.driver.dataChild(offset);
  if (below === undefined || below.role === 'filtered') return extent;
  const stored = below.size - extent.hostOffset;
  // Whoever reads what a file that was cut short does not hold has to hear of it from the format: it is no hole.
  if (stored <= 0) return extent;
  const child = below.extent(extent.hostOffset, Math.min(extent.length, stored));
  return isPromise(child) ? child.then((host) => overlay(extent, host)) : overlay(extent, child);
}

/** A data extent in the light of its host range: a hole in the file reads as zeroes, whatever the format says. */
function overlay(extent: Extent, host: Extent): Extent {
  const length = Math.min(extent.length, host.length);
  return host.zero ? { ...extent, length, zero: true } : resized(extent, length);
}

/**
 * The extents of `[offset, offset + length)` through the backing chain, neighbours of one kind merged. `base` (not
 * included) ends the chain early.
 */
export async function* chainExtents(
  top: BlockNode,
  offset: number,
  length: number,
  base?: BlockNode,
): AsyncGenerator<ChainExtent, void, undefined> {
  let pending: ChainExtent | undefined;
  const end = offset + length;
  for (let at = offset; at < end; ) {
    const found = chainExtentAt(top, at, end - at, base);
    const extent = isPromise(found) ? await found : found;
    at += extent.length;
    if (pending !== undefined && mergeable(pending, extent)) {
      pending = { ...pending, length: pending.length + extent.length };
      continue;
    }
    if (pending !== undefined) yield pending;
    pending = extent;
  }
  if (pending !== undefined) yield pending;
}

/** The extent at `offset` through the backing chain: the first image that decides, and how deep it lies. */
export function chainExtentAt(
  top: BlockNode,
  offset: number,
  length: number,
  base?: BlockNode,
): MaybePromise<ChainExtent> {
  return descend(top, offset, length, 0, base);
}

function descend(
  node: BlockNode,
  offset: number,
  length: number,
  depth: number,
  base: BlockNode | undefined,
): MaybePromise<ChainExtent> {
  const found = depth > 0 && offset >= node.size ? restOfSector(node, offset, length) : node.extent(offset, length);
  return isPromise(found)
    ? found.then((extent) => decide(node, extent, offset, depth, base))
    : decide(node, found, offset, depth, base);
}

function decide(node: BlockNode, extent: Extent, offset: number, depth: number, base: BlockNode | undefined): MaybePromise<ChainExtent> {
  const next = backingBelow(node);
  if (extent.allocated || extent.zero || next === undefined || next === base) {
    const { length, data, zero, allocated, compressed, hostOffset } = extent;
    return { length, data, zero, allocated, compressed, hostOffset, offset, depth };
  }
  return descend(next, offset, extent.length, depth + 1, base);
}

/** Whether the node shows its child's bytes at the same place. */
function isFilter(node: BlockNode): boolean {
  return node.backing === undefined && node.storage?.role === 'filtered';
}

/** The backing file of the node, or of the image behind the filters that it is. */
export function backingBelow(node: BlockNode): BlockNode | undefined {
  let image = node;
  while (isFilter(image) && image.storage !== undefined) image = image.storage.node;
  return image.backing?.node;
}

function mergeable(a: ChainExtent, b: ChainExtent): boolean {
  return (
    a.data === b.data &&
    a.zero === b.zero &&
    a.allocated === b.allocated &&
    a.compressed === b.compressed &&
    a.depth === b.depth &&
    (a.hostOffset < 0 ? b.hostOffset < 0 : a.hostOffset + a.length === b.hostOffset)
  );
}
