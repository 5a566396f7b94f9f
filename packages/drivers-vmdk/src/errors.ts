/** Every way in which a VMDK image or a wish about one can be refused, and the sentences for it. */
import { BlockError, MAX_SIZE, type BlockErrorKind } from '@blk/core-graph';

/** What is wrong with an image. The wording is QEMU's wherever it has one. */
export type VmdkDefect =
  | { readonly what: 'no-header' }
  | { readonly what: 'version'; readonly found: number }
  | { readonly what: 'read-only-version' }
  | { readonly what: 'line-ends' }
  | { readonly what: 'grain-size' }
  | { readonly what: 'table-size' }
  | { readonly what: 'directory-size' }
  | { readonly what: 'no-capacity' }
  | { readonly what: 'capacity'; readonly sectors: bigint | number }
  | { readonly what: 'truncated'; readonly need: number }
  | { readonly what: 'compression'; readonly found: number }
  | { readonly what: 'footer' }
  | { readonly what: 'footer-in-place' }
  | { readonly what: 'beyond-end'; readonly thing: string; readonly offset: number; readonly fileSize: number }
  | { readonly what: 'offset'; readonly thing: string; readonly offset: number }
  | { readonly what: 'one-directory'; readonly table: number }
  | { readonly what: 'tables-overlap'; readonly offset: number }
  | { readonly what: 'descriptor' }
  | { readonly what: 'descriptor-size'; readonly found: number }
  | { readonly what: 'content-id'; readonly found: string }
  | { readonly what: 'type'; readonly found: string }
  | { readonly what: 'extent-line'; readonly line: string }
  | { readonly what: 'extent-type'; readonly line: string }
  | { readonly what: 'no-extents' }
  | { readonly what: 'extent-size'; readonly filename: string; readonly told: number; readonly found: number }
  | { readonly what: 'extent-alone' }
  | { readonly what: 'device'; readonly line: string }
  | { readonly what: 'se-version'; readonly found: bigint }
  | { readonly what: 'se-grain-size'; readonly found: bigint }
  | { readonly what: 'se-table-size'; readonly found: bigint }
  | { readonly what: 'se-flags'; readonly found: bigint }
  | { readonly what: 'se-reserved'; readonly found: readonly bigint[] }
  | { readonly what: 'se-volatile' }
  | { readonly what: 'se-journal' }
  | { readonly what: 'se-entry'; readonly thing: string; readonly low: number; readonly high: number }
  | { readonly what: 'se-read-only' };

const KINDS: Partial<Record<VmdkDefect['what'], BlockErrorKind>> = {
  version: 'unsupported', 'read-only-version': 'read-only', compression: 'unsupported', type: 'unsupported', 'extent-type': 'unsupported',
  capacity: 'too-large', 'footer-in-place': 'read-only', 'extent-alone': 'unsupported', device: 'unsupported', 'se-version': 'unsupported',
  'se-grain-size': 'unsupported', 'se-table-size': 'unsupported', 'se-flags': 'unsupported', 'se-reserved': 'unsupported', 'se-journal': 'unsupported',
  'se-read-only': 'read-only',
};

/** The only place in this package that builds a `BlockError` for a bad image. */
export function vmdkError(defect: VmdkDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'vmdk', reason: `vmdk/${defect.what}` });
}

/** What is wrong with one of several files tells with which, behind the words that the reference has for it. */
export function inExtent(error: unknown, filename: string): unknown {
  if (!(error instanceof BlockError) || error.context.driver !== 'vmdk') return error;
  return new BlockError(error.kind, `${error.message} (in the extent '${filename}')`, error.context, error);
}

/** Wishes that can't be granted. */
export function wishError(message: string, kind: BlockErrorKind = 'invalid-argument'): BlockError {
  return new BlockError(kind, message, { driver: 'vmdk' });
}

/** What is found wrong while data is read. */
export function damagedGrain(offset: number, what: string, cause?: unknown): BlockError {
  return new BlockError('io', `Grain at 0x${offset.toString(16)} ${what}`, { driver: 'vmdk', reason: 'vmdk/grain', offset }, cause);
}

function describe(defect: VmdkDefect): string {
  switch (defect.what) {
    case 'no-header':
      return 'Image not in VMDK format';
    case 'version':
      return `Unsupported VMDK version ${defect.found}`;
    case 'read-only-version':
      return 'VMDK version 3 must be read only';
    case 'line-ends':
      return 'The image was changed as if it were text: the line ends in its header are not what they were';
    case 'grain-size':
      return 'Invalid granularity, image may be corrupt';
    case 'table-size':
      return 'L2 table size too big';
    case 'directory-size':
      return 'L1 entry size is invalid';
    case 'no-capacity':
      return 'The header tells of no sectors';
    case 'capacity':
      return `File too large: ${defect.sectors} sectors, where ${Math.floor(MAX_SIZE / 512)} are the limit`;
    case 'truncated':
      return `File truncated, expecting at least ${defect.need} bytes`;
    case 'compression':
      return `Unsupported compression ${defect.found}`;
    case 'footer-in-place':
      return 'An image whose tables are behind its grains, told by a footer, is only read';
    case 'footer':
      return 'Invalid footer';
    case 'beyond-end':
      return `${defect.thing} at 0x${defect.offset.toString(16)} reaches beyond the end of the file at ${defect.fileSize}`;
    case 'offset':
      return `${defect.thing} can't be at 0x${defect.offset.toString(16)}`;
    case 'one-directory':
      return `Grain table ${defect.table} is in one of the two grain directories only; the image can be read, and not be written to`;
    case 'tables-overlap':
      return `A grain table at 0x${defect.offset.toString(16)} lies over what is in use; the image can be read, and not be written to`;
    case 'descriptor':
      return 'invalid VMDK image descriptor';
    case 'descriptor-size':
      return `The descriptor takes ${defect.found} bytes, which is more than one can have`;
    case 'content-id':
      return `Invalid content identifier in the descriptor: ${defect.found}`;
    case 'type':
      return `Unsupported image type '${defect.found}'`;
    case 'extent-line':
      return `Invalid extent line: ${defect.line}`;
    case 'extent-type':
      return `Unsupported extent type: ${defect.line}`;
    case 'no-extents':
      return 'The descriptor names no extents';
    case 'extent-size':
      return `Extent '${defect.filename}' holds ${defect.found} bytes, the descriptor tells of ${defect.told}`;
    case 'extent-alone':
      return 'An extent of ESX tells neither its parent nor the other extents: the descriptor that names it has to be opened';
    case 'device':
      return `Unsupported extent type, a raw device mapping, whose data is not in a file: ${defect.line}`;
    case 'se-version':
      return `Unsupported version: ${hex64(defect.found)}`;
    case 'se-grain-size':
      return `Unsupported grain size: ${defect.found}`;
    case 'se-table-size':
      return `Unsupported grain table size: ${defect.found}`;
    case 'se-flags':
      return `Unsupported flags: ${hex64(defect.found)}`;
    case 'se-reserved':
      return `Unsupported reserved bits: ${defect.found.map(hex64).join(' ')}`;
    case 'se-volatile':
      return 'invalid VMDK image: the volatile header of the extent is damaged';
    case 'se-journal':
      return 'Image is dirty, Replaying journal not supported';
    case 'se-entry':
      return `Invalid entry of a ${defect.thing}: ${hex64((BigInt(defect.high) << 32n) | BigInt(defect.low))}`;
    case 'se-read-only':
      return 'No write support for seSparse images available';
  }
}

function hex64(value: bigint): string {
  return `0x${value.toString(16).padStart(16, '0')}`;
}
