/** The copying of backups and mirrors: ranges of a map, each taken for the time of its copy. */
import { chainExtentAt, isPromise, repeat, type BlockNode, type Completion } from '@blk/core-graph';
import type { CopyPiece } from './copy-engine.js';
import type { CopyMap } from './copy-map.js';
import { copyRange, type RangeCopy } from './copy-range.js';

/** Most bytes of a piece of zeroes, for which nothing is read. */
const ZERO_PIECE = 64 * 1024 * 1024;

/**
 * The next range at or behind `from` that nobody is at, of `most` bytes of data or more of zeroes. It is taken only when it is copied:
 * a job that has to wait before that keeps no guest waiting.
 */
export function nextPiece(map: CopyMap, source: BlockNode, from: number, most: number): CopyPiece | undefined {
  const found = map.find(from, ZERO_PIECE);
  if (found === undefined) return undefined;
  const { offset } = found;
  const extent = chainExtentAt(source, offset, found.end - offset);
  const zero = !isPromise(extent) && extent.zero && extent.length >= most;
  const bytes = zero ? Math.floor(extent.length / map.unit) * map.unit : most;
  return { action: zero ? 'zero' : 'data', offset, length: Math.min(found.end - offset, Math.max(bytes, map.unit)) };
}

/**
 * Copies what of `[from, end)` is to be copied and nobody is at. `copied` is told of each part; one that fails is to be copied again,
 * and ends it.
 */
export function copyClaimed(
  map: CopyMap,
  work: RangeCopy,
  from: number,
  end: number,
  buffer: Uint8Array,
  copied: (bytes: number) => void,
): Completion {
  let at = from;
  return repeat(() => {
    const found = at >= end ? undefined : map.find(at, end - at);
    if (found === undefined || found.offset >= end) return false;
    at = Math.min(found.end, end);
    return copyOne(map, work, found.offset, at, buffer, copied);
  });
}

function copyOne(map: CopyMap, work: RangeCopy, offset: number, end: number, buffer: Uint8Array, copied: (bytes: number) => void): Completion {
  const claim = map.claim(offset, end);
  const failed = (error: unknown): never => {
    map.end(claim, false);
    throw error;
  };
  const over = (): void => {
    map.end(claim, true);
    copied(end - offset);
  };
  let done: Completion;
  try {
    done = copyRange(work, offset, end, buffer);
  } catch (error) {
    return failed(error);
  }
  if (done !== undefined) return done.then(over, failed);
  over();
}
