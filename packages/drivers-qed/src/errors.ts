/** Every way in which a QED image or a wish about one can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** What is wrong with an image. The wording is QEMU's wherever it has one. */
export type QedDefect =
  | { readonly what: 'no-header' }
  | { readonly what: 'features'; readonly bits: bigint }
  | { readonly what: 'cluster-size'; readonly found: number }
  | { readonly what: 'table-size'; readonly found: number }
  | { readonly what: 'table-offset'; readonly offset: number | bigint }
  | { readonly what: 'image-size'; readonly found: bigint }
  | { readonly what: 'backing-name'; readonly offset: number; readonly size: number }
  | { readonly what: 'cluster-offset'; readonly offset: number | bigint }
  | { readonly what: 'memory'; readonly bytes: number; readonly limit: number }
  | { readonly what: 'inconsistent'; readonly corruptions: number };

const KINDS: Partial<Record<QedDefect['what'], BlockErrorKind>> = { features: 'unsupported', memory: 'policy' };

/** The only place in this package that builds a `BlockError` for a bad image. */
export function qedError(defect: QedDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'qed', reason: `qed/${defect.what}` });
}

/** An image that can't be made, or not be made so large. */
export function wishError(message: string): BlockError {
  return new BlockError('invalid-argument', message, { driver: 'qed' });
}

function describe(defect: QedDefect): string {
  switch (defect.what) {
    case 'no-header':
      return 'Image not in QED format';
    case 'features':
      return `Unsupported QED features: ${defect.bits.toString(16)}`;
    case 'cluster-size':
      return `QED cluster size is invalid (${defect.found})`;
    case 'table-size':
      return `QED table size is invalid (${defect.found})`;
    case 'table-offset':
      return `QED table offset is invalid (0x${defect.offset.toString(16)})`;
    case 'image-size':
      return `QED image size is invalid (${defect.found})`;
    case 'backing-name':
      return `QED backing filename offset is invalid (${defect.size} bytes at ${defect.offset})`;
    case 'cluster-offset':
      return `QED cluster offset is invalid (0x${defect.offset.toString(16)})`;
    case 'memory':
      return `The image needs ${defect.bytes} bytes of memory, beyond the limit of ${defect.limit}`;
    case 'inconsistent':
      return `The image was not closed, and its check finds ${defect.corruptions} errors that can't be repaired; it can be opened read-only`;
  }
}
