/** A block table: bytes to checked chunks. All numbers are big-endian. */
import { dmgError, MAX_CHUNK_BYTES, MAX_CHUNK_SECTORS } from './errors.js';
import { checksumAt, type Checksum } from './trailer.js';

const HEADER_BYTES = 204;
const ROW_BYTES = 40;
const MAGIC = 0x6d69_7368;
const VERSION = 1;
const Field = { Version: 4, Start: 8, DataOffset: 24, Sum: 64, Rows: 200 } as const;
const Row = { Start: 8, Sectors: 16, Offset: 24, Length: 32 } as const;

/** How the bytes of a chunk are kept. */
export type ChunkKind = 'zero' | 'ignore' | 'raw' | 'adc' | 'zlib' | 'bzip2' | 'lzfse' | 'lzma' | 'unknown';

const KINDS: Readonly<Record<number, ChunkKind>> = {
  0: 'zero', 1: 'raw', 2: 'ignore', 0x8000_0004: 'adc', 0x8000_0005: 'zlib', 0x8000_0006: 'bzip2', 0x8000_0007: 'lzfse', 0x8000_0008: 'lzma',
};
/** Rows that describe nothing of the disk: remarks, and the end. */
const SILENT = new Set([0x7fff_fffe, 0xffff_ffff]);

export interface Chunk {
  readonly kind: ChunkKind;
  /** The number of the kind, for those that are unknown. */
  readonly type: number;
  /** Of the disk. */
  readonly start: number;
  readonly sectors: number;
  /** Of the file, in bytes; they may lie beyond its end. */
  readonly offset: number;
  readonly length: number;
}

export interface BlockTable {
  readonly chunks: readonly Chunk[];
  /** Of the content of all chunks but those of the kind `ignore`. */
  readonly sum: Checksum;
}

/** Untrusted bytes of table `index`; `dataOffset` is where the data fork begins in the file. Throws a `BlockError` and nothing else. */
export function parseBlockTable(bytes: Uint8Array, index: number, dataOffset: number): BlockTable {
  const refuse = (why: string): never => { throw dmgError({ what: 'block-table', index, why }); };
  if (bytes.length < HEADER_BYTES) refuse(`has ${bytes.length} bytes, which hold no header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== MAGIC) refuse('does not begin with mish');
  if (view.getUint32(Field.Version) !== VERSION) refuse(`has version ${view.getUint32(Field.Version)}`);
  const rows = view.getUint32(Field.Rows);
  if (HEADER_BYTES + rows * ROW_BYTES > bytes.length) refuse(`says that it has ${rows} rows, and has ${bytes.length} bytes`);
  const number = (value: bigint): number => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : refuse(`has a number beyond all disks: ${value}`));
  const first = view.getBigUint64(Field.Start);
  const base = BigInt(dataOffset) + view.getBigUint64(Field.DataOffset);
  const chunks: Chunk[] = [];
  for (let row = 0; row < rows; row++) {
    const at = HEADER_BYTES + row * ROW_BYTES;
    const type = view.getUint32(at);
    if (SILENT.has(type)) continue;
    const kind = KINDS[type] ?? 'unknown';
    const sectors = view.getBigUint64(at + Row.Sectors);
    const length = view.getBigUint64(at + Row.Length);
    if (kind !== 'zero' && kind !== 'ignore') {
      if (sectors > BigInt(MAX_CHUNK_SECTORS)) throw dmgError({ what: 'chunk-sectors', index: chunks.length, found: sectors });
      if (length > BigInt(MAX_CHUNK_BYTES)) throw dmgError({ what: 'chunk-length', index: chunks.length, found: length });
    }
    if (sectors === 0n) continue;
    const start = number(first + view.getBigUint64(at + Row.Start));
    // Their ends have to be numbers too, in bytes.
    number((BigInt(start) + sectors) * 512n);
    chunks.push({ kind, type, start, sectors: Number(sectors), offset: number(base + view.getBigUint64(at + Row.Offset)), length: number(length) });
  }
  return { chunks, sum: checksumAt(view, Field.Sum) };
}
