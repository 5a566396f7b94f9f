/** Every way in which a qcow image or a wish about one can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** What is wrong with an image. The wording is QEMU's wherever it has one. */
export type QcowDefect =
  | { readonly what: 'no-header' }
  | { readonly what: 'version'; readonly found: number }
  | { readonly what: 'too-small' }
  | { readonly what: 'too-large'; readonly size: bigint }
  | { readonly what: 'cluster-size' }
  | { readonly what: 'table-size' }
  | { readonly what: 'encryption'; readonly found: number }
  | { readonly what: 'name-size'; readonly found: number }
  | { readonly what: 'beyond-end'; readonly thing: string; readonly offset: bigint; readonly fileSize: number }
  | { readonly what: 'offset'; readonly thing: string; readonly offset: bigint };

const KINDS: Partial<Record<QcowDefect['what'], BlockErrorKind>> = { version: 'unsupported', encryption: 'unsupported', 'too-large': 'too-large' };

/** The only place in this package that builds a `BlockError` for a bad image. */
export function qcowError(defect: QcowDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'qcow', reason: `qcow/${defect.what}` });
}

/** Wishes that can't be granted. */
export function wishError(message: string, kind: BlockErrorKind = 'invalid-argument'): BlockError {
  return new BlockError(kind, message, { driver: 'qcow' });
}

function describe(defect: QcowDefect): string {
  switch (defect.what) {
    case 'no-header':
      return 'Image not in qcow format';
    case 'version':
      return `qcow (v1) does not support qcow version ${defect.found}${defect.found === 2 || defect.found === 3 ? "\nTry the 'qcow2' driver instead." : ''}`;
    case 'too-small':
      return 'Image size is too small (must be at least 2 bytes)';
    case 'too-large':
      return `Image too large (${defect.size} bytes)`;
    case 'cluster-size':
      return 'Cluster size must be between 512 and 64k';
    case 'table-size':
      return 'L2 table size must be between 512 and 64k';
    case 'encryption':
      return `invalid encryption method in qcow header (${defect.found})`;
    case 'name-size':
      return `Backing file name too long (${defect.found} bytes)`;
    case 'beyond-end':
      return `${defect.thing} at 0x${defect.offset.toString(16)} reaches beyond the end of the file at ${defect.fileSize}`;
    case 'offset':
      return `${defect.thing} can't be at 0x${defect.offset.toString(16)}`;
  }
}
