/** Every way in which a cloop image can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';
import { MAX_BLOCK, MAX_BLOCKS } from './limits.js';

/** What is wrong with an image. The wording is QEMU's wherever it has one. */
export type CloopDefect =
  | { readonly what: 'block-size'; readonly found: number }
  | { readonly what: 'block-count'; readonly found: number }
  | { readonly what: 'too-many-offsets' }
  | { readonly what: 'table-memory'; readonly bytes: number; readonly allowed: number }
  | { readonly what: 'truncated'; readonly thing: string; readonly end: number; readonly fileSize: number }
  | { readonly what: 'order'; readonly index: number }
  | { readonly what: 'packed-size'; readonly index: number };

const KINDS: Partial<Record<CloopDefect['what'], BlockErrorKind>> = { 'too-many-offsets': 'too-large', 'block-count': 'too-large', 'table-memory': 'policy' };

/** The only place in this package that builds a `BlockError` for a bad image. */
export function cloopError(defect: CloopDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'cloop', reason: `cloop/${defect.what}` });
}

export function readOnlyError(): BlockError {
  return new BlockError('read-only', 'Image is read-only', { driver: 'cloop' });
}

/** A block that can't be had; `offset` is that of its bytes in the file. */
export function blockError(index: number, offset: number, what: string, cause?: unknown): BlockError {
  const message = `Compressed block ${index} at 0x${offset.toString(16)} ${what}`;
  return new BlockError('io', message, { driver: 'cloop', reason: 'cloop/block', offset }, cause);
}

function describe(defect: CloopDefect): string {
  switch (defect.what) {
    case 'block-size':
      if (defect.found === 0) return 'block_size cannot be zero';
      return defect.found > MAX_BLOCK ? `block_size ${defect.found} must be 64 MB or less` : `block_size ${defect.found} must be a multiple of 512`;
    case 'block-count':
      return `n_blocks ${defect.found} must be ${MAX_BLOCKS} or less`;
    case 'too-many-offsets':
      return 'image requires too many offsets, try increasing block size';
    case 'table-memory':
      return `The offsets take ${defect.bytes} bytes of memory, and ${defect.allowed} are allowed`;
    case 'truncated':
      return `${defect.thing} would end at ${defect.end}, beyond the end of the file at ${defect.fileSize}`;
    case 'order':
      return `offsets not monotonically increasing at index ${defect.index}, image file is corrupt`;
    case 'packed-size':
      return `invalid compressed block size at index ${defect.index}, image file is corrupt`;
  }
}
