/** Every way in which a disk image can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** The reference takes no more of one chunk. */
export const MAX_CHUNK_SECTORS = 131_072;
export const MAX_CHUNK_BYTES = 64 * 1024 * 1024;

/** What is wrong with an image. The wording is QEMU's wherever it has one. */
export type DmgDefect =
  | { readonly what: 'too-small' }
  | { readonly what: 'no-trailer' }
  | { readonly what: 'encrypted' }
  | { readonly what: 'segments'; readonly found: number }
  | { readonly what: 'too-large'; readonly sectors: bigint }
  | { readonly what: 'no-tables' }
  | { readonly what: 'range'; readonly thing: string; readonly offset: bigint; readonly length: bigint; readonly fileSize: number }
  | { readonly what: 'table-memory'; readonly bytes: number; readonly allowed: number }
  | { readonly what: 'plist'; readonly why: string }
  | { readonly what: 'resource-fork'; readonly why: string }
  | { readonly what: 'block-table'; readonly index: number; readonly why: string }
  | { readonly what: 'chunk-sectors'; readonly index: number; readonly found: bigint }
  | { readonly what: 'chunk-length'; readonly index: number; readonly found: bigint }
  | { readonly what: 'overlap'; readonly sector: number };

const KINDS: Partial<Record<DmgDefect['what'], BlockErrorKind>> = { encrypted: 'unsupported', segments: 'unsupported', 'too-large': 'too-large', 'table-memory': 'policy' };

/** The only place in this package that builds a `BlockError` for a bad image. */
export function dmgError(defect: DmgDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'dmg', reason: `dmg/${defect.what}` });
}

export function readOnlyError(): BlockError {
  return new BlockError('read-only', 'Image is read-only', { driver: 'dmg' });
}

/** A chunk that can't be had; `sector` is its first one of the disk. */
export function chunkError(sector: number, what: string, cause?: unknown): BlockError {
  return new BlockError('io', `The chunk at sector ${sector} ${what}`, { driver: 'dmg', reason: 'dmg/chunk', offset: sector * 512 }, cause);
}

function describe(defect: DmgDefect): string {
  switch (defect.what) {
    case 'too-small':
      return 'dmg file must be at least 512 bytes long';
    case 'no-trailer':
      return 'Could not locate UDIF trailer in dmg file';
    case 'encrypted':
      return 'Encrypted disk images are not supported';
    case 'segments':
      return `The image is one of ${defect.found} segment files, which are not supported`;
    case 'too-large':
      return `A disk of ${defect.sectors} sectors is too large`;
    case 'no-tables':
      return 'The image has neither a property list nor a resource fork, and its data is not the disk';
    case 'range':
      return `${defect.thing} at 0x${defect.offset.toString(16)} of ${defect.length} bytes reaches beyond the end of the file at ${defect.fileSize}`;
    case 'table-memory':
      return `The tables take ${defect.bytes} bytes of memory, and ${defect.allowed} are allowed`;
    case 'plist':
      return `The property list ${defect.why}`;
    case 'resource-fork':
      return `The resource fork ${defect.why}`;
    case 'block-table':
      return `Block table ${defect.index} ${defect.why}`;
    case 'chunk-sectors':
      return `sector count ${defect.found} for chunk ${defect.index} is larger than max (${MAX_CHUNK_SECTORS})`;
    case 'chunk-length':
      return `length ${defect.found} for chunk ${defect.index} is larger than max (${MAX_CHUNK_BYTES})`;
    case 'overlap':
      return `Two chunks hold sector ${defect.sector}`;
  }
}
