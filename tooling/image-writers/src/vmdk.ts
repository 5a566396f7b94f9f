/** Disks of ESX: descriptors, and the two sparse kinds of extents that only ESX writes. */
import { prng } from '@blk/oracle';

const SECTOR = 512;

export interface VmdkDescriptor {
  readonly createType: string;
  /** Lines of the extents. */
  readonly extents: readonly string[];
  /** 8 hexadecimal digits. */
  readonly contentId?: string;
  readonly parent?: { readonly contentId: string; readonly filename: string };
}

export function vmdkDescriptor({ createType, extents, contentId = '12345678', parent }: VmdkDescriptor): string {
  return [
    '# Disk DescriptorFile', 'version=1', 'encoding="UTF-8"', `CID=${contentId}`, `parentCID=${parent?.contentId ?? 'ffffffff'}`, 'isNativeSnapshot="no"',
    `createType="${createType}"`, ...(parent === undefined ? [] : [`parentFileNameHint="${parent.filename}"`]),
    '# Extent description', ...extents, '', '# The Disk Data Base', '#DDB', '', 'ddb.longContentID = "0123456789abcdef0123456712345678"', 'ddb.adapterType = "lsilogic"', '',
  ].join('\n');
}

/** What becomes of a grain: bytes of its own, nothing, so that the parent decides, or one of the two kinds of zeroes that only seSparse has. */
export type GrainState = 'stored' | 'hole' | 'zero' | 'unmapped';

export interface EsxSparseOptions {
  /** Zeroes are holes and the rest is stored unless given. */
  readonly state?: (grain: number) => GrainState;
  /** Grains and tables lie in the order of the disk in the file unless given: this one shuffles them. */
  readonly seed?: number;
}

export interface CowdOptions extends EsxSparseOptions {
  /** Bytes: 512 unless given. */
  readonly grainSize?: number;
}

const COWD_ENTRIES = 4096;

/** "ESX Server Sparse Extents" of the Virtual Disk Format 1.1: a header of four sectors, the grain directory, then tables and grains as they came. */
export function cowdExtent(content: Uint8Array, options: CowdOptions = {}): Uint8Array {
  const { grainSize = SECTOR, seed } = options;
  const grains = storedGrains(content, grainSize, options);
  const tables = Math.ceil(content.length / grainSize / COWD_ENTRIES);
  const directory = Buffer.alloc(roundUp(tables * 4, SECTOR));
  const parts: Buffer[] = [];
  let next = 4 + directory.length / SECTOR;
  const place = (bytes: Buffer): number => {
    parts.push(bytes);
    next += bytes.length / SECTOR;
    return next - bytes.length / SECTOR;
  };
  const made = new Map<number, Buffer>();
  for (const grain of shuffled(grains, seed)) {
    const number = Math.floor(grain / COWD_ENTRIES);
    let table = made.get(number);
    if (table === undefined) {
      table = Buffer.alloc(COWD_ENTRIES * 4);
      made.set(number, table);
      directory.writeUInt32LE(place(table), number * 4);
    }
    table.writeUInt32LE(place(grainBytes(content, grain, grainSize)), (grain % COWD_ENTRIES) * 4);
  }
  const header = Buffer.alloc(4 * SECTOR);
  header.write('COWD', 0);
  for (const [index, value] of [1, 3, content.length / SECTOR, grainSize / SECTOR, 4, tables, next].entries()) header.writeUInt32LE(value, 4 + 4 * index);
  return new Uint8Array(Buffer.concat([header, directory, ...parts]));
}

export interface SeSparseOptions extends EsxSparseOptions {
  /** The extent was not closed. */
  readonly replayJournal?: boolean;
}

const SE_GRAIN = 4096;
const SE_ENTRIES = 4096;
const SE_TABLE = 64 * SECTOR;
const STATES = { hole: 0n, unmapped: 1n, zero: 2n, stored: 3n } as const;

/** Version 2.1: a constant and a volatile header, a journal, the directory, all tables, a bitmap, the map back, and grains, each by its number there. */
export function seSparseExtent(content: Uint8Array, options: SeSparseOptions = {}): Uint8Array {
  const { seed, replayJournal = false, state } = options;
  const grains = storedGrains(content, SE_GRAIN, options);
  const tables = Math.ceil(content.length / SE_GRAIN / SE_ENTRIES);
  const sizes = [1, 2, 4, roundUp(tables * 8, SECTOR) / SECTOR, tables * (SE_TABLE / SECTOR), 8, 8, grains.length * (SE_GRAIN / SECTOR)];
  let sector = 1;
  const regions = sizes.map((size): readonly [number, number] => [(sector += size) - size, size]);
  const starts = regions.map(([start]) => start * SECTOR);
  const file = Buffer.alloc(sector * SECTOR);
  const header = [0xcafebabe, 0x2_0000_0001, content.length / SECTOR, SE_GRAIN / SECTOR, SE_TABLE / SECTOR, 0, 0, 0, 0, 0, ...regions.flat()];
  header.forEach((value, index) => file.writeBigUInt64LE(BigInt(value), index * 8));
  const [volatile, , , directory, table, , , data] = starts;
  [0xcafecafe, 0, 1, replayJournal ? 1 : 0].forEach((value, index) => file.writeBigUInt64LE(BigInt(value), volatile + index * 8));
  const numbers = shuffled([...Array(tables).keys()], seed);
  const entryAt = (grain: number): number => table + numbers[Math.floor(grain / SE_ENTRIES)] * SE_TABLE + (grain % SE_ENTRIES) * 8;
  numbers.forEach((number, index) => file.writeBigUInt64LE((1n << 60n) | BigInt(number), directory + index * 8));
  const count = Math.ceil(content.length / SE_GRAIN);
  for (let grain = 0; grain < count && state !== undefined; grain++) {
    const found = state(grain);
    if (found !== 'stored') file.writeBigUInt64LE(STATES[found] << 60n, entryAt(grain));
  }
  for (const [index, grain] of shuffled(grains, seed).entries()) {
    // The lower twelve bits of the number are above the others.
    const number = BigInt(index);
    file.writeBigUInt64LE((STATES.stored << 60n) | ((number & 0xfffn) << 48n) | (number >> 12n), entryAt(grain));
    file.set(grainBytes(content, grain, SE_GRAIN), data + index * SE_GRAIN);
  }
  return new Uint8Array(file);
}

function storedGrains(content: Uint8Array, grainSize: number, { state }: EsxSparseOptions): number[] {
  const stored = (grain: number): boolean =>
    state === undefined ? content.subarray(grain * grainSize, (grain + 1) * grainSize).some((byte) => byte !== 0) : state(grain) === 'stored';
  return [...Array(Math.ceil(content.length / grainSize)).keys()].filter(stored);
}

function grainBytes(content: Uint8Array, grain: number, grainSize: number): Buffer {
  const bytes = Buffer.alloc(grainSize);
  bytes.set(content.subarray(grain * grainSize, (grain + 1) * grainSize));
  return bytes;
}

function shuffled(numbers: readonly number[], seed: number | undefined): number[] {
  const list = [...numbers];
  if (seed === undefined) return list;
  const random = prng(seed);
  for (let at = list.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [list[at], list[other]] = [list[other], list[at]];
  }
  return list;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
