/** The trailer: where it is, and what it says. All numbers are big-endian. */
import { settled } from '@blk/cluster-map';
import { MAX_SIZE, type Edge } from '@blk/core-graph';
import { dmgError } from './errors.js';

export const SECTOR = 512;
const TRAILER_BYTES = 512;
/** How far before its usual place the trailer may begin, where something was put behind it: as the reference looks for it, in a file of whole sectors. */
const SEARCHED = 511;
const MAGIC = 'koly';
const Field = { DataOffset: 24, DataLength: 32, ForkOffset: 40, Segments: 60, DataSum: 80, ListOffset: 216, MasterSum: 352, Sectors: 492 } as const;
/** Encrypted images say so at their start (version 2) or at their end (version 1). */
const ENCRYPTED_HEAD = 'encrcdsa';
const ENCRYPTED_END = 'cdsaencr';

/** A checksum as it is stored. */
export interface Checksum {
  readonly type: number;
  /** The first 32 bits of it. */
  readonly value: number;
}

/** The type of what has no checksum. */
export const NONE = 0;

/** The type of checksums that are verified. */
export const CRC32 = 2;

/** A part of the file, which lies inside it; bytes. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
}

export interface Trailer {
  readonly sectors: number;
  /** What chunks are counted from, as far as the file has it. */
  readonly data: FileRange;
  readonly dataSum: Checksum;
  readonly masterSum: Checksum;
  /** Of length 0 where there is none. */
  readonly list: FileRange;
  readonly fork: FileRange;
}

/** Finds the trailer of a file and checks it. */
export async function readTrailer(file: Edge): Promise<Trailer> {
  if (file.size === 0) throw dmgError({ what: 'too-small' });
  const first = Math.max(0, Math.ceil(file.size / SECTOR) * SECTOR - TRAILER_BYTES - SEARCHED);
  const end = new Uint8Array(file.size - first);
  await settled(file.read(first, end, 0, end.length));
  for (let at = end.length - TRAILER_BYTES; at >= 0; at--) {
    if (wordAt(end, at, MAGIC.length) === MAGIC) return parseTrailer(end.subarray(at, at + TRAILER_BYTES), file.size);
  }
  const head = new Uint8Array(Math.min(file.size, TRAILER_BYTES));
  await settled(file.read(0, head, 0, head.length));
  // Some images have it in front of all.
  if (head.length === TRAILER_BYTES && wordAt(head, 0, MAGIC.length) === MAGIC) return parseTrailer(head, file.size);
  const encrypted = wordAt(head, 0, ENCRYPTED_HEAD.length) === ENCRYPTED_HEAD || wordAt(end, end.length - ENCRYPTED_END.length, ENCRYPTED_END.length) === ENCRYPTED_END;
  throw dmgError({ what: encrypted ? 'encrypted' : 'no-trailer' });
}

/** Untrusted bytes, 512 of them. Throws a `BlockError` and nothing else. */
export function parseTrailer(bytes: Uint8Array, fileSize: number): Trailer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const segments = view.getUint32(Field.Segments);
  if (segments > 1) throw dmgError({ what: 'segments', found: segments });
  const sectors = view.getBigUint64(Field.Sectors);
  if (sectors > BigInt(Math.floor(MAX_SIZE / SECTOR))) throw dmgError({ what: 'too-large', sectors });
  const range = (thing: string, at: number): FileRange => {
    const offset = view.getBigUint64(at);
    const length = view.getBigUint64(at + 8);
    if (length === 0n) return { offset: 0, length: 0 };
    if (offset + length > BigInt(fileSize)) throw dmgError({ what: 'range', thing, offset, length, fileSize });
    return { offset: Number(offset), length: Number(length) };
  };
  // Chunks are checked where they are read, so the length of the fork counts for nothing but its checksum.
  const offset = view.getBigUint64(Field.DataOffset);
  const length = view.getBigUint64(Field.DataLength);
  if (offset > BigInt(fileSize)) throw dmgError({ what: 'range', thing: 'The data fork', offset, length, fileSize });
  const left = BigInt(fileSize) - offset;
  return {
    sectors: Number(sectors),
    data: { offset: Number(offset), length: Number(length < left ? length : left) },
    dataSum: checksumAt(view, Field.DataSum),
    masterSum: checksumAt(view, Field.MasterSum),
    list: range('The property list', Field.ListOffset),
    fork: range('The resource fork', Field.ForkOffset),
  };
}

/** A checksum and what kind it is, as trailers and block tables have it. */
export function checksumAt(view: DataView, at: number): Checksum {
  return { type: view.getUint32(at), value: view.getUint32(at + 8) };
}

function wordAt(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
