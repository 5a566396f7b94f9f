/** Every way in which a VHDX image or a wish about one can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** What is wrong with an image. */
export type VhdxDefect =
  | { readonly what: 'no-magic' }
  | { readonly what: 'no-header' }
  | { readonly what: 'version'; readonly of: string; readonly found: number }
  | { readonly what: 'regions' }
  | { readonly what: 'unknown-region'; readonly id: string }
  | { readonly what: 'unknown-item'; readonly id: string }
  | { readonly what: 'missing'; readonly part: string }
  | { readonly what: 'range'; readonly part: string; readonly offset: number; readonly length: number }
  | { readonly what: 'overlap'; readonly part: string; readonly other: string }
  | { readonly what: 'metadata'; readonly text: string }
  | { readonly what: 'size'; readonly found: number }
  | { readonly what: 'log-memory'; readonly bytes: number; readonly limit: number }
  | { readonly what: 'scattered'; readonly limit: number }
  | { readonly what: 'block-state'; readonly block: number; readonly found: number }
  | { readonly what: 'block-range'; readonly block: number; readonly offset: number; readonly fileSize: number }
  | { readonly what: 'no-bitmap'; readonly block: number }
  | { readonly what: 'log'; readonly text: string }
  | { readonly what: 'log-pending'; readonly filename: string }
  | { readonly what: 'truncated'; readonly size: number; readonly fileSize: number }
  | { readonly what: 'parent'; readonly text: string }
  | { readonly what: 'differencing' };

const KINDS: Partial<Record<VhdxDefect['what'], BlockErrorKind>> = {
  version: 'unsupported',
  'unknown-region': 'unsupported',
  'unknown-item': 'unsupported',
  size: 'too-large',
  'log-memory': 'policy',
  scattered: 'policy',
  'log-pending': 'permission',
  differencing: 'read-only',
};

/** The only place in this package that builds a `BlockError` for a bad image. */
export function vhdxError(defect: VhdxDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'vhdx', reason: `vhdx/${defect.what}` });
}

/** A refused option or argument. */
export function argumentError(message: string, kind: BlockErrorKind = 'invalid-argument'): BlockError {
  return new BlockError(kind, message, { driver: 'vhdx' });
}

function describe(defect: VhdxDefect): string {
  switch (defect.what) {
    case 'no-magic':
      return 'Image is not in vhdx format';
    case 'no-header':
      return 'No valid VHDX header found';
    case 'version':
      return `Unsupported version ${defect.found} of the VHDX ${defect.of}`;
    case 'regions':
      return 'No valid region table found';
    case 'unknown-region':
      return `The image needs the region ${defect.id}, which is not known`;
    case 'unknown-item':
      return `The image needs the metadata item ${defect.id}, which is not known`;
    case 'missing':
      return `The image has no ${defect.part}`;
    case 'range':
      return `The ${defect.part} of ${defect.length} bytes cannot lie at ${defect.offset}`;
    case 'overlap':
      return `The ${defect.part} lies over the ${defect.other}`;
    case 'metadata':
    case 'log':
    case 'parent':
      return defect.text;
    case 'size':
      return `A disk of ${defect.found} bytes is beyond the limit of 64 TiB`;
    case 'log-memory':
      return `A log of ${defect.bytes} bytes is beyond the limit of ${defect.limit} bytes for the metadata of one image`;
    case 'scattered':
      return `The blocks lie so scattered that to find out whether they lie over each other takes more than the limit of ${defect.limit} bytes`;
    case 'block-state':
      return `Block ${defect.block} has the state ${defect.found}, which means nothing here`;
    case 'block-range':
      return `Block ${defect.block} at ${defect.offset} reaches beyond the end of the file at ${defect.fileSize}`;
    case 'no-bitmap':
      return `Block ${defect.block} is held in part, but has no sector bitmap`;
    case 'log-pending':
      return `VHDX image file '${defect.filename}' opened read-only, but contains a log that needs to be replayed\nTo replay the log, run:\nqemu-img check -r all '${defect.filename}'`;
    case 'truncated':
      return `The image had ${defect.size} bytes when its log was written, and has ${defect.fileSize} now: it has been truncated`;
    case 'differencing':
      return 'Differencing VHDX images can only be read';
  }
}
