/** `mapImage`: what each range of an image is, and where it lies. */
import { chainExtentAt, isPromise, type BlockNode, type ChainExtent } from '@blk/core-graph';
import { wholeSectors } from './open.js';

/** The schema's `BlockDeviceMapEntry`, with what today's tools tell besides. Positions in bytes. */
export interface MapEntry {
  readonly start: number;
  readonly length: number;
  /** How deep in the backing chain the deciding image lies; 0 is the image itself. */
  readonly depth: number;
  /** An image of the chain decides the content, rather than none. */
  readonly present: boolean;
  readonly zero: boolean;
  readonly data: boolean;
  readonly compressed: boolean;
  /** Where the bytes lie in the file, where they lie there as they are. */
  readonly offset?: number;
  /** That file. */
  readonly filename?: string;
}

export interface MapOptions {
  readonly start?: number;
  readonly length?: number;
  readonly signal?: AbortSignal;
}

/**
 * The entries of `[start, start + length)`, neighbours of one kind merged. An empty range gives one empty entry, as the
 * reference tools do.
 */
export async function* mapImage(node: BlockNode, options: MapOptions = {}): AsyncGenerator<MapEntry, void, undefined> {
  const size = wholeSectors(node.size);
  const start = options.start ?? 0;
  const end = Math.min(size, start + (options.length ?? size));
  let pending: MapEntry | undefined;
  for (let at = start; at < end; ) {
    options.signal?.throwIfAborted();
    const inside = Math.min(end, node.size) - at;
    const found = inside > 0 ? chainExtentAt(node, at, inside) : beyond(pending, at, end - at);
    const extent = isPromise(found) ? await found : found;
    at += extent.length;
    const entry = entryOf(node, extent);
    if (pending !== undefined && continues(pending, entry)) pending = { ...pending, length: pending.length + entry.length };
    else {
      if (pending !== undefined) yield pending;
      pending = entry;
    }
  }
  yield pending ?? { start, length: 0, depth: 0, present: false, zero: false, data: false, compressed: false };
}

/** The rest of a last sector: zeroes, where the bytes before it go on. */
function beyond(before: MapEntry | undefined, offset: number, length: number): ChainExtent {
  const hostOffset = before?.offset === undefined ? -1 : before.offset + before.length;
  return { offset, length, depth: before?.depth ?? 0, data: false, zero: true, allocated: before?.present ?? true, compressed: false, hostOffset };
}

function entryOf(node: BlockNode, extent: ChainExtent): MapEntry {
  const { offset, length, depth, zero, data, compressed, hostOffset } = extent;
  const entry = { start: offset, length, depth, present: extent.allocated, zero: zero && !isUnknown(node, extent), data, compressed };
  if (hostOffset < 0) return entry;
  return { ...entry, offset: hostOffset, filename: fileOf(imageAt(node, depth), offset) };
}

/** A protocol that stores nothing and does not promise zeroes has neither data nor zeroes to show. */
function isUnknown(node: BlockNode, extent: ChainExtent): boolean {
  return !extent.allocated && !extent.data && node.children.size === 0;
}

/** The image `depth` steps down the chain. */
function imageAt(node: BlockNode, depth: number): BlockNode {
  let at = node;
  for (let left = depth; left > 0; ) {
    const backing = at.backing?.node;
    const below = backing ?? (at.storage?.role === 'filtered' ? at.storage.node : undefined);
    if (below === undefined) return at;
    if (backing !== undefined) left--;
    at = below;
  }
  return at;
}

/** Name of the file that holds the image's data at `offset`. */
function fileOf(image: BlockNode, offset: number): string {
  let at = image.driver.dataChild?.(offset)?.node ?? image;
  for (let below = holder(at); below !== undefined; below = holder(at)) at = below;
  return at.filename;
}

function holder(node: BlockNode): BlockNode | undefined {
  return (node.children.get('data-file') ?? node.storage)?.node;
}

function continues(a: MapEntry, b: MapEntry): boolean {
  return (
    a.depth === b.depth && a.present === b.present && a.zero === b.zero && a.data === b.data && a.compressed === b.compressed &&
    a.filename === b.filename && (a.offset === undefined ? b.offset === undefined : a.offset + a.length === b.offset)
  );
}
