/** The file allocation tables of a disk whose files each lie in one piece, one behind the other: nothing but where each piece ends. */
import { mediaOf } from './boot-sector.js';
import { FIRST_CLUSTER, type FatType, type Shape } from './shape.js';

/** What the tables say; clusters behind the last end are free. */
export interface Pieces {
  /** The last cluster of every piece, in order. */
  readonly ends: Uint32Array;
  readonly usedClusters: number;
}

/** In the tables: no further cluster. */
export const END_OF_CHAIN: Readonly<Record<FatType, number>> = { 12: 0xfff, 16: 0xffff, 32: 0x0fffffff };

/** Fills `buffer[start, start + length)` with the bytes of a table from `at`, which is even. */
export function fillTable(shape: Shape, { ends, usedClusters }: Pieces, at: number, buffer: Uint8Array, start: number, length: number): void {
  buffer.fill(0, start, start + length);
  const { fatType } = shape;
  const first = Math.floor((at * 8) / fatType);
  const last = Math.min(Math.ceil(((at + length) * 8) / fatType), usedClusters + FIRST_CLUSTER);
  const end = END_OF_CHAIN[fatType];
  const put = fatType === 12 ? putTwelve : putWhole;
  const table: Part = { bytes: new DataView(buffer.buffer, buffer.byteOffset + start, length), at, entryBytes: fatType / 8 };
  let nextEnd = firstFrom(ends, first);
  for (let cluster = first; cluster < last; cluster++) {
    let value = cluster + 1;
    if (cluster === ends[nextEnd]) {
      value = end;
      nextEnd++;
    } else if (cluster === 0) value = (end - 0xff) | mediaOf(shape);
    else if (cluster === 1) value = end;
    put(table, cluster, value);
  }
}

/** A part of a table, which begins at `at`. */
interface Part {
  readonly bytes: DataView;
  readonly at: number;
  readonly entryBytes: number;
}

/** Entries of whole bytes. */
function putWhole(part: Part, cluster: number, value: number): void {
  const { bytes, at, entryBytes } = part;
  const place = cluster * entryBytes - at;
  if (place < 0 || place + entryBytes > bytes.byteLength) for (let byte = 0; byte < entryBytes; byte++) setBits(part, place + byte, value >>> (8 * byte));
  else if (entryBytes === 2) bytes.setUint16(place, value, true);
  else bytes.setUint32(place, value, true);
}

/** Entries of a byte and a half. */
function putTwelve(part: Part, cluster: number, value: number): void {
  const place = cluster + (cluster >> 1) - part.at;
  const shifted = cluster % 2 === 0 ? value : value << 4;
  setBits(part, place, shifted);
  setBits(part, place + 1, shifted >> 8);
}

/** Sets those of the low 8 bits in one byte, where the part has it. */
function setBits({ bytes }: Part, byte: number, bits: number): void {
  if (byte >= 0 && byte < bytes.byteLength) bytes.setUint8(byte, bytes.getUint8(byte) | (bits & 0xff));
}

/** Index of the first item that is `value` or more. */
function firstFrom(sorted: Uint32Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
