/** Every way in which a VDI image or a wish about one can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** What is wrong with an image. The wording is QEMU's wherever it has one. */
export type VdiDefect =
  | { readonly what: 'truncated'; readonly got: number }
  | { readonly what: 'bad-signature'; readonly found: number }
  | { readonly what: 'version'; readonly major: number; readonly minor: number }
  | { readonly what: 'header-size'; readonly found: number }
  | { readonly what: 'differencing'; readonly type: string }
  | { readonly what: 'type'; readonly found: number }
  | { readonly what: 'block-extra'; readonly found: number }
  | { readonly what: 'sector-size'; readonly found: number }
  | { readonly what: 'block-size'; readonly found: number }
  | { readonly what: 'unaligned'; readonly thing: string; readonly offset: number }
  | { readonly what: 'overlap'; readonly thing: string; readonly offset: number; readonly end: number }
  | { readonly what: 'too-many-blocks'; readonly found: number }
  | { readonly what: 'size'; readonly found: bigint }
  | { readonly what: 'no-room'; readonly size: number; readonly room: number }
  | { readonly what: 'map-truncated'; readonly end: number; readonly fileSize: number }
  | { readonly what: 'used-memory'; readonly blocks: number; readonly limit: number }
  | { readonly what: 'block-range'; readonly block: number; readonly found: number; readonly blocks: number }
  | { readonly what: 'block-shared'; readonly block: number; readonly found: number }
  | { readonly what: 'block-beyond-end'; readonly block: number; readonly end: number; readonly fileSize: number };

/** The reference's limits: what a block map of 2 GiB has room for. */
export const MAX_BLOCKS = 0x1fff_ff80;
export const MAX_DISK = MAX_BLOCKS * 1024 * 1024;

const KINDS: Partial<Record<VdiDefect['what'], BlockErrorKind>> = {
  version: 'unsupported',
  differencing: 'unsupported',
  type: 'unsupported',
  'block-extra': 'unsupported',
  'sector-size': 'unsupported',
  'too-many-blocks': 'too-large',
  size: 'too-large',
  'used-memory': 'policy',
};

/** The only place in this package that builds a `BlockError` for a bad image. */
export function vdiError(defect: VdiDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'vdi', reason: `vdi/${defect.what}` });
}

/** A disk of this size has no place in the format. */
export function sizeError(size: number | bigint): BlockError {
  const message = `Unsupported VDI image size (size is 0x${size.toString(16)}, max supported is 0x${MAX_DISK.toString(16)})`;
  return new BlockError('unsupported', message, { driver: 'vdi', reason: 'vdi/size' });
}

function describe(defect: VdiDefect): string {
  switch (defect.what) {
    case 'truncated':
      return `Image not in VDI format (${defect.got} bytes are no header)`;
    case 'bad-signature':
      return `Image not in VDI format (bad signature ${defect.found.toString(16).padStart(8, '0')})`;
    case 'version':
      return `unsupported VDI image (version ${defect.major}.${defect.minor})`;
    case 'header-size':
      return `invalid VDI image (header size ${defect.found} is less than 384)`;
    case 'differencing':
      return `unsupported VDI image (${defect.type})`;
    case 'type':
      return `unsupported VDI image (image type ${defect.found})`;
    case 'block-extra':
      return `unsupported VDI image (${defect.found} bytes of metadata in each block)`;
    case 'sector-size':
      return `unsupported VDI image (sector size ${defect.found} is not 512)`;
    case 'block-size':
      return `invalid VDI image (block size ${defect.found} is no multiple of 512 up to 1 GiB)`;
    case 'unaligned':
      return `unsupported VDI image (unaligned ${defect.thing} offset 0x${defect.offset.toString(16)})`;
    case 'overlap':
      return `invalid VDI image (${defect.thing} offset 0x${defect.offset.toString(16)} lies before 0x${defect.end.toString(16)})`;
    case 'too-many-blocks':
      return `unsupported VDI image (too many blocks ${defect.found}, max is ${MAX_BLOCKS})`;
    case 'size':
      return sizeError(defect.found).message;
    case 'no-room':
      return `unsupported VDI image (disk size ${defect.size}, image bitmap has room for ${defect.room})`;
    case 'map-truncated':
      return `invalid VDI image (block map reaches to ${defect.end}, beyond the end of the file at ${defect.fileSize})`;
    case 'used-memory':
      return `The file has holes all over between the ${defect.blocks} blocks of the disk: to keep them in mind takes more than the limit of ${defect.limit} bytes`;
    case 'block-range':
      return `invalid VDI image (block index ${defect.block} too large, is ${defect.found} of ${defect.blocks})`;
    case 'block-shared':
      return `invalid VDI image (block ${defect.found} of the file is used twice, the second time for block index ${defect.block})`;
    case 'block-beyond-end':
      return `invalid VDI image (block index ${defect.block} reaches to ${defect.end}, beyond the end of the file at ${defect.fileSize})`;
  }
}
