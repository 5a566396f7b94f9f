/** `compareImages`: whether two images have the same content, and where they first differ. */
import { BlockError, chainExtentAt, isPromise, isZero, sameBytes, type BlockGraph, type BlockNode, type ChainExtent } from '@blk/core-graph';
import { errnoText } from './failure.js';
import { SECTOR, wholeSectors } from './open.js';
import { Pace, type Progress } from './pause.js';

export interface CompareOptions {
  /** Sizes and allocation have to be the same as well. */
  readonly strict?: boolean;
  /** How messages name the images; default their file names. */
  readonly names?: readonly [string, string];
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export type CompareResult =
  | { readonly equal: true; readonly sizesDiffer: boolean }
  /** `content`: bytes differ; `offset` is that of the first sector that does. */
  | { readonly equal: false; readonly reason: 'content' | 'allocation'; readonly offset: number; readonly sizesDiffer: boolean }
  | { readonly equal: false; readonly reason: 'size'; readonly sizesDiffer: true };

/** Bytes of each image that are in memory at a time. */
const PIECE = 256 * 1024;

/**
 * Compares two open images. Where one is longer, the rest of it has to be zeroes. Throws with reason `compare/read` where content can't be read,
 * and `compare/extents` where it can't be found out what an image holds.
 */
export async function compareImages(graph: BlockGraph, a: BlockNode, b: BlockNode, options: CompareOptions = {}): Promise<CompareResult> {
  const sizesDiffer = wholeSectors(a.size) !== wholeSectors(b.size);
  if (sizesDiffer && options.strict === true) return { equal: false, reason: 'size', sizesDiffer };
  const total = Math.max(wholeSectors(a.size), wholeSectors(b.size));
  const pace = new Pace(options.signal);
  const left = graph.pool.take(PIECE);
  const right = graph.pool.take(PIECE);
  try {
    for (let at = 0; at < total; ) {
      options.progress?.(at, total);
      if (pace.due()) await pace.pause();
      const one = await extentOf(a, at, total - at).catch(noExtents);
      const other = await extentOf(b, at, total - at).catch(noExtents);
      const length = Math.min(one.length, other.length);
      if (options.strict === true && !(sameState(one, other) && reachesEnd(a, one) === reachesEnd(b, other))) {
        return { equal: false, reason: 'allocation', offset: at, sizesDiffer };
      }
      if (!(one.zero && other.zero)) {
        const offset = await firstDifference({ a, b, left, right, pace, one, other, options, total }, at, length);
        if (offset >= 0) return { equal: false, reason: 'content', offset, sizesDiffer };
      }
      at += length;
    }
    options.progress?.(total, total);
    return { equal: true, sizesDiffer };
  } finally {
    graph.pool.give(left);
    graph.pool.give(right);
  }
}

interface Work {
  readonly a: BlockNode;
  readonly b: BlockNode;
  readonly left: Uint8Array;
  readonly right: Uint8Array;
  readonly pace: Pace;
  readonly one: ChainExtent;
  readonly other: ChainExtent;
  readonly options: CompareOptions;
  readonly total: number;
}

async function firstDifference(work: Work, offset: number, length: number): Promise<number> {
  const { a, b, left, right, pace, one, other, options, total } = work;
  const [first, second] = options.names ?? [a.filename, b.filename];
  for (let done = 0; done < length; ) {
    const at = offset + done;
    const count = Math.min(PIECE, length - done);
    if (done > 0) options.progress?.(at, total);
    if (pace.due()) await pace.pause();
    if (!one.zero) await load(a, first, at, left, count);
    if (!other.zero) await load(b, second, at, right, count);
    const differs = (from: number, bytes: number): boolean => {
      if (one.zero) return !isZero(right, from, bytes);
      if (other.zero) return !isZero(left, from, bytes);
      return !sameBytes(left, from, right, from, bytes);
    };
    if (differs(0, count)) {
      for (let from = 0; ; ) {
        // The range may begin inside a sector, where the shorter image ends.
        const inSector = (at + from) % SECTOR;
        const step = Math.min(SECTOR - inSector, count - from);
        if (differs(from, step)) return at + from - inSector;
        from += step;
      }
    }
    done += count;
  }
  return -1;
}

async function load(node: BlockNode, name: string, offset: number, buffer: Uint8Array, length: number): Promise<void> {
  try {
    const done = node.read(offset, buffer, 0, length);
    if (done !== undefined) await done;
  } catch (error) {
    throw errnoText(error, `Error while reading offset ${offset} of ${name}`, 'compare/read');
  }
}

function noExtents(error: unknown): never {
  if (!(error instanceof BlockError) || error.kind === 'aborted') throw error;
  throw new BlockError(error.kind, error.message, { ...error.context, reason: 'compare/extents' }, error);
}

/** The extent at an offset; zeroes behind the end of a shorter image. */
async function extentOf(node: BlockNode, offset: number, length: number): Promise<ChainExtent> {
  const rest = wholeSectors(node.size) - node.size;
  if (offset >= node.size + rest) {
    return { offset, length, depth: 0, data: false, zero: true, allocated: false, compressed: false, hostOffset: -1 };
  }
  if (offset >= node.size) {
    // The rest of the last sector is zeroes that lie behind the last byte.
    const before = await chainExtentAt(node, node.size - 1, 1);
    const hostOffset = before.hostOffset < 0 ? -1 : before.hostOffset + 1 + offset - node.size;
    return { ...before, offset, length: Math.min(length, node.size + rest - offset), data: false, zero: true, compressed: false, hostOffset };
  }
  const found = chainExtentAt(node, offset, Math.min(length, node.size - offset));
  const extent = isPromise(found) ? await found : found;
  const atEnd = extent.zero && !extent.data && offset + extent.length === node.size;
  return atEnd && rest > 0 ? { ...extent, length: Math.min(length, extent.length + rest) } : extent;
}

/** The reference's states tell as well where the image ends, and the compared ranges are those that each image knows by itself. */
function reachesEnd(node: BlockNode, { offset, length }: ChainExtent): boolean {
  return offset + length >= wholeSectors(node.size);
}

/** As the reference compares them: also whether the bytes lie in a file as they are, and what is known to be zero counts as held. */
function sameState(a: ChainExtent, b: ChainExtent): boolean {
  const held = ({ allocated, zero, data }: ChainExtent): boolean => allocated || (zero && !data);
  return a.data === b.data && a.zero === b.zero && (a.hostOffset < 0) === (b.hostOffset < 0) && held(a) === held(b);
}
