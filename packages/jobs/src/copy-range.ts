/** Copying one range from an image, with all that is behind it, to another: data as data, zeroes as zeroes. */
import { andThen, chainExtentAt, isPromise, repeat, type BlockNode, type ChainExtent, type Completion, type Edge } from '@blk/core-graph';
import { failing } from './copy-engine.js';

export interface RangeCopy {
  /** Read through its whole backing chain. */
  readonly source: BlockNode;
  readonly target: Edge;
  /** Bytes that are written whole: clusters of the target. */
  readonly unit: number;
  /** `WriteFlag`s for data and for zeroes. */
  readonly dataFlags: number;
  readonly zeroFlags: number;
}

/**
 * Copies `[offset, end)`, which begins at a multiple of the unit. `buffer` holds at least one unit, and whole ones. What fails is told
 * apart as reading or writing, by `failing`.
 */
export function copyRange(work: RangeCopy, offset: number, end: number, buffer: Uint8Array): Completion {
  let at = offset;
  return repeat(() => {
    if (at >= end) return false;
    const here = at;
    const found = failing('read', () => chainExtentAt(work.source, here, end - here));
    const step = (extent: ChainExtent): Completion => {
      const piece = pieceOf(work.unit, extent, end - here, buffer.length);
      at += piece.length;
      return piece.zero ? zero(work, here, piece.length) : data(work, here, piece.length, buffer);
    };
    return isPromise(found) ? found.then(step) : step(found);
  });
}

/** Whole units that are all zero, or else units with data in them. */
function pieceOf(unit: number, extent: ChainExtent, left: number, most: number): { readonly zero: boolean; readonly length: number } {
  const whole = extent.length >= left ? left : Math.floor(extent.length / unit) * unit;
  if (extent.zero && whole > 0) return { zero: true, length: whole };
  const rounded = extent.zero ? unit : Math.ceil(extent.length / unit) * unit;
  return { zero: false, length: Math.min(rounded, left, Math.floor(most / unit) * unit) };
}

function data({ source, target, dataFlags }: RangeCopy, at: number, length: number, buffer: Uint8Array): Completion {
  return andThen(
    failing('read', () => source.read(at, buffer, 0, length)),
    () => failing('write', () => target.write(at, buffer, 0, length, dataFlags)),
  );
}

/** Leaves alone what is zero in the target as it is: the whole of a new image. */
function zero({ target, zeroFlags }: RangeCopy, offset: number, length: number): Completion {
  let at = offset;
  const end = offset + length;
  return repeat(() => {
    if (at >= end) return false;
    const here = at;
    const found = failing('write', () => chainExtentAt(target.node, here, end - here));
    const step = (extent: ChainExtent): Completion => {
      const piece = Math.min(extent.length, end - here);
      at += piece;
      return extent.zero ? undefined : failing('write', () => target.writeZeroes(here, piece, zeroFlags));
    };
    return isPromise(found) ? found.then(step) : step(found);
  });
}
