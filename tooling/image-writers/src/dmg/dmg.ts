/** Disk images of Apple (UDIF): chunks, the tables that say where they belong, and the trailer. */
import { crc32, deflateSync } from 'node:zlib';
import { packAdc } from './adc.js';
import { packLzfse, type LzfseBlock } from './lzfse.js';
import { propertyList, resourceFork } from './resource-fork.js';

/** Chunks whose packer another program has to be are given packed. */
export type DmgChunk =
  | { readonly kind: 'zero'; readonly sectors: number }
  | { readonly kind: 'ignore'; readonly sectors: number }
  | { readonly kind: 'raw' | 'zlib' | 'adc'; readonly content: Uint8Array }
  | { readonly kind: 'lzfse'; readonly content: Uint8Array; readonly blocks?: readonly LzfseBlock[] }
  | { readonly kind: 'bzip2' | 'lzma'; readonly content: Uint8Array; readonly packed: Uint8Array }
  | { readonly kind: 'other'; readonly type: number; readonly content: Uint8Array; readonly packed: Uint8Array };

export interface DmgPartition {
  /** Sector of the disk; behind the partition before unless given. */
  readonly start?: number;
  readonly chunks: readonly DmgChunk[];
}

export interface DmgOptions {
  /** Tables in a resource fork instead of a property list. */
  readonly resourceFork?: boolean;
  /** Bytes before the data fork. */
  readonly before?: Uint8Array;
  /** Bytes behind the trailer. */
  readonly behind?: Uint8Array;
  /** The trailer comes first, as that of an image whose parts were known before it was written. */
  readonly trailerFirst?: boolean;
  /** Sectors of the disk; those of the partitions unless given. */
  readonly sectors?: number;
}

const SECTOR = 512;
const TYPES = { zero: 0, raw: 1, ignore: 2, adc: 0x8000_0004, zlib: 0x8000_0005, bzip2: 0x8000_0006, lzfse: 0x8000_0007, lzma: 0x8000_0008 };
const COMMENT = 0x7fff_fffe;
const TERMINATOR = 0xffff_ffff;
const CRC32 = 2;

export function dmgImage(partitions: readonly DmgPartition[], options: DmgOptions = {}): Uint8Array {
  const data: Uint8Array[] = [];
  const tables: Uint8Array[] = [];
  const sums: number[] = [];
  let length = 0;
  let sector = 0;
  for (const { start = sector, chunks } of partitions) {
    const rows: bigint[][] = [];
    let at = 0;
    let sum = 0;
    for (const chunk of chunks) {
      const content = contentOf(chunk);
      const packed = pack(chunk);
      const type = chunk.kind === 'other' ? chunk.type : TYPES[chunk.kind];
      rows.push([BigInt(type), BigInt(at), BigInt(content.length / SECTOR), BigInt(length), BigInt(packed.length)]);
      data.push(packed);
      length += packed.length;
      at += content.length / SECTOR;
      // What nobody is to look at does not count.
      if (chunk.kind !== 'ignore') sum = crc32(content, sum);
    }
    rows.unshift([BigInt(COMMENT), 0n, 0n, 0n, 0n]);
    rows.push([BigInt(TERMINATOR), BigInt(at), 0n, BigInt(length), 0n]);
    tables.push(blockTable(start, at, rows, sum));
    sums.push(sum);
    sector = start + at;
  }
  return assemble(Buffer.concat(data), tables, { ...options, sectors: options.sectors ?? sector, sums });
}

/** What the disk reads as; sectors between partitions are zero. */
export function dmgContent(partitions: readonly DmgPartition[]): Uint8Array {
  const parts: { readonly at: number; readonly content: Uint8Array }[] = [];
  let sector = 0;
  for (const { start = sector, chunks } of partitions) {
    sector = start;
    for (const chunk of chunks) {
      const content = contentOf(chunk);
      parts.push({ at: sector * SECTOR, content });
      sector += content.length / SECTOR;
    }
  }
  const whole = new Uint8Array(sector * SECTOR);
  for (const { at, content } of parts) whole.set(content, at);
  return whole;
}

function contentOf(chunk: DmgChunk): Uint8Array {
  return 'sectors' in chunk ? new Uint8Array(chunk.sectors * SECTOR) : chunk.content;
}

function pack(chunk: DmgChunk): Uint8Array {
  if ('sectors' in chunk) return new Uint8Array(0);
  if ('packed' in chunk) return chunk.packed;
  if (chunk.kind === 'zlib') return deflateSync(chunk.content);
  if (chunk.kind === 'adc') return packAdc(chunk.content);
  return chunk.kind === 'lzfse' ? packLzfse(chunk.content, chunk.blocks) : chunk.content;
}

function blockTable(start: number, sectors: number, rows: readonly (readonly bigint[])[], sum: number): Uint8Array {
  const bytes = Buffer.alloc(204 + 40 * rows.length);
  bytes.write('mish');
  bytes.writeUInt32BE(1, 4);
  bytes.writeBigUInt64BE(BigInt(start), 8);
  bytes.writeBigUInt64BE(BigInt(sectors), 16);
  bytes.writeUInt32BE(2056, 32);
  writeSum(bytes, 64, sum);
  bytes.writeUInt32BE(rows.length, 200);
  for (const [index, [type, ...numbers]] of rows.entries()) {
    bytes.writeUInt32BE(Number(type), 204 + 40 * index);
    for (const [place, value] of numbers.entries()) bytes.writeBigUInt64BE(value, 204 + 40 * index + 8 + 8 * place);
  }
  return bytes;
}

function writeSum(bytes: Buffer, at: number, sum: number): void {
  bytes.writeUInt32BE(CRC32, at);
  bytes.writeUInt32BE(32, at + 4);
  bytes.writeUInt32BE(sum, at + 8);
}

function assemble(data: Uint8Array, tables: readonly Uint8Array[], options: DmgOptions & { readonly sectors: number; readonly sums: readonly number[] }): Uint8Array {
  const { before = new Uint8Array(0), behind = new Uint8Array(0), trailerFirst = false, sectors, sums } = options;
  const start = before.length + (trailerFirst ? SECTOR : 0);
  const inFork = options.resourceFork === true;
  const map = inFork ? resourceFork(tables) : propertyList(tables);
  const trailer = Buffer.alloc(SECTOR);
  const u64 = (at: number, value: number): void => { trailer.writeBigUInt64BE(BigInt(value), at); };
  trailer.write('koly');
  for (const [index, value] of [4, SECTOR, 1].entries()) trailer.writeUInt32BE(value, 4 + 4 * index);
  u64(24, start);
  u64(32, data.length);
  u64(inFork ? 40 : 216, start + data.length);
  u64(inFork ? 48 : 224, map.length);
  trailer.writeUInt32BE(1, 56);
  trailer.writeUInt32BE(1, 60);
  writeSum(trailer, 80, crc32(data));
  const all = Buffer.alloc(4 * sums.length);
  for (const [index, sum] of sums.entries()) all.writeUInt32BE(sum, 4 * index);
  writeSum(trailer, 352, crc32(all));
  trailer.writeUInt32BE(1, 488);
  u64(492, sectors);
  return new Uint8Array(Buffer.concat(trailerFirst ? [trailer, before, data, map, behind] : [before, data, map, trailer, behind]));
}
