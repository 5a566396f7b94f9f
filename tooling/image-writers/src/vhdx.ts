/** VHDX images, from the VHDX Format Specification: dynamic and differencing, with a log that was not put into place. */
import { crc32c, guid, LogEntry, type LogChange } from './vhdx-log.js';

const MIB = 2 ** 20;
const KIB64 = 65536;
const LOG = { offset: MIB, length: MIB };
const METADATA = 2 * MIB;
const TABLE = 3 * MIB;
const LOG_ID = '5a2c8d7e-1111-4222-8333-944444444444';

export const VhdxState = { notPresent: 0, undefined: 1, zero: 2, unmapped: 3, present: 6, partly: 7 } as const;

export interface VhdxBlock {
  readonly state: (typeof VhdxState)[keyof typeof VhdxState];
  /** Of blocks that are there in part: the sectors that are. */
  readonly has?: (sector: number) => boolean;
}

export interface VhdxOptions {
  /** Bytes; 1 MiB unless given. */
  readonly blockSize?: number;
  readonly sectorSize?: 512 | 4096;
  /** By block of the disk; there, or zero where it is full of zeroes, unless given. */
  readonly blocks?: (block: number) => VhdxBlock;
  /** What the parent's identifier of its content has to be, and other keys of the locator, such as `relative_path`. */
  readonly parent?: { readonly linkage: string; readonly names: Readonly<Record<string, string>> };
  /** Identifier of the content; `VHDX_ID` unless given. */
  readonly id?: string;
  /** The block table is only in the log: the last of so many entries has it, those before have older ones. */
  readonly logEntries?: number;
  /** Where in the log the first of them begins: a multiple of 4096; 0 unless given. What passes the end of the log goes on at its start. */
  readonly logStart?: number;
}

export const VHDX_ID = '01020304-0506-0708-090a-0b0c0d0e0f10';

/** `content`: whole sectors. */
export function vhdxImage(content: Uint8Array, options: VhdxOptions = {}): Uint8Array {
  const { blockSize = MIB, sectorSize = 512, parent, logEntries = 0, logStart = 0 } = options;
  const count = Math.ceil(content.length / blockSize);
  const ratio = (2 ** 23 * sectorSize) / blockSize;
  if (count > ratio) throw new RangeError('a disk of one chunk is all that is made here');
  const blockOf = (index: number): VhdxBlock => options.blocks?.(index) ?? { state: bytesOf(content, index, blockSize).some((byte) => byte !== 0) ? VhdxState.present : VhdxState.zero };
  const table = Buffer.alloc(Math.ceil(((ratio + 1) * 8) / MIB) * MIB);
  const bitmap = new Uint8Array(MIB);
  const behind: Uint8Array[] = [];
  let place = TABLE + table.length;
  if (parent !== undefined) {
    behind.push(bitmap);
    table.writeBigUInt64LE(BigInt(place + VhdxState.present), ratio * 8);
    place += MIB;
  }
  for (let index = 0; index < count; index++) {
    const { state, has = () => true } = blockOf(index);
    const stored = state >= VhdxState.present;
    table.writeBigUInt64LE(BigInt(state + (stored ? place : 0)), index * 8);
    if (!stored) continue;
    behind.push(bytesOf(content, index, blockSize));
    place += blockSize;
    const first = index * (MIB / ratio) * 8;
    if (state === VhdxState.partly) for (let sector = 0; sector < blockSize / sectorSize; sector++) if (has(sector)) bitmap[(first + sector) >> 3] |= 1 << (sector & 7);
  }
  const log = Buffer.alloc(LOG.length);
  if (logEntries > 0) fillLog(log, table, logEntries, { start: logStart, end: place });
  const front = [identifier(), padTo(header(1, options), KIB64), padTo(header(2, options), KIB64), regions(table.length), regions(table.length)];
  return new Uint8Array(Buffer.concat([padTo(Buffer.concat(front), MIB), log, metadata(content.length, options), table, ...behind]));
}

/** The first page of the table goes into the log, and noise into its place; its second page is zeroes there. */
function fillLog(log: Buffer, table: Buffer, entries: number, { start, end }: { readonly start: number; readonly end: number }): void {
  const right = Buffer.from(table.subarray(0, 4096));
  let at = start;
  for (let number = 1; number <= entries; number++) {
    const older = Buffer.from(right).fill(0, number === entries ? 4096 : 8 * number);
    const changes: LogChange[] = [{ offset: TABLE, page: older }, { offset: TABLE + 4096, zeroes: 4096 }];
    const entry = new LogEntry({ id: LOG_ID, sequence: 100 + number, tail: start, end, changes });
    const first = Math.min(entry.bytes.length, log.length - at);
    log.set(entry.bytes.subarray(0, first), at);
    log.set(entry.bytes.subarray(first), 0);
    at = (at + entry.bytes.length) % log.length;
  }
  table.fill(0xa5, 0, 8192);
}

function bytesOf(content: Uint8Array, block: number, blockSize: number): Uint8Array {
  const bytes = new Uint8Array(blockSize);
  bytes.set(content.subarray(block * blockSize, (block + 1) * blockSize));
  return bytes;
}

function identifier(): Buffer {
  const bytes = Buffer.alloc(KIB64);
  bytes.write('vhdxfile');
  bytes.write('image writers', 8, 'utf16le');
  return bytes;
}

function header(sequence: number, { id = VHDX_ID, logEntries = 0 }: VhdxOptions): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write('head');
  bytes.writeBigUInt64LE(BigInt(sequence), 8);
  guid(bytes, 16, 'aaaaaaaa-0000-4000-8000-000000000001');
  guid(bytes, 32, id);
  if (logEntries > 0) guid(bytes, 48, LOG_ID);
  bytes.writeUInt16LE(1, 66);
  bytes.writeUInt32LE(LOG.length, 68);
  bytes.writeBigUInt64LE(BigInt(LOG.offset), 72);
  bytes.writeUInt32LE(crc32c(bytes), 4);
  return bytes;
}

function regions(tableLength: number): Buffer {
  const bytes = Buffer.alloc(KIB64);
  bytes.write('regi');
  bytes.writeUInt32LE(2, 8);
  const list = [['2dc27766-f623-4200-9d64-115e9bfd4a08', TABLE, tableLength], ['8b7ca206-4790-4b9a-b8fe-575f050f886e', METADATA, MIB]] as const;
  list.forEach(([id, offset, length], index) => {
    const at = 16 + index * 32;
    guid(bytes, at, id);
    bytes.writeBigUInt64LE(BigInt(offset), at + 16);
    bytes.writeUInt32LE(length, at + 24);
    bytes.writeUInt32LE(1, at + 28);
  });
  bytes.writeUInt32LE(crc32c(bytes), 4);
  return bytes;
}

function metadata(size: number, { blockSize = MIB, sectorSize = 512, parent }: VhdxOptions): Buffer {
  const bytes = Buffer.alloc(MIB);
  bytes.write('metadata');
  const parameters = words(blockSize, parent === undefined ? 0 : 2);
  const page83 = Buffer.alloc(16);
  guid(page83, 0, 'bbbbbbbb-0000-4000-8000-000000000002');
  const diskSize = Buffer.alloc(8);
  diskSize.writeBigUInt64LE(BigInt(size));
  // Flags: 2 for what is about the disk and not the file, 4 for what has to be known.
  const items: (readonly [id: string, flags: number, value: Buffer])[] = [
    ['caa16737-fa36-4d43-b3b6-33f0aa44e76b', 4, parameters], ['2fa54224-cd1b-4876-b211-5dbed83bf4b8', 6, diskSize], ['beca12ab-b2e6-4523-93ef-c309e000c746', 6, page83],
    ['8141bf1d-a96f-4709-ba47-f233a8faab5f', 6, words(sectorSize)], ['cda348c7-445d-4471-9cc9-e9885251c556', 6, words(4096)],
  ];
  if (parent !== undefined) items.push(['a8d35f2d-b30b-454d-abf7-d3d84834ab0c', 4, locator({ parent_linkage: `{${parent.linkage}}`, ...parent.names })]);
  bytes.writeUInt16LE(items.length, 10);
  let free = KIB64;
  items.forEach(([id, flags, value], index) => {
    const at = 32 + index * 32;
    guid(bytes, at, id);
    for (const [field, word] of [free, value.length, flags].entries()) bytes.writeUInt32LE(word, at + 16 + field * 4);
    bytes.set(value, free);
    free += Math.ceil(value.length / 8) * 8;
  });
  return bytes;
}

function locator(pairs: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(pairs);
  const head = Buffer.alloc(20 + entries.length * 12);
  guid(head, 0, 'b04aefb7-d19e-4a81-b789-25b8e9445913');
  head.writeUInt16LE(entries.length, 18);
  const texts: Buffer[] = [];
  let free = head.length;
  entries.forEach((pair, index) => pair.forEach((text, which) => {
    const bytes = Buffer.from(text, 'utf16le');
    const at = 20 + index * 12;
    head.writeUInt32LE(free, at + which * 4);
    head.writeUInt16LE(bytes.length, at + 8 + which * 2);
    texts.push(bytes);
    free += bytes.length;
  }));
  return Buffer.concat([head, ...texts]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return bytes;
}

function padTo(bytes: Buffer, length: number): Buffer {
  return Buffer.concat([bytes], length);
}
