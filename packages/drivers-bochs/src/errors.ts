/** Every way in which a growing disk can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** What is wrong with an image. The wording is QEMU's wherever it has one. */
export type BochsDefect =
  | { readonly what: 'no-header' }
  | { readonly what: 'extent-size'; readonly found: number }
  | { readonly what: 'catalog-large' }
  | { readonly what: 'catalog-small' }
  | { readonly what: 'header-size'; readonly found: number }
  | { readonly what: 'bitmap-size'; readonly found: number; readonly needed: number }
  | { readonly what: 'truncated'; readonly end: number; readonly fileSize: number }
  | { readonly what: 'table-memory'; readonly bytes: number; readonly allowed: number };

const KINDS: Partial<Record<BochsDefect['what'], BlockErrorKind>> = { 'catalog-large': 'too-large', 'table-memory': 'policy' };
export const MIN_EXTENT = 512;
/** Of the largest disks that are described; the reference takes half of it. */
export const MAX_EXTENT = 16 * 1024 * 1024;

/** The only place in this package that builds a `BlockError` for a bad image. */
export function bochsError(defect: BochsDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'bochs', reason: `bochs/${defect.what}` });
}

export function readOnlyError(): BlockError {
  return new BlockError('read-only', 'Image is read-only', { driver: 'bochs' });
}

/** Something of an extent that the catalog places beyond the end of the file. */
export function beyondEnd(thing: string, offset: number, fileSize: number): BlockError {
  const message = `${thing} at 0x${offset.toString(16)} reaches beyond the end of the file at ${fileSize}`;
  return new BlockError('io', message, { driver: 'bochs', reason: 'bochs/beyond-end', offset });
}

function describe(defect: BochsDefect): string {
  switch (defect.what) {
    case 'no-header':
      return 'Image not in Bochs format';
    case 'extent-size':
      if (defect.found < MIN_EXTENT) return `Extent size must be at least ${MIN_EXTENT}`;
      return Math.log2(defect.found) % 1 === 0 ? `Extent size ${defect.found} is too large` : `Extent size ${defect.found} is not a power of two`;
    case 'catalog-large':
      return 'Catalog size is too large';
    case 'catalog-small':
      return 'Catalog size is too small for this disk size';
    case 'header-size':
      return `A header of ${defect.found} bytes does not hold its own fields`;
    case 'bitmap-size':
      return `A bitmap of ${defect.found} bytes is too small for an extent, which needs ${defect.needed}`;
    case 'truncated':
      return `The catalog would end at ${defect.end}, beyond the end of the file at ${defect.fileSize}`;
    case 'table-memory':
      return `The catalog takes ${defect.bytes} bytes of memory, and ${defect.allowed} are allowed`;
  }
}
