/** Every way in which a qcow2 image or a wish about one can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** What is wrong with an image. The wording is QEMU's wherever it has one. */
export type Qcow2Defect =
  | { readonly what: 'bad-magic' }
  | { readonly what: 'version'; readonly found: number }
  | { readonly what: 'cluster-size'; readonly bits: number }
  | { readonly what: 'subcluster-size'; readonly bytes: number }
  | { readonly what: 'header-short' }
  | { readonly what: 'header-long' }
  | { readonly what: 'backing-offset' }
  | { readonly what: 'backing-name-long' }
  | { readonly what: 'extension-long' }
  | { readonly what: 'extension'; readonly text: string }
  | { readonly what: 'features'; readonly names: readonly string[] }
  | { readonly what: 'not-supported'; readonly feature: string }
  | { readonly what: 'compression-type'; readonly text: string }
  | { readonly what: 'encryption-method'; readonly found: number }
  | { readonly what: 'refcount-width' }
  | { readonly what: 'table-offset'; readonly table: string }
  | { readonly what: 'table-size'; readonly table: string; readonly bytes: number; readonly limit: number }
  | { readonly what: 'table-missing' }
  | { readonly what: 'table-truncated'; readonly table: string; readonly end: number; readonly fileSize: number }
  | { readonly what: 'table-memory'; readonly bytes: number; readonly limit: number }
  | { readonly what: 'l1-small'; readonly needed: number; readonly found: number }
  | { readonly what: 'size' }
  | { readonly what: 'corrupt' }
  | { readonly what: 'snapshot-table'; readonly text: string }
  | { readonly what: 'bitmaps'; readonly text: string }
  | { readonly what: 'dirty'; readonly text: string };

const KINDS: Partial<Record<Qcow2Defect['what'], BlockErrorKind>> = {
  features: 'unsupported',
  'not-supported': 'unsupported',
  version: 'unsupported',
  'encryption-method': 'unsupported',
  size: 'too-large',
  'table-size': 'too-large',
  'table-memory': 'policy',
  corrupt: 'corrupt',
  dirty: 'corrupt',
};

/** The only place in this package that builds a `BlockError` for a bad image. */
export function qcow2Error(defect: Qcow2Defect): BlockError {
  const kind = KINDS[defect.what] ?? 'invalid-image';
  return new BlockError(kind, describe(defect), { driver: 'qcow2', reason: `qcow2/${defect.what}` });
}

/** A refused option or argument. */
export function argumentError(message: string, kind: BlockErrorKind = 'invalid-argument'): BlockError {
  return new BlockError(kind, message, { driver: 'qcow2' });
}

function describe(defect: Qcow2Defect): string {
  switch (defect.what) {
    case 'bad-magic':
      return 'Image is not in qcow2 format';
    case 'version':
      return `Unsupported qcow2 version ${defect.found}`;
    case 'cluster-size':
      return `Unsupported cluster size: 2^${defect.bits}`;
    case 'subcluster-size':
      return `Unsupported subcluster size: ${defect.bytes}`;
    case 'header-short':
      return 'qcow2 header too short';
    case 'header-long':
      return 'qcow2 header exceeds cluster size';
    case 'backing-offset':
      return 'Invalid backing file offset';
    case 'backing-name-long':
      return 'Backing file name too long';
    case 'extension-long':
      return 'Header extension too large';
    case 'features':
      return `Unsupported qcow2 feature(s): ${defect.names.join(', ')}`;
    case 'not-supported':
      return `qcow2 images with ${defect.feature} are not supported`;
    case 'encryption-method':
      return `Unsupported encryption method ${defect.found | 0}`;
    case 'refcount-width':
      return 'Reference count entry width too large; may not exceed 64 bits';
    case 'table-offset':
      return `${defect.table} offset invalid`;
    case 'table-size':
      return `${defect.table} too large`;
    case 'table-missing':
      return 'Image does not contain a reference count table';
    case 'table-truncated':
      return `${defect.table} reaches to ${defect.end}, beyond the end of the file at ${defect.fileSize}`;
    case 'table-memory':
      return `Tables of ${defect.bytes} bytes are beyond the limit of ${defect.limit} bytes for the metadata of one image`;
    case 'l1-small':
      return 'L1 table is too small';
    case 'size':
      return 'Image is too big';
    case 'corrupt':
      return 'qcow2: Image is corrupt; cannot be opened read/write';
    case 'dirty':
      return `Could not repair dirty image: ${defect.text}`;
    case 'extension':
    case 'compression-type':
    case 'snapshot-table':
    case 'bitmaps':
      return defect.text;
  }
}
