/** The header of dynamic and differencing disks: where the block table is, how large the blocks, and who the parent. */
import { vpcError } from './errors.js';
import { checksum, HEADER_BYTES, hasText, putText, putU64, SECTOR, u64, viewOf } from './format.js';
import { parentName, type Locator } from './parent.js';

const MAGIC = 'cxsparse';
const VERSION = 0x0001_0000;
const CHECKSUM_AT = 36;
const LOCATORS_AT = 576;
const LOCATORS = 8;
/** What a table of 2^31 bytes holds. */
const MAX_ENTRIES = 0x1fff_ffff;

export interface DynamicHeader {
  readonly tableOffset: number;
  readonly tableEntries: number;
  /** Bytes of data in one block; a power of two. */
  readonly blockSize: number;
  readonly parentId: Uint8Array;
  /** UTF-16, as the header itself has it; may be empty. */
  readonly parentUnicodeName: string;
  readonly locators: readonly Locator[];
}

/** Bytes to checked header. Throws a `BlockError` and nothing else. */
export function parseDynamicHeader(bytes: Uint8Array): DynamicHeader {
  if (bytes.length < HEADER_BYTES || !hasText(bytes, 0, MAGIC)) throw vpcError({ what: 'header-magic' });
  const view = viewOf(bytes);
  if (view.getUint32(CHECKSUM_AT) !== checksum(bytes.subarray(0, HEADER_BYTES), CHECKSUM_AT)) throw vpcError({ what: 'header-checksum' });
  const version = view.getUint32(24);
  if (version >>> 16 !== VERSION >>> 16) throw vpcError({ what: 'version', structure: 'dynamic disk header', found: version });
  const blockSize = view.getUint32(32);
  if (blockSize < SECTOR || (blockSize & (blockSize - 1)) !== 0) throw vpcError({ what: 'block-size', found: blockSize });
  const tableEntries = view.getUint32(28);
  if (tableEntries > MAX_ENTRIES) throw vpcError({ what: 'table-entries', found: tableEntries });
  const tableOffset = u64(view, 16);
  // An entry must never be torn between two sectors.
  if (tableOffset % SECTOR !== 0 || tableOffset === 0) throw vpcError({ what: 'offset', structure: 'block table', found: tableOffset });
  return {
    tableOffset,
    tableEntries,
    blockSize,
    parentId: bytes.slice(40, 56),
    parentUnicodeName: parentName(bytes.subarray(64, LOCATORS_AT)),
    locators: Array.from({ length: LOCATORS }, (_, index) => {
      const at = LOCATORS_AT + index * 24;
      return { platform: String.fromCharCode(...bytes.subarray(at, at + 4)), length: view.getUint32(at + 8), offset: u64(view, at + 16) };
    }),
  };
}

export function encodeDynamicHeader(tableOffset: number, tableEntries: number, blockSize: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  putText(bytes, 0, MAGIC);
  bytes.fill(0xff, 8, 16);
  putU64(view, 16, tableOffset);
  view.setUint32(24, VERSION);
  view.setUint32(28, tableEntries);
  view.setUint32(32, blockSize);
  view.setUint32(CHECKSUM_AT, checksum(bytes, CHECKSUM_AT));
  return bytes;
}
