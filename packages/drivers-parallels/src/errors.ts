/** Every way in which an image of Parallels or a wish about one can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** What is wrong with an image. The wording is QEMU's wherever it has one. */
export type ParallelsDefect =
  | { readonly what: 'no-header' }
  | { readonly what: 'zero-cluster' }
  | { readonly what: 'cluster-size'; readonly sectors: number }
  | { readonly what: 'catalog-size'; readonly entries: number }
  | { readonly what: 'catalog-short'; readonly entries: number; readonly needed: number }
  | { readonly what: 'catalog-truncated'; readonly end: number; readonly fileSize: number }
  | { readonly what: 'memory'; readonly bytes: number; readonly limit: number }
  | { readonly what: 'size'; readonly sectors: bigint }
  | { readonly what: 'in-use'; readonly found: number }
  | { readonly what: 'not-closed' }
  | { readonly what: 'data-offset'; readonly found: number; readonly least: number }
  | { readonly what: 'empty-bit'; readonly cluster: number }
  | { readonly what: 'extension'; readonly why: string }
  | { readonly what: 'cluster'; readonly cluster: number; readonly why: string };

const KINDS: Partial<Record<ParallelsDefect['what'], BlockErrorKind>> = {
  size: 'too-large',
  'catalog-size': 'too-large',
  memory: 'policy',
  'not-closed': 'permission',
};

/** The only place in this package that builds a `BlockError` for a bad image. */
export function parallelsError(defect: ParallelsDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'parallels', reason: `parallels/${defect.what}` });
}

/** An image that can't be made. */
export function wishError(message: string): BlockError {
  return new BlockError('invalid-argument', message, { driver: 'parallels' });
}

function describe(defect: ParallelsDefect): string {
  switch (defect.what) {
    case 'no-header':
      return 'Image not in Parallels format';
    case 'zero-cluster':
      return 'Invalid image: Zero sectors per track';
    case 'cluster-size':
      return `Invalid image: Too big cluster (${defect.sectors} sectors)`;
    case 'catalog-size':
      return `Catalog too large (${defect.entries} entries)`;
    case 'catalog-short':
      return `Invalid image: catalog of ${defect.entries} entries, where the disk has ${defect.needed} clusters`;
    case 'catalog-truncated':
      return `Invalid image: catalog reaches to ${defect.end}, beyond the end of the file at ${defect.fileSize}`;
    case 'memory':
      return `The image needs ${defect.bytes} bytes of memory, beyond the limit of ${defect.limit}`;
    case 'size':
      return `Image of ${defect.sectors} sectors is too large`;
    case 'in-use':
      return `Invalid image: state of use 0x${defect.found.toString(16)}`;
    case 'not-closed':
      return 'parallels: Image was not closed correctly; cannot be opened read/write';
    case 'data-offset':
      return `Invalid image: data offset of ${defect.found} sectors, where at least ${defect.least} in whole clusters are right`;
    case 'empty-bit':
      return `Invalid image: marked as empty, but cluster ${defect.cluster} is there`;
    case 'extension':
      return defect.why;
    case 'cluster':
      return `Invalid image: cluster ${defect.cluster} ${defect.why}`;
  }
}
