/** Every way in which a VHD image or a wish about one can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** What is wrong with an image. The wording is QEMU's wherever it has one. */
export type VpcDefect =
  | { readonly what: 'too-small' }
  | { readonly what: 'no-footer' }
  | { readonly what: 'footer-checksum' }
  | { readonly what: 'header-magic' }
  | { readonly what: 'header-checksum' }
  | { readonly what: 'version'; readonly structure: string; readonly found: number }
  | { readonly what: 'disk-type'; readonly found: number }
  | { readonly what: 'size'; readonly found: number }
  | { readonly what: 'fixed-truncated'; readonly size: number; readonly fileSize: number }
  | { readonly what: 'block-size'; readonly found: number }
  | { readonly what: 'table-entries'; readonly found: number }
  | { readonly what: 'table-small' }
  | { readonly what: 'table-memory'; readonly bytes: number; readonly limit: number }
  | { readonly what: 'offset'; readonly structure: string; readonly found: number }
  | { readonly what: 'truncated' }
  | { readonly what: 'overlap'; readonly block: number; readonly other: string }
  | { readonly what: 'no-parent' }
  | { readonly what: 'parent-id'; readonly expected: string; readonly found: string };

const KINDS: Partial<Record<VpcDefect['what'], BlockErrorKind>> = {
  version: 'unsupported',
  'disk-type': 'unsupported',
  size: 'too-large',
  'table-entries': 'too-large',
  'table-memory': 'policy',
};

/** The only place in this package that builds a `BlockError` for a bad image. */
export function vpcError(defect: VpcDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'vpc', reason: `vpc/${defect.what}` });
}

/** A refused option or argument. */
export function argumentError(message: string, kind: BlockErrorKind = 'invalid-argument'): BlockError {
  return new BlockError(kind, message, { driver: 'vpc' });
}

function describe(defect: VpcDefect): string {
  switch (defect.what) {
    case 'too-small':
      return 'File too small for a VHD header';
    case 'no-footer':
      return 'invalid VPC image';
    case 'footer-checksum':
      return 'Incorrect header checksum';
    case 'header-magic':
      return 'Invalid header magic';
    case 'header-checksum':
      return 'Incorrect checksum of the dynamic disk header';
    case 'version':
      return `Unsupported version 0x${defect.found.toString(16)} of the ${defect.structure}`;
    case 'disk-type':
      return `Unsupported VHD disk type ${defect.found}`;
    case 'size':
      return `A disk of ${defect.found} bytes is beyond the limit of 2040 GiB`;
    case 'fixed-truncated':
      return `The disk of ${defect.size} bytes reaches beyond the end of the file at ${defect.fileSize}. The image has been truncated.`;
    case 'block-size':
      return `Invalid block size ${defect.found}`;
    case 'table-entries':
      return `Max Table Entries too large (${defect.found})`;
    case 'table-small':
      return 'Page table too small';
    case 'table-memory':
      return `A block table of ${defect.bytes} bytes is beyond the limit of ${defect.limit} bytes for the metadata of one image`;
    case 'offset':
      return `Invalid offset ${defect.found} of the ${defect.structure}`;
    case 'truncated':
      return 'block-vpc: free_data_block_offset points after the end of file. The image has been truncated.';
    case 'overlap':
      return `Block ${defect.block} lies over ${defect.other}`;
    case 'no-parent':
      return 'The differencing image does not name its parent';
    case 'parent-id':
      return `The parent has the identifier ${defect.found}, expected is ${defect.expected}`;
  }
}
